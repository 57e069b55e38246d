"""Rows of stays and of what is kept from them: visits, crossings, cells, speeds."""

import numpy as np
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.analytics.adapters.number_arrays import BigInts
from services.analytics.adapters.times import to_time
from services.analytics.domain.increment import CAME, WENT, Increment, StayRow

# Names are told once, and rows tell which; the one before the first is NULL.
_STAYS = """
    INSERT INTO stays
        (environment_id, stay_id, timeline_id, pass, session_id,
         published_id, global_id, person_id, floor_id, camera_id, track_id,
         start_time, end_time, samples, distance_m, handed_over, passage)
    SELECT %s, stay_id, name[timeline], pass, name[session],
           published_id, published_id, published_id,
           name[floor], name[camera], nullif(track_id, -1),
           'epoch'::timestamptz + start_us * interval '1 microsecond',
           'epoch'::timestamptz + end_us * interval '1 microsecond',
           samples, distance_um / 1e6, handed_over = 1, passage = 1
    FROM (SELECT %s::text[] AS name) names,
         unnest(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            AS one (stay_id, timeline, pass, session, published_id, floor, camera,
                    track_id, start_us, end_us, samples, distance_um, handed_over,
                    passage)
    ON CONFLICT (stay_id) DO UPDATE SET
        end_time = excluded.end_time,
        samples = stays.samples + excluded.samples,
        distance_m = stays.distance_m + excluded.distance_m,
        handed_over = excluded.handed_over
"""
_FARTHEST_M = 1e12
_OWN_PERSON = """
    UPDATE stays SET person_id = persons.person_id FROM persons
    WHERE stays.stay_id = ANY(%s)
      AND persons.environment_id = stays.environment_id
      AND persons.global_id = stays.global_id
      AND persons.person_id <> stays.person_id
"""
_VISITS = """
    INSERT INTO visits
        (zone_key, stay_id, start_time, end_time, came, went, samples)
    SELECT zone_key, stay_id,
           'epoch'::timestamptz + start_us * interval '1 microsecond',
           'epoch'::timestamptz + end_us * interval '1 microsecond',
           (%s::text[])[came + 1], (%s::text[])[went + 1], samples
    FROM unnest(%s, %s, %s, %s, %s, %s, %s)
        AS one (zone_key, stay_id, start_us, end_us, came, went, samples)
    ON CONFLICT (stay_id, zone_key, start_time) DO UPDATE SET
        end_time = excluded.end_time,
        went = excluded.went,
        samples = visits.samples + excluded.samples
"""
_APPEARANCES = """
    INSERT INTO appearances (stay_id, camera_id, start_time, end_time)
    SELECT stay_id, (%s::text[])[camera + 1],
           'epoch'::timestamptz + start_us * interval '1 microsecond',
           'epoch'::timestamptz + end_us * interval '1 microsecond'
    FROM unnest(%s, %s, %s, %s) AS one (stay_id, camera, start_us, end_us)
    ON CONFLICT (stay_id, camera_id, start_time) DO UPDATE SET
        end_time = excluded.end_time
"""
_CROSSINGS = """
    INSERT INTO crossings (tripwire_key, stay_id, capture_time, direction)
    SELECT * FROM unnest(%s::integer[], %s::bigint[], %s::timestamptz[],
                         %s::smallint[])
    ON CONFLICT (stay_id, tripwire_key, capture_time) DO NOTHING
"""
_CELLS = """
    INSERT INTO cell_hours (environment_id, timeline_id, floor_id, hour,
                            cell_x, cell_y, present_us, passages)
    SELECT %(environment_id)s, (%(timelines)s::text[])[place + 1],
           (%(floors)s::text[])[place + 1],
           'epoch'::timestamptz + hour * interval '1 hour',
           cell_x, cell_y, present_us, passages
    FROM unnest(%(key_0)s, %(key_1)s, %(key_2)s, %(key_3)s, %(sum_0)s, %(sum_1)s)
        AS one (place, hour, cell_x, cell_y, present_us, passages)
    ON CONFLICT (environment_id, timeline_id, floor_id, hour, cell_x, cell_y)
    DO UPDATE SET
        present_us = cell_hours.present_us + excluded.present_us,
        passages = cell_hours.passages + excluded.passages
"""
_SPEEDS = """
    INSERT INTO speed_hours (environment_id, timeline_id, floor_id, hour,
                             speed_bin, present_us)
    SELECT %(environment_id)s, (%(timelines)s::text[])[place + 1],
           (%(floors)s::text[])[place + 1],
           'epoch'::timestamptz + hour * interval '1 hour',
           speed_bin, present_us
    FROM unnest(%(key_0)s, %(key_1)s, %(key_2)s, %(sum_0)s)
        AS one (place, hour, speed_bin, present_us)
    ON CONFLICT (environment_id, timeline_id, floor_id, hour, speed_bin)
    DO UPDATE SET present_us = speed_hours.present_us + excluded.present_us
"""


async def write_stays(
    connection: AsyncConnection[TupleRow],
    environment_id: str,
    increment: Increment,
    stay_base: int,
) -> None:
    """Write stays and what names them; identities must be there."""
    stays = increment.stays.values()
    if not stays:
        return
    names: dict[str, int] = {}
    rows = [_stay_numbers(one, stay_base, names) for one in stays]
    columns = map(BigInts, np.array(rows, np.int64).T)
    await connection.execute(_STAYS, [environment_id, list(names), *columns])
    new = [stay_base + one.number for one in stays if one.is_new]
    if new:
        await connection.execute(_OWN_PERSON, (new,))
    if increment.visits:
        visits = [
            (
                one.zone_key,
                stay_base + one.stay,
                one.start_us,
                one.end_us,
                CAME.index(one.came),
                WENT.index(one.went),
                one.samples,
            )
            for one in increment.visits
        ]
        columns = map(BigInts, np.array(visits, np.int64).T)
        await connection.execute(_VISITS, [list(CAME), list(WENT), *columns])
    if increment.appearances:
        await _write_appearances(connection, increment, stay_base)
    if increment.crossings:
        crossings = [
            (
                one.tripwire_key,
                stay_base + one.stay,
                to_time(one.time_us),
                one.direction,
            )
            for one in increment.crossings
        ]
        await connection.execute(
            _CROSSINGS, [list(c) for c in zip(*crossings, strict=True)]
        )


async def _write_appearances(
    connection: AsyncConnection[TupleRow], increment: Increment, stay_base: int
) -> None:
    cameras: dict[str, int] = {}
    rows = [
        (
            stay_base + one.stay,
            cameras.setdefault(one.camera_id, len(cameras)),
            one.start_us,
            one.end_us,
        )
        for one in increment.appearances
    ]
    columns = map(BigInts, np.array(rows, np.int64).T)
    await connection.execute(_APPEARANCES, [list(cameras), *columns])


def _stay_numbers(
    stay: StayRow, stay_base: int, names: dict[str, int]
) -> tuple[int, ...]:
    """Return a stay's row, with names told by their number, from 1."""

    def named(name: str) -> int:
        return names.setdefault(name, len(names) + 1)

    track = stay.sole_track
    return (
        stay_base + stay.number,
        named(stay.timeline_id),
        stay.pass_number,
        named(stay.session_id),
        stay.global_id,
        named(stay.floor_id),
        named(track.camera_id) if track else 0,
        track.track_id if track else -1,
        stay.start_us if stay.is_new else stay.end_us,
        stay.end_us,
        stay.samples,
        round(min(stay.distance_m, _FARTHEST_M) * 1e6),
        stay.handed_over,
        stay.passage,
    )


async def write_sums(
    connection: AsyncConnection[TupleRow], environment_id: str, increment: Increment
) -> None:
    """Add to the hours of cells and speeds."""
    places = {
        "environment_id": environment_id,
        "timelines": [timeline_id for timeline_id, _ in increment.places],
        "floors": [floor_id for _, floor_id in increment.places],
    }
    for statement, tally in ((_CELLS, increment.cells), (_SPEEDS, increment.speeds)):
        if not len(tally.keys):
            continue
        keys = {f"key_{i}": BigInts(column) for i, column in enumerate(tally.keys.T)}
        sums = {f"sum_{i}": BigInts(column) for i, column in enumerate(tally.sums.T)}
        await connection.execute(statement, {**places, **keys, **sums})
