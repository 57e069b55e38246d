"""What was lost: events of the log, and what that means for each timeline.

The log knows when events were appended; a timeline knows when light hit the sensor,
which for recordings has nothing to do with it.
"""

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.analytics.adapters.times import to_time
from services.analytics.domain.columns import Columns
from services.analytics.domain.history import Gap

_GAP = """
    INSERT INTO history_gaps
        (environment_id, first_sequence, last_sequence, start_time, end_time, cause)
    VALUES (%s, %s, %s, %s, %s, %s)
"""
# From the newest stored capture time of each timeline that may have gone on.
_OPEN = """
    INSERT INTO timeline_gaps
        (environment_id, timeline_id, first_sequence, start_time, lost_events)
    SELECT environment_id, timeline_id, %(first)s, newest.end_time, %(lost)s
    FROM (
        SELECT DISTINCT environment_id, timeline_id FROM sessions
        WHERE environment_id = %(environment)s AND updates > 0
            AND state NOT IN ('completed', 'stopped', 'failed')
    ) AS running
    CROSS JOIN LATERAL (
        SELECT end_time FROM passes
        WHERE passes.environment_id = running.environment_id
            AND passes.timeline_id = running.timeline_id
        ORDER BY pass DESC LIMIT 1
    ) AS newest
    ON CONFLICT DO NOTHING
"""
_CLOSE = """
    UPDATE timeline_gaps SET end_time = greatest(start_time, first.capture_time)
    FROM unnest(%(timelines)s::text[], %(times)s::timestamptz[])
        AS first (timeline_id, capture_time)
    WHERE environment_id = %(environment)s AND end_time IS NULL
        AND timeline_gaps.timeline_id = first.timeline_id
"""


async def write_gap(
    connection: AsyncConnection[TupleRow], environment_id: str, gap: Gap
) -> None:
    """Write that events were lost, before what follows them is written."""
    start = None if gap.start_us is None else to_time(gap.start_us)
    values = (gap.first, gap.last, start, to_time(gap.end_us), gap.cause)
    await connection.execute(_GAP, (environment_id, *values))
    lost = {"first": gap.first, "lost": gap.last - gap.first + 1}
    await connection.execute(_OPEN, {"environment": environment_id, **lost})


async def close_gaps(
    connection: AsyncConnection[TupleRow], environment_id: str, columns: Columns
) -> None:
    """End the gaps of those timelines that a batch goes on with."""
    first_us: dict[str, int] = {}
    for (timeline_id, _), one in columns.passes.items():
        first_us.setdefault(timeline_id, one.first_us)
    if first_us:
        times = [to_time(time_us) for time_us in first_us.values()]
        resumed = {"timelines": list(first_us), "times": times}
        await connection.execute(_CLOSE, {"environment": environment_id, **resumed})
