"""Cells, speeds and positions: where people were.

Whole hours come from the hour tables, whatever their number. Positions are read for
what is left at the edges of a range, and for one person.
"""

import numpy as np
from numpy.typing import NDArray

from services.analytics.adapters.reading.section import (
    IN_TIMELINES,
    Section,
    scoped,
    to_times,
)
from services.analytics.domain.figures.heat import Heat
from services.analytics.domain.figures.samples import (
    Samples,
    Stays,
    heat_of,
    speed_bins_of,
)
from services.analytics.domain.figures.span import HOUR_US, IntArray, Span
from services.analytics.service.ports import Points, StayParts
from services.analytics.service.questions import Scope
from services.common.ids import GlobalId

RealArray = NDArray[np.float32]

_CELLS = f"""
    SELECT cell_x::bigint, cell_y::bigint,
        sum(passages)::bigint, sum(present_us)::bigint
    FROM cell_hours
    WHERE environment_id = %(environment)s AND {IN_TIMELINES}
        AND floor_id = %(floor)s AND hour >= %(start)s AND hour < %(end)s
    GROUP BY cell_x, cell_y
"""
_SPEEDS = f"""
    SELECT speed_bin::bigint, sum(present_us)::bigint
    FROM speed_hours
    WHERE environment_id = %(environment)s AND {IN_TIMELINES}
        AND floor_id = %(floor)s AND hour >= %(start)s AND hour < %(end)s
    GROUP BY speed_bin
"""
_STAY = f"""
    SELECT * FROM stays
    WHERE environment_id = %(environment)s AND {IN_TIMELINES}
        AND (%(person)s = 0 OR person_id = %(person)s)
        AND start_time <= %(end)s AND end_time >= %(start)s
"""
_STAYS = f"""
    SELECT stay_id, end_time, passage::integer::bigint
    FROM ({_STAY}) AS stay WHERE floor_id = %(floor)s ORDER BY stay_id
"""
_PLACE = "x_m, y_m"
_VELOCITY = "coalesce(velocity_x_mps, 'NaN'), coalesce(velocity_y_mps, 'NaN')"
_SAMPLES = """
    SELECT stay_id, capture_time, (hidden @> capture_time)::integer::bigint, {}
    FROM stays JOIN positions USING (stay_id)
    WHERE stay_id = ANY(%(stays)s)
        AND capture_time >= %(start)s AND capture_time <= %(end)s AND x_m IS NOT NULL
"""
_PARTS = f"""
    WITH stay AS ({_STAY})
    SELECT stay_id, start_time, end_time, 1::bigint, samples
    FROM stay WHERE hidden = '{{}}'
    UNION ALL
    SELECT stay_id, lower(part), upper(part),
        (upper(part) = end_time)::integer::bigint, samples
    FROM stay,
        unnest(tstzmultirange(tstzrange(start_time, end_time)) - hidden) AS part
    WHERE hidden <> '{{}}'
    ORDER BY 2, 3, 1
"""
_POINTS = """
    SELECT stay_id, capture_time, x_m, y_m
    FROM unnest(
        %(stays)s::bigint[], %(starts)s::timestamptz[], %(ends)s::timestamptz[],
        %(wholes)s::boolean[]
    ) AS part (stay_id, start_time, end_time, whole)
    JOIN positions USING (stay_id)
    WHERE capture_time >= start_time
        AND (capture_time < end_time OR whole AND capture_time = end_time)
        AND capture_time >= %(start)s AND capture_time < %(end)s
        AND x_m IS NOT NULL
    ORDER BY capture_time, stay_id
"""
_FLOORS = """
    SELECT stay_id, floor_id FROM stays WHERE stay_id = ANY(%(stays)s)
"""


class Floor(Section):
    """Reads where people were."""

    async def heat(
        self, scope: Scope, span: Span, floor_id: str, person_id: GlobalId
    ) -> list[Heat]:
        """Return base cells of a range; of everybody for person 0."""
        whole = None if person_id else span.whole(HOUR_US)
        parts = []
        if whole:
            found = await self._columns(
                _CELLS,
                scoped(scope, whole, floor=floor_id),
                column="integer",
                row="integer",
                passages="integer",
                dwell_us="integer",
            )
            parts.append(Heat(**found))
        for edge in span.around(whole):
            stays, samples, position_m = await self._sampled(
                scope, edge, floor_id, person_id, _PLACE
            )
            parts.append(heat_of(samples, stays, position_m, edge))
        return parts

    async def speed_bins(
        self, scope: Scope, span: Span, floor_id: str, person_id: GlobalId
    ) -> tuple[IntArray, IntArray]:
        """Return bins of speed and time in them; of everybody for person 0."""
        whole = None if person_id else span.whole(HOUR_US)
        bins, present_us = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        if whole:
            parameters = scoped(scope, whole, floor=floor_id)
            found = await self._columns(
                _SPEEDS, parameters, speed_bin="integer", present_us="integer"
            )
            bins.append(found["speed_bin"])
            present_us.append(found["present_us"])
        for edge in span.around(whole):
            _, samples, velocity_mps = await self._sampled(
                scope, edge, floor_id, person_id, _VELOCITY
            )
            binned = speed_bins_of(samples, velocity_mps, edge)
            bins.append(binned[0])
            present_us.append(binned[1])
        return np.concatenate(bins), np.concatenate(present_us)

    async def stay_parts(
        self, scope: Scope, span: Span, person_id: GlobalId
    ) -> StayParts:
        """Return what counts of one person's stays that have a moment in a range."""
        found = await self._columns(
            _PARTS,
            scoped(scope, span, person=person_id),
            stay_id="integer",
            start_us="time",
            end_us="time",
            whole="integer",
            samples="integer",
        )
        return StayParts(**found)

    async def points(self, scope: Scope, span: Span, parts: StayParts) -> Points:
        """Return the sightings of some parts within a range."""
        stays = parts.stay_id.tolist()
        levels = dict(await self._rows(_FLOORS, {"stays": stays}))
        floor_ids = tuple(sorted(set(levels.values())))
        found = await self._columns(
            _POINTS,
            scoped(
                scope,
                span,
                stays=stays,
                starts=to_times(parts.start_us),
                ends=to_times(parts.end_us),
                wholes=(parts.whole > 0).tolist(),
            ),
            stay="integer",
            time_us="time",
            x_m="real",
            y_m="real",
        )
        index = {name: number for number, name in enumerate(floor_ids)}
        floor = [index[levels[stay]] for stay in found["stay"].tolist()]
        return Points(
            found["time_us"],
            found["x_m"],
            found["y_m"],
            np.array(floor, np.int64),
            floor_ids,
        )

    async def _sampled(
        self,
        scope: Scope,
        edge: Span,
        floor_id: str,
        person_id: GlobalId,
        pair: str,
    ) -> tuple[Stays, Samples, tuple[RealArray, RealArray]]:
        """Return stays around a range, and their samples with two columns each."""
        around = Span(edge.start_us - self._gap_us, edge.end_us + self._gap_us)
        parameters = scoped(scope, around, floor=floor_id, person=person_id)
        stays = Stays(
            **await self._columns(
                _STAYS,
                parameters,
                stay_id="integer",
                end_us="time",
                passage="integer",
            )
        )
        found = await self._columns(
            _SAMPLES.format(pair),
            scoped(scope, around, stays=stays.stay_id.tolist()),
            stay="integer",
            time="time",
            hidden="integer",
            first="real",
            second="real",
        )
        order = np.lexsort((found["time"], found["stay"]))
        stay, time_us, hidden, first, second = (one[order] for one in found.values())
        return stays, Samples.of(stay, time_us, hidden > 0, stays), (first, second)
