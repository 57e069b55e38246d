"""Commands, constraints and merges as rows, and what a command changes in others."""

import json
import math
from dataclasses import asdict
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.common import errors
from services.common.ids import CameraId, GlobalId, TrackId
from services.reid.domain.constraints import IdPair
from services.reid.domain.feedback import (
    Carried,
    Command,
    Comparison,
    Confirm,
    Effect,
    Merge,
    Reject,
    Split,
)
from services.reid.domain.live_set import MergeRecord
from services.reid.domain.tracklet import CameraRecord
from services.reid.domain.values import TrackKey
from services.reid.service.score_sampling import HALF_LIFE_S, KEPT_PER_KIND
from services.reid.service.timeline_store import Commit, Lease

Connection = AsyncConnection[TupleRow]

_KINDS: dict[str, type[Merge | Split | Confirm | Reject]] = {
    "merge": Merge,
    "split": Split,
    "confirm": Confirm,
    "reject": Reject,
}
_ERRORS = {"InvalidInput": errors.InvalidInput, "NotFound": errors.NotFound}

_CARRIED = """
    UPDATE identity_commands SET outcome = %s, outcome_time = now()
    WHERE environment_id = %s AND timeline_id = %s AND revision = %s
"""

_TELL_APART = """
    INSERT INTO told_apart VALUES (%s, %s, %s, %s, now())
    ON CONFLICT DO NOTHING
"""

_TAKE_BACK = """
    DELETE FROM told_apart
    WHERE environment_id = %s AND timeline_id = %s AND first_id = %s AND second_id = %s
"""

# Vectors of every model, which the live set does not know.
_PART = """
    UPDATE prototypes
    SET global_id = %s, came_by = '{}', changed = pg_current_xact_id(),
        changed_time = now()
    WHERE environment_id = %s AND session_id = %s AND camera_id = %s AND track_id = %s
        AND global_id <> %s AND vector IS NOT NULL
"""

_REGAIN = """
    UPDATE prototypes
    SET global_id = %(part)s,
        came_by = came_by[:array_position(came_by, %(part)s::bigint) - 1],
        changed = pg_current_xact_id(), changed_time = now()
    WHERE global_id = %(whole)s AND %(part)s::bigint = ANY(came_by)
        AND vector IS NOT NULL
"""

# A vector of one part, and the nearest of the other: what the association compares.
_COMPARE = """
    WITH parts AS (
        SELECT prototype_id, model_id, vector, captured_ns, session_id, camera_id,
            track_id, global_id = %(other)s OR %(other)s::bigint = ANY(came_by)
                OR (session_id = %(session_id)s AND track_id IS NOT NULL
                    AND camera_id || '/' || track_id = ANY(%(tracks)s)) AS is_other
        FROM prototypes
        WHERE environment_id = %(environment_id)s AND vector IS NOT NULL
            AND (global_id = ANY(%(persons)s)
                OR (session_id = %(session_id)s
                    AND camera_id || '/' || track_id = ANY(%(tracks)s)))
    ), taken_back AS (
        DELETE FROM score_samples
        WHERE environment_id = %(environment_id)s AND kind = %(opposite)s
            AND left_track = ANY(%(names)s) AND right_track = %(person_name)s
    )
    INSERT INTO score_samples
    SELECT %(environment_id)s, one.model_id, %(kind)s,
        max(1 - (one.vector OPERATOR(public.<=>) two.vector)),
        CASE WHEN %(other)s <> 0 THEN %(other_name)s
            ELSE %(session_id)s || '/' || one.camera_id || '/' || one.track_id END,
        %(person_name)s, max(one.captured_ns),
        extract(epoch FROM now()) * %(decay)s - ln(-ln(
            least(greatest(random(), 1e-12), 1 - 1e-12)))
    FROM parts AS one JOIN parts AS two
        ON one.model_id = two.model_id AND one.is_other AND NOT two.is_other
    GROUP BY one.prototype_id, one.model_id, one.camera_id, one.track_id
"""

_TRIM_KIND = """
    DELETE FROM score_samples AS old USING (
        SELECT model_id, priority, row_number() OVER (
            PARTITION BY model_id ORDER BY priority DESC) AS place
        FROM score_samples WHERE environment_id = %(environment_id)s AND kind = %(kind)s
    ) AS ranked
    WHERE old.environment_id = %(environment_id)s AND old.kind = %(kind)s
        AND old.model_id = ranked.model_id AND old.priority = ranked.priority
        AND ranked.place > %(most)s
"""


async def write_comparison(
    connection: Connection, lease: Lease, commit: Commit
) -> None:
    """Keep the likeness of two parts that an operator spoke of, as they are now."""
    effect = commit.carried.effect if commit.carried else None
    if effect is None or effect.comparison is None:
        return
    values = _comparison_values(effect.comparison, lease)
    await connection.execute(_COMPARE, values)
    await connection.execute(_TRIM_KIND, values | {"most": KEPT_PER_KIND})


def _comparison_values(comparison: Comparison, lease: Lease) -> dict[str, Any]:
    tracks = [f"{key.camera_id}/{key.track_id}" for key in comparison.tracks]
    names = [f"{lease.session_id}/{track}" for track in tracks]
    kinds = ("confirmed", "rejected")
    return {
        "environment_id": lease.environment_id,
        "session_id": lease.session_id,
        "other": comparison.other,
        "tracks": tracks,
        "persons": [comparison.person, comparison.other],
        "kind": kinds[0 if comparison.same else 1],
        "opposite": kinds[1 if comparison.same else 0],
        "names": names or [f"person/{comparison.other}"],
        "other_name": f"person/{comparison.other}",
        "person_name": f"person/{comparison.person}",
        "decay": math.log(2.0) / HALF_LIFE_S,
    }


async def write_feedback(connection: Connection, lease: Lease, commit: Commit) -> None:
    """Write what operators said and what that changed beside the persons."""
    place = (lease.environment_id, lease.timeline_id)
    for pair in sorted(commit.apart):
        await connection.execute(_TELL_APART, (*place, *pair))
    for pair in sorted(commit.joined):
        await connection.execute(_TAKE_BACK, (*place, *pair))
    carried = commit.carried
    if carried is None:
        return
    if carried.effect is not None:
        await _write_effect(connection, lease, carried.effect)
    outcome = json.dumps(_carried_to_json(carried))
    await connection.execute(_CARRIED, (outcome, *place, carried.revision))


async def _write_effect(connection: Connection, lease: Lease, effect: Effect) -> None:
    if effect.regained is not None:
        part, whole = effect.regained
        await connection.execute(_REGAIN, {"part": part, "whole": whole})
    where = (lease.environment_id, lease.session_id)
    for key, to in effect.parted.items():
        await connection.execute(_PART, (to, *where, *key, to))


def command_to_json(command: Command) -> str:
    """Return a command as a document."""
    kind = next(name for name, cls in _KINDS.items() if isinstance(command, cls))
    return json.dumps({"kind": kind, **asdict(command)})


def command_from_json(document: dict[str, Any]) -> Command:
    """Return the command that `command_to_json` wrote."""
    values = dict(document)
    kind = _KINDS[values.pop("kind")]
    if "track" in values:
        values["track"] = _key(values["track"])
    if "tracks" in values:
        values["tracks"] = tuple(map(_key, values["tracks"]))
    return kind(**values)


def carried_from_json(revision: int, document: dict[str, Any]) -> Carried:
    """Return what became of a command."""
    if "error" in document:
        kind = _ERRORS[document["error"]]
        error = kind(document["message"], field=document["field"])
        return Carried(revision, error=error)
    effect = Effect(
        GlobalId(document["global_id"]), GlobalId(document["other_global_id"])
    )
    return Carried(revision, effect)


def _carried_to_json(carried: Carried) -> dict[str, Any]:
    error, effect = carried.error, carried.effect
    if error is not None:
        return {
            "error": type(error).__name__,
            "message": error.message,
            "field": error.field,
        }
    return {
        "global_id": effect.global_id if effect else 0,
        "other_global_id": effect.other_global_id if effect else 0,
    }


def merge_to_json(merge: MergeRecord, lease: Lease) -> str:
    """Return what a merge joined as a document."""
    return json.dumps(
        {
            "session": lease.session_id,
            "tracks": [
                [*key, *_record(record)] for key, record in merge.tracks.items()
            ],
            "cameras": {
                camera_id: _record(record)
                for camera_id, record in merge.cameras.items()
            },
        }
    )


def merge_from_json(document: dict[str, Any]) -> tuple[str, MergeRecord]:
    """Return what a merge joined, and the session of its tracks."""
    return document["session"], MergeRecord(
        tracks={
            _key((camera_id, track_id)): CameraRecord(*record)
            for camera_id, track_id, *record in document["tracks"]
        },
        cameras={
            CameraId(camera_id): CameraRecord(*record)
            for camera_id, record in document["cameras"].items()
        },
    )


def pairs_from_rows(rows: list[tuple[Any, ...]]) -> frozenset[IdPair]:
    """Return the persons who are different people."""
    return frozenset((GlobalId(one), GlobalId(two)) for one, two in rows)


def _record(record: CameraRecord) -> list[int]:
    return [record.detections, record.first_ns, record.last_ns]


def _key(document: Any) -> TrackKey:
    camera_id, track_id = document
    return TrackKey(CameraId(camera_id), TrackId(track_id))
