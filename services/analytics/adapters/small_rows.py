"""Rows of everything that a batch touches only a few of."""

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.analytics.adapters.batch_insert import BatchInsert
from services.analytics.adapters.times import to_time
from services.analytics.domain.columns import Columns, IdentityChange
from services.analytics.domain.increment import Increment
from services.common.ids import GlobalId

_SESSIONS = BatchInsert(
    "sessions",
    {
        "session_id": "text",
        "timeline_id": "text",
        "updates": "bigint",
        "first_event_time": "timestamptz",
        "last_event_time": "timestamptz",
        "first_capture_time": "timestamptz",
        "last_capture_time": "timestamptz",
    },
    """(environment_id, session_id) DO UPDATE SET
        updates = sessions.updates + excluded.updates,
        last_event_time = excluded.last_event_time,
        first_capture_time =
            least(sessions.first_capture_time, excluded.first_capture_time),
        last_capture_time =
            greatest(sessions.last_capture_time, excluded.last_capture_time)
    """,
)
_SESSION_EVENTS = BatchInsert(
    "session_events",
    {
        "session_id": "text",
        "timeline_id": "text",
        "kind": "text",
        "epoch": "bigint",
        "detail": "text",
        "sequence": "bigint",
        "event_time": "timestamptz",
    },
)
_SESSION_STATE = """
    UPDATE sessions SET state = %s, detail = %s, epoch = %s
    WHERE environment_id = %s AND session_id = %s
"""
_PASSES = BatchInsert(
    "passes",
    {
        "timeline_id": "text",
        "pass": "integer",
        "start_time": "timestamptz",
        "end_time": "timestamptz",
        "first_frame_set": "bigint",
        "last_frame_set": "bigint",
        "updates": "bigint",
    },
    """(environment_id, timeline_id, pass) DO UPDATE SET
        end_time = excluded.end_time,
        last_frame_set = excluded.last_frame_set,
        updates = passes.updates + excluded.updates
    """,
)
_PERSONS = BatchInsert(
    "persons",
    {
        "global_id": "bigint",
        "timeline_id": "text",
        "label": "integer",
        "person_id": "bigint",
        "first_time": "timestamptz",
        "last_time": "timestamptz",
    },
    """(environment_id, global_id) DO UPDATE SET
        label = greatest(persons.label, excluded.label),
        first_time = least(persons.first_time, excluded.first_time),
        last_time = greatest(persons.last_time, excluded.last_time)
    """,
)
_IDENTITY_EVENTS = BatchInsert(
    "identity_events",
    {
        "timeline_id": "text",
        "kind": "text",
        "global_id": "bigint",
        "other_global_id": "bigint",
        "frame_set": "bigint",
        "capture_time": "timestamptz",
        "sequence": "bigint",
        "event_time": "timestamptz",
    },
)
_TRACKS = BatchInsert(
    "tracks",
    {
        "session_id": "text",
        "camera_id": "text",
        "track_id": "bigint",
        "timeline_id": "text",
        "global_id": "bigint",
        "provisional": "boolean",
        "first_time": "timestamptz",
        "last_time": "timestamptz",
        "frames": "bigint",
        "coasted_frames": "bigint",
        "score_sum": "float8",
    },
    """(environment_id, session_id, camera_id, track_id) DO UPDATE SET
        global_id = excluded.global_id,
        provisional = excluded.provisional,
        first_time = least(tracks.first_time, excluded.first_time),
        last_time = greatest(tracks.last_time, excluded.last_time),
        frames = tracks.frames + excluded.frames,
        coasted_frames = tracks.coasted_frames + excluded.coasted_frames,
        score_sum = tracks.score_sum + excluded.score_sum
    """,
)
_CAMERA_MINUTES = BatchInsert(
    "camera_minutes",
    {
        "timeline_id": "text",
        "camera_id": "text",
        "minute": "timestamptz",
        "frames": "bigint",
        "tracks": "bigint",
        "coasted": "bigint",
        "unidentified": "bigint",
        "most_tracks": "integer",
    },
    """(environment_id, timeline_id, camera_id, minute) DO UPDATE SET
        frames = camera_minutes.frames + excluded.frames,
        tracks = camera_minutes.tracks + excluded.tracks,
        coasted = camera_minutes.coasted + excluded.coasted,
        unidentified = camera_minutes.unidentified + excluded.unidentified,
        most_tracks = greatest(camera_minutes.most_tracks, excluded.most_tracks)
    """,
)
_TIMELINE_MINUTES = BatchInsert(
    "timeline_minutes",
    {
        "timeline_id": "text",
        "minute": "timestamptz",
        "updates": "bigint",
        "persons": "bigint",
        "located": "bigint",
        "most_persons": "integer",
        "delay_us": "bigint",
    },
    """(environment_id, timeline_id, minute) DO UPDATE SET
        updates = timeline_minutes.updates + excluded.updates,
        persons = timeline_minutes.persons + excluded.persons,
        located = timeline_minutes.located + excluded.located,
        most_persons = greatest(timeline_minutes.most_persons, excluded.most_persons),
        delay_us = timeline_minutes.delay_us + excluded.delay_us
    """,
)
_VIEW = "INSERT INTO views (environment_id, view_id, camera_ids) VALUES (%s, %s, %s)"


async def write_sessions(
    connection: AsyncConnection[TupleRow], environment_id: str, columns: Columns
) -> None:
    """Write sessions, their events, and passes of timelines."""
    rows = [
        (
            session_id,
            one.timeline_id,
            one.updates,
            to_time(one.first_event_us),
            to_time(one.last_event_us),
            to_time(one.first_us) if one.updates else None,
            to_time(one.last_us) if one.updates else None,
        )
        for session_id, one in sorted(columns.session_rows.items())
    ]
    await _SESSIONS.run(connection, environment_id, rows)
    events = [
        (
            one.session_id,
            one.timeline_id,
            one.kind,
            one.epoch,
            one.detail,
            one.sequence,
            to_time(one.event_us),
        )
        for one in columns.session_changes
    ]
    await _SESSION_EVENTS.run(connection, environment_id, events)
    for change in columns.session_changes:
        state = (change.kind, change.detail, change.epoch)
        key = (environment_id, change.session_id)
        await connection.execute(_SESSION_STATE, (*state, *key))
    passes = [
        (
            timeline_id,
            number,
            to_time(one.first_us),
            to_time(one.last_us),
            one.first_frame_set,
            one.last_frame_set,
            one.updates,
        )
        for (timeline_id, number), one in sorted(columns.passes.items())
    ]
    await _PASSES.run(connection, environment_id, passes)


async def write_persons(
    connection: AsyncConnection[TupleRow], environment_id: str, increment: Increment
) -> None:
    """Write identities, their events, tracks, and new sets of cameras."""
    columns = increment.columns
    reach = _reach(increment)
    identities = {
        global_id: (timeline_id, label, *map(to_time, reach[global_id]))
        for global_id, (timeline_id, label) in columns.labels.items()
    }
    events = [one for one in columns.changes if isinstance(one, IdentityChange)]
    for event in events:
        for global_id in (event.global_id, event.other):
            if global_id:
                nothing_seen = (event.timeline_id, 0, None, None)
                identities.setdefault(global_id, nothing_seen)
    await _PERSONS.run(
        connection,
        environment_id,
        [
            (global_id, timeline_id, label, global_id, first, last)
            for global_id, (timeline_id, label, first, last) in sorted(
                identities.items()
            )
        ],
    )
    await _IDENTITY_EVENTS.run(
        connection,
        environment_id,
        [
            (
                one.timeline_id,
                one.kind,
                one.global_id,
                one.other or None,
                one.frame_set,
                None if one.time_us is None else to_time(one.time_us),
                one.sequence,
                to_time(one.event_us),
            )
            for one in events
        ],
    )
    tracks = [
        (
            *key,
            one.timeline_id,
            one.global_id or None,
            one.provisional,
            to_time(one.first_us),
            to_time(one.last_us),
            one.frames,
            one.coasted,
            one.score_sum,
        )
        for key, one in sorted(columns.tracks.items())
    ]
    await _TRACKS.run(connection, environment_id, tracks)
    for view, camera_ids in columns.new_views.items():
        await connection.execute(_VIEW, (environment_id, view, list(camera_ids)))


async def write_minutes(
    connection: AsyncConnection[TupleRow], environment_id: str, columns: Columns
) -> None:
    """Add to the minutes of cameras and timelines."""
    cameras = [
        (
            timeline_id,
            camera_id,
            to_time(minute_us),
            one.frames,
            one.tracks,
            one.coasted,
            one.unidentified,
            one.most_tracks,
        )
        for (timeline_id, camera_id, minute_us), one in sorted(
            columns.camera_minutes.items()
        )
    ]
    await _CAMERA_MINUTES.run(connection, environment_id, cameras)
    timelines = [
        (
            timeline_id,
            to_time(minute_us),
            one.updates,
            one.persons,
            one.located,
            one.most_persons,
            one.delay_us,
        )
        for (timeline_id, minute_us), one in sorted(columns.timeline_minutes.items())
    ]
    await _TIMELINE_MINUTES.run(connection, environment_id, timelines)


def _reach(increment: Increment) -> dict[GlobalId, tuple[int, int]]:
    """Return each identity's first and last sample of the batch."""
    reach: dict[GlobalId, tuple[int, int]] = {}
    for stay in increment.stays.values():
        start_us = stay.start_us if stay.is_new else stay.end_us
        first_us, last_us = reach.get(stay.global_id, (start_us, stay.end_us))
        reach[stay.global_id] = (min(first_us, start_us), max(last_us, stay.end_us))
    return reach
