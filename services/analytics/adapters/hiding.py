"""Keep `stays.hidden` true, and the hour tables with it.

A stay is hidden while another stay of the same person, or a later pass, covers it.
Which ranges those are follows from `stays`, `persons` and `passes` alone, so it is
computed anew where something changed, and only the difference is taken out of the
hour tables or put back.
"""

from collections.abc import Sequence

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed

from services.analytics.adapters.lineage import Affected
from services.analytics.adapters.times import to_time
from services.analytics.domain.columns import Columns
from services.analytics.domain.increment import CELL_M, FASTEST_BIN, SPEED_BIN_MPS
from services.common.ids import EnvironmentId

_OVERLAPPING_TOUCHED = """
    SELECT DISTINCT unnest(ARRAY[touched.stay_id, other.stay_id])
    FROM stays touched
    JOIN stays other ON other.environment_id = touched.environment_id
        AND other.person_id = touched.person_id
        AND other.stay_id <> touched.stay_id
        AND other.start_time <= touched.end_time
        AND other.end_time >= touched.start_time
    WHERE touched.stay_id = ANY(%(stays)s)
      AND (touched.global_id <> touched.published_id OR EXISTS (
        SELECT 1 FROM persons
        WHERE persons.environment_id = touched.environment_id
          AND persons.person_id = touched.person_id
          AND persons.global_id <> touched.published_id
      ))
"""
_OF_PERSONS = """
    SELECT stay_id FROM stays
    WHERE environment_id = %(environment_id)s AND person_id = ANY(%(persons)s)
      AND start_time <= %(end)s AND end_time >= %(start)s
"""
_READ_AGAIN = """
    SELECT stay_id FROM stays
    WHERE environment_id = %(environment_id)s AND timeline_id = %(timeline_id)s
      AND pass < %(pass)s AND start_time <= %(end)s AND end_time >= %(start)s
"""
_HIDE = """
    WITH covered AS (
        SELECT stay.stay_id, stay.hidden AS before, coalesce((
            SELECT range_agg(cover.range * tstzrange(
                stay.start_time, stay.end_time,
                CASE WHEN stay.handed_over THEN '[)' ELSE '[]' END
            ))
            FROM (
                -- Of two that end at one moment, the last sample counts once, too.
                SELECT tstzrange(
                    other.start_time, other.end_time,
                    CASE
                        WHEN other.end_time = stay.end_time AND NOT other.handed_over
                        THEN '[]' ELSE '[)'
                    END
                ) AS range
                FROM stays other
                WHERE other.environment_id = stay.environment_id
                  AND other.person_id = stay.person_id
                  AND other.pass = stay.pass
                  AND other.start_time <= stay.end_time
                  AND other.end_time >= stay.start_time
                  AND (other.floor_id = '', other.published_id, other.stay_id)
                    < (stay.floor_id = '', stay.published_id, stay.stay_id)
                UNION ALL
                SELECT tstzrange(passes.start_time, passes.end_time)
                FROM passes
                WHERE passes.environment_id = stay.environment_id
                  AND passes.timeline_id = stay.timeline_id
                  AND passes.pass > stay.pass
            ) cover
        ), '{}') AS after
        FROM stays stay WHERE stay.stay_id = ANY(%(stays)s)
    )
    UPDATE stays SET hidden = covered.after FROM covered
    WHERE stays.stay_id = covered.stay_id AND covered.before <> covered.after
    RETURNING stays.stay_id, covered.before::text, covered.after::text
"""
_CHANGED_SAMPLES = SQL("""
    WITH change AS (
        SELECT * FROM unnest(%(stays)s::bigint[], %(before)s::text[], %(after)s::text[])
            AS one (stay_id, before, after)
    ), sample AS (
        SELECT
            stay_id, timeline_id, floor_id, x_m, cell_x, cell_y, capture_time,
            date_bin('1 hour', capture_time, 'epoch'::timestamptz) AS hour,
            floor(sqrt(
                velocity_x_mps::float8 * velocity_x_mps
                + velocity_y_mps::float8 * velocity_y_mps
            ) / %(speed_bin)s) AS speed_bin,
            (extract(epoch FROM
                lead(capture_time, 1, end_time) OVER path - capture_time
            ) * 1000000)::bigint AS lasts_us,
            CASE
                WHEN lag(stay_id) OVER path IS NULL THEN passage
                ELSE (lag(cell_x) OVER path, lag(cell_y) OVER path)
                    IS DISTINCT FROM (cell_x, cell_y)
            END AS passage,
            (before::tstzmultirange @> capture_time)::int
                - (after::tstzmultirange @> capture_time)::int AS sign
        FROM change
        JOIN stays USING (stay_id)
        JOIN (
            SELECT *,
                greatest(least(floor(x_m::float8 / %(cell)s), 1 << 30), -(1 << 30))::int
                    AS cell_x,
                greatest(least(floor(y_m::float8 / %(cell)s), 1 << 30), -(1 << 30))::int
                    AS cell_y
            FROM positions WHERE stay_id = ANY(%(stays)s)
        ) place USING (stay_id)
        WINDOW path AS (PARTITION BY stay_id ORDER BY capture_time, frame_set)
    )
""")
_CHANGE_CELLS = Composed(
    [
        _CHANGED_SAMPLES,
        SQL("""
    INSERT INTO cell_hours (environment_id, timeline_id, floor_id, hour,
                            cell_x, cell_y, present_us, passages)
    SELECT %(environment_id)s, timeline_id, floor_id, hour, cell_x, cell_y,
           sum(sign * lasts_us), sum(sign * passage::int)
    FROM sample WHERE sign <> 0 AND x_m IS NOT NULL
    GROUP BY timeline_id, floor_id, hour, cell_x, cell_y
    ON CONFLICT (environment_id, timeline_id, floor_id, hour, cell_x, cell_y)
    DO UPDATE SET
        present_us = cell_hours.present_us + excluded.present_us,
        passages = cell_hours.passages + excluded.passages
    """),
    ]
)
_CHANGE_SPEEDS = Composed(
    [
        _CHANGED_SAMPLES,
        SQL("""
    INSERT INTO speed_hours (environment_id, timeline_id, floor_id, hour,
                             speed_bin, present_us)
    SELECT %(environment_id)s, timeline_id, floor_id, hour,
           least(speed_bin, %(fastest)s), sum(sign * lasts_us)
    FROM sample WHERE sign <> 0 AND speed_bin IS NOT NULL AND lasts_us > 0
    GROUP BY timeline_id, floor_id, hour, least(speed_bin, %(fastest)s)
    ON CONFLICT (environment_id, timeline_id, floor_id, hour, speed_bin)
    DO UPDATE SET present_us = speed_hours.present_us + excluded.present_us
    """),
    ]
)


class Hiding:
    """Hides and reveals within one transaction."""

    def __init__(
        self, connection: AsyncConnection[TupleRow], environment_id: EnvironmentId
    ) -> None:
        self._connection = connection
        self._environment_id = environment_id

    async def update(
        self, touched: Sequence[int], affected: Affected, columns: Columns
    ) -> None:
        """Hide what is covered now, and reveal what no longer is.

        Args:
            touched: Stays that are new or went on.
            affected: Whose stays changed hands.
            columns: The batch, whose passes may cover earlier ones.
        """
        stays = await self._overlapping(touched)
        if affected.start is not None:
            stays |= await self._find(
                _OF_PERSONS,
                persons=list(affected.persons),
                start=affected.start,
                end=affected.end,
            )
        for (timeline_id, number), one in columns.passes.items():
            if number > 1:
                stays |= await self._find(
                    _READ_AGAIN,
                    **{"timeline_id": timeline_id, "pass": number},
                    start=to_time(one.from_us),
                    end=to_time(one.last_us),
                )
        if stays:
            await self._hide(sorted(stays))

    async def _overlapping(self, touched: Sequence[int]) -> set[int]:
        return await self._find(_OVERLAPPING_TOUCHED, stays=list(touched))

    async def _hide(self, stays: list[int]) -> None:
        cursor = await self._connection.execute(_HIDE, {"stays": stays})
        changed = await cursor.fetchall()
        if not changed:
            return
        numbers, before, after = (list(column) for column in zip(*changed, strict=True))
        values = {
            "environment_id": self._environment_id,
            "stays": numbers,
            "before": before,
            "after": after,
            "cell": CELL_M,
            "speed_bin": SPEED_BIN_MPS,
            "fastest": FASTEST_BIN,
        }
        await self._connection.execute(_CHANGE_CELLS, values)
        await self._connection.execute(_CHANGE_SPEEDS, values)

    async def _find(self, query: str, **values: object) -> set[int]:
        names = {"environment_id": self._environment_id, **values}
        cursor = await self._connection.execute(query, names)
        return {row[0] for row in await cursor.fetchall()}
