"""Stays, visits, crossings and tracks: who was there."""

import numpy as np

from services.analytics.adapters.reading.section import IN_TIMELINES, Section, scoped
from services.analytics.adapters.times import to_time
from services.analytics.domain.figures.intervals import Intervals
from services.analytics.domain.figures.people import Seen
from services.analytics.domain.figures.span import IntArray, Span
from services.analytics.service.ports import Present
from services.analytics.service.questions import NamedBorders, Scope

_STAYS = f"""
    SELECT stay_id, person_id, start_time, end_time, hidden FROM stays
    WHERE environment_id = %(environment)s AND {IN_TIMELINES}
        AND start_time <= %(end)s AND end_time >= %(start)s
"""
_PARTS = f"""
    WITH stay AS ({_STAYS})
    SELECT person_id, start_time, end_time FROM stay WHERE hidden = '{{}}'
    UNION ALL
    SELECT person_id, lower(part), upper(part)
    FROM stay,
        unnest(tstzmultirange(tstzrange(start_time, end_time)) - hidden) AS part
    WHERE hidden <> '{{}}'
"""
# A visit of no length is an empty range: it counts unless its moment is hidden.
_VISITS = f"""
    WITH stay AS ({_STAYS}), visit AS (
        SELECT person_id, zone_key, visits.start_time, visits.end_time, went, hidden
        FROM stay JOIN visits USING (stay_id) WHERE zone_key = ANY(%(zones)s)
    )
    SELECT person_id, zone_key::bigint, start_time, end_time,
        (went <> 'exited')::integer::bigint
    FROM visit
    WHERE hidden = '{{}}' OR (start_time = end_time AND NOT hidden @> start_time)
    UNION ALL
    SELECT person_id, zone_key::bigint, lower(part), upper(part),
        (went <> 'exited' OR upper(part) < end_time)::integer::bigint
    FROM visit,
        unnest(tstzmultirange(tstzrange(start_time, end_time)) - hidden) AS part
    WHERE hidden <> '{{}}'
"""
_FINAL = """
    SELECT DISTINCT persons.person_id
    FROM unnest(%(ids)s::bigint[]) AS asked (person_id)
    JOIN persons ON persons.environment_id = %(environment)s
        AND persons.person_id = asked.person_id
    WHERE EXISTS (
        SELECT FROM tracks
        WHERE tracks.environment_id = %(environment)s
            AND tracks.global_id = persons.global_id AND NOT tracks.provisional
    )
    ORDER BY 1
"""
_RUNNING = f"""
    FROM sessions
    WHERE environment_id = %(environment)s AND {IN_TIMELINES}
        AND state NOT IN ('completed', 'stopped', 'failed')
        AND last_capture_time IS NOT NULL
    GROUP BY timeline_id
"""
_GOING_ON = f"SELECT max(last_capture_time) {_RUNNING}"
_PRESENT = f"""
    WITH going_on AS (
        SELECT timeline_id, max(last_capture_time) AS as_of {_RUNNING}
    ), latest AS (
        SELECT timeline_id, max(pass) AS pass FROM passes
        WHERE environment_id = %(environment)s GROUP BY timeline_id
    )
    SELECT DISTINCT ON (person_id) person_id, stay_id, end_time
    FROM stays JOIN going_on USING (timeline_id) JOIN latest USING (timeline_id, pass)
    WHERE environment_id = %(environment)s AND end_time >= %(since)s
        AND end_time >= as_of - %(gap)s * interval '1 microsecond'
        AND NOT handed_over
    ORDER BY person_id, end_time DESC, floor_id = '', published_id
"""
_PRESENT_IN = f"""
    WITH present AS ({_PRESENT})
    SELECT person_id, zone_key::bigint
    FROM present JOIN visits USING (stay_id, end_time)
    WHERE zone_key = ANY(%(zones)s) AND went = 'inside'
"""
_AGAIN = """
    SELECT earlier.timeline_id, earlier.pass,
        range_agg(tstzrange(later.start_time, later.end_time)) AS again
    FROM passes earlier
    JOIN passes later USING (environment_id, timeline_id)
    WHERE environment_id = %(environment)s AND later.pass > earlier.pass
    GROUP BY earlier.timeline_id, earlier.pass
"""
# Not `hidden`: what a camera saw of another identity of the person counts for it, and
# joins with the rest. Only what was read again does not count.
_APPEARANCES = f"""
    WITH stay AS ({_STAYS.replace("hidden", "timeline_id, pass")}),
    read_again AS ({_AGAIN}), appearance AS (
        SELECT person_id, array_position(%(cameras)s::text[], camera_id) - 1 AS camera,
            appearances.start_time, appearances.end_time,
            coalesce(again, '{{}}') AS again
        FROM stay JOIN appearances USING (stay_id)
        LEFT JOIN read_again USING (timeline_id, pass)
        WHERE camera_id = ANY(%(cameras)s)
    )
    SELECT person_id, camera::bigint, start_time, end_time FROM appearance
    WHERE again = '{{}}' OR (start_time = end_time AND NOT again @> start_time)
    UNION ALL
    SELECT person_id, camera::bigint, lower(part), upper(part)
    FROM appearance,
        unnest(tstzmultirange(tstzrange(start_time, end_time)) - again) AS part
    WHERE again <> '{{}}'
"""
_PRESENT_BY = f"""
    WITH going_on AS (
        SELECT timeline_id, max(last_capture_time) AS as_of {_RUNNING}
    ), latest AS (
        SELECT timeline_id, max(pass) AS pass FROM passes
        WHERE environment_id = %(environment)s GROUP BY timeline_id
    )
    SELECT DISTINCT person_id,
        (array_position(%(cameras)s::text[], appearances.camera_id) - 1)::bigint
    FROM stays JOIN going_on USING (timeline_id) JOIN latest USING (timeline_id, pass)
    JOIN appearances USING (stay_id)
    WHERE environment_id = %(environment)s AND stays.end_time >= %(since)s
        AND appearances.end_time >= as_of - %(gap)s * interval '1 microsecond'
        AND appearances.camera_id = ANY(%(cameras)s)
"""
_CAMERAS = f"""
    SELECT camera_id, array_agg(DISTINCT persons.person_id)
    FROM tracks
    JOIN persons USING (environment_id, global_id)
    WHERE environment_id = %(environment)s
        AND {IN_TIMELINES.replace("timeline_id", "tracks.timeline_id")}
        AND (%(cameras)s::text[] = '{{}}' OR camera_id = ANY(%(cameras)s))
        AND tracks.first_time < %(end)s AND tracks.last_time >= %(start)s
    GROUP BY camera_id
"""
_CROSSINGS = f"""
    SELECT person_id, tripwire_key::bigint, direction::bigint
    FROM crossings JOIN stays USING (stay_id)
    WHERE tripwire_key = ANY(%(wires)s) AND {IN_TIMELINES}
        AND capture_time >= %(start)s AND capture_time < %(end)s
        AND NOT hidden @> capture_time
"""


class People(Section):
    """Reads who was there."""

    async def seen(self, scope: Scope, span: Span, zones: NamedBorders) -> Seen:
        """Return parts of stays and visits that have a moment in a range.

        What begins within the presence gap after the range is there, too: it tells
        whether something ended.
        """
        looked = Span(span.start_us, span.end_us + self._gap_us)
        place = zones.place()
        parameters = scoped(scope, looked, zones=list(place))
        parts = await self._columns(
            _PARTS, parameters, person="integer", start="time", end="time"
        )
        visits = await self._columns(
            _VISITS,
            parameters,
            person="integer",
            zone="integer",
            start="time",
            end="time",
            inside="integer",
        )
        nowhere = np.zeros(len(parts["person"]), np.int64)
        return Seen(
            parts=Intervals(parts["person"], nowhere, parts["start"], parts["end"]),
            visits=Intervals(
                visits["person"],
                _places(visits["zone"], place),
                visits["start"],
                visits["end"],
            ),
            inside=visits["inside"] > 0,
            gap_us=self._gap_us,
        )

    async def appearances(
        self, scope: Scope, span: Span, camera_ids: tuple[str, ...]
    ) -> Intervals:
        """Return appearances of stays as `seen` takes them, by index of the camera."""
        looked = Span(span.start_us, span.end_us + self._gap_us)
        found = await self._columns(
            _APPEARANCES,
            scoped(scope, looked, cameras=list(camera_ids)),
            person="integer",
            camera="integer",
            start="time",
            end="time",
        )
        return Intervals(found["person"], found["camera"], found["start"], found["end"])

    async def final(self, scope: Scope, person_ids: IntArray) -> IntArray:
        """Return who of some persons ever became final, ascending."""
        if not len(person_ids):
            return person_ids
        parameters = scoped(scope, ids=person_ids.tolist())
        found = await self._columns(_FINAL, parameters, person="integer")
        return found["person"]

    async def present(
        self, scope: Scope, zones: NamedBorders, camera_ids: tuple[str, ...]
    ) -> Present:
        """Return who is present now."""
        place = zones.place()
        going_on = await self._columns(_GOING_ON, scoped(scope), as_of="time")
        as_of_us = going_on["as_of"]
        if not len(as_of_us):
            nobody = np.zeros(0, np.int64)
            return Present(None, nobody, (nobody, nobody), (nobody, nobody))
        parameters = scoped(
            scope,
            gap=self._gap_us,
            since=to_time(int(as_of_us.min()) - self._gap_us),
            zones=list(place),
            cameras=list(camera_ids),
        )
        persons = await self._columns(
            f"SELECT person_id FROM ({_PRESENT}) AS present",
            parameters,
            person="integer",
        )
        inside = await self._columns(
            _PRESENT_IN, parameters, person="integer", zone="integer"
        )
        seen = await self._columns(
            _PRESENT_BY, parameters, person="integer", camera="integer"
        )
        return Present(
            as_of_us=int(as_of_us.max()),
            person_ids=persons["person"],
            zones=(inside["person"], _places(inside["zone"], place)),
            cameras=(seen["person"], seen["camera"]),
        )

    async def sightings_by_camera(
        self, scope: Scope, span: Span, camera_ids: tuple[str, ...]
    ) -> list[tuple[str, IntArray]]:
        """Return the persons whom each camera's tracks saw, by camera."""
        parameters = scoped(scope, span, cameras=list(camera_ids))
        found = dict(await self._rows(_CAMERAS, parameters))
        return [
            (name, np.array(found.get(name, ()), np.int64))
            for name in sorted({*found, *camera_ids})
        ]

    async def crossings(
        self, scope: Scope, span: Span, tripwires: NamedBorders
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Return person, index of the tripwire and direction of each crossing."""
        place = tripwires.place()
        found = await self._columns(
            _CROSSINGS,
            scoped(scope, span, wires=list(place)),
            person="integer",
            wire="integer",
            direction="integer",
        )
        return found["person"], _places(found["wire"], place), found["direction"]


def _places(keys: IntArray, place: dict[int, int]) -> IntArray:
    """Return the index of each key's name."""
    index = np.zeros(max(place, default=0) + 1, np.int64)
    for key, where in place.items():
        index[key] = where
    places: IntArray = index[keys]
    return places
