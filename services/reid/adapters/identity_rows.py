"""Persons and prototypes as rows, and back."""

import json
from typing import Any

from services.common.ids import CameraId, GlobalId, ModelId, SessionId, TrackId
from services.reid.adapters.feedback_rows import merge_to_json
from services.reid.adapters.vectors import vector_from_sql, vector_to_sql
from services.reid.domain.appearance import Prototype
from services.reid.domain.live_set import Snapshot
from services.reid.domain.live_state import (
    StoredPrototype,
    person_from_json,
    person_to_json,
)
from services.reid.domain.person import Person
from services.reid.domain.values import FloorFix, TrackKey
from services.reid.service.timeline_store import Lease

UPSERT_IDENTITY = """
    INSERT INTO identities (
        global_id, environment_id, timeline_id, label, session_id, first_seen_ns,
        last_seen_ns, merged_into, provisional, floor_id, position,
        calibration_revision, state, merge)
    VALUES (
        %(global_id)s, %(environment_id)s, %(timeline_id)s, %(label)s, %(session_id)s,
        %(first_seen_ns)s, %(last_seen_ns)s, %(merged_into)s, %(provisional)s,
        %(floor_id)s, %(position)s, %(calibration_revision)s, %(state)s,
        %(merge)s)
    ON CONFLICT (global_id) DO UPDATE SET
        session_id = excluded.session_id, first_seen_ns = excluded.first_seen_ns,
        last_seen_ns = excluded.last_seen_ns, merged_into = excluded.merged_into,
        provisional = excluded.provisional, floor_id = excluded.floor_id,
        position = excluded.position,
        calibration_revision = excluded.calibration_revision, state = excluded.state,
        merge = excluded.merge, expired_time = NULL
"""

UPSERT_CAMERA = """
    INSERT INTO camera_sightings
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (global_id, camera_id) DO UPDATE SET
        detections = excluded.detections, first_seen_ns = excluded.first_seen_ns,
        last_seen_ns = excluded.last_seen_ns
"""

# A track that moved on takes its sightings with it.
PRUNE_CAMERAS = """
    DELETE FROM camera_sightings WHERE global_id = %s AND NOT camera_id = ANY(%s)
"""

UPSERT_PROTOTYPE = """
    INSERT INTO prototypes (
        prototype_id, global_id, environment_id, model_id, session_id, camera_id,
        track_id, vector, vector_count, captured_ns, floor_id, position,
        calibration_revision)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s::vector, %s, %s, %s, %s, %s)
    ON CONFLICT (prototype_id) DO UPDATE SET
        global_id = excluded.global_id, session_id = excluded.session_id,
        track_id = excluded.track_id, vector = excluded.vector,
        vector_count = excluded.vector_count, captured_ns = excluded.captured_ns,
        came_by = CASE WHEN prototypes.global_id = excluded.global_id
            THEN prototypes.came_by ELSE '{}' END,
        floor_id = excluded.floor_id, position = excluded.position,
        calibration_revision = excluded.calibration_revision,
        changed = pg_current_xact_id(), changed_time = now()
"""

PROTOTYPE_COLUMNS = """
    prototype_id, global_id, session_id, camera_id, track_id, vector, vector_count,
    captured_ns, floor_id, position, calibration_revision
"""
"""What `prototype_from_row` reads."""

# Also those of other models, which the live set does not know.
MOVE_PROTOTYPES = """
    UPDATE prototypes
    SET global_id = %(into)s, came_by = came_by || %(away)s::bigint,
        changed = pg_current_xact_id(), changed_time = now()
    WHERE global_id = %(away)s AND vector IS NOT NULL
"""

PROTOTYPES_OF = f"""
    SELECT {PROTOTYPE_COLUMNS} FROM prototypes
    WHERE global_id = ANY(%s) AND model_id = %s AND vector IS NOT NULL
"""  # noqa: S608 - constants.

FORGET_PROTOTYPES = """
    UPDATE prototypes
    SET vector = NULL, changed = pg_current_xact_id(), changed_time = now()
    WHERE prototype_id = ANY(%s)
"""


def identity_row(snapshot: Snapshot, lease: Lease) -> dict[str, Any]:
    """Return the parameters of UPSERT_IDENTITY."""
    person = snapshot.person
    floor_id, position, revision = fix_to_row(
        person.motion.fix if person.motion else None
    )
    return {
        "global_id": person.global_id,
        "environment_id": lease.environment_id,
        "timeline_id": lease.timeline_id,
        "label": person.label,
        "session_id": lease.session_id,
        "first_seen_ns": snapshot.first_seen_ns,
        "last_seen_ns": snapshot.last_seen_ns,
        "merged_into": snapshot.merged_into or None,
        "provisional": not person.confirmed,
        "floor_id": floor_id,
        "position": position,
        "calibration_revision": revision,
        "state": json.dumps(person_to_json(person)),
        "merge": snapshot.merge and merge_to_json(snapshot.merge, lease),
    }


def camera_rows(snapshot: Snapshot) -> list[tuple[Any, ...]]:
    """Return the parameters of UPSERT_CAMERA, one per camera."""
    return [
        (
            snapshot.person.global_id,
            camera_id,
            record.detections,
            record.first_ns,
            record.last_ns,
        )
        for camera_id, record in snapshot.cameras.items()
    ]


def prototype_row(
    global_id: GlobalId, prototype: Prototype, lease: Lease, model_id: ModelId
) -> tuple[Any, ...]:
    """Return the parameters of UPSERT_PROTOTYPE."""
    return (
        prototype.prototype_id,
        global_id,
        lease.environment_id,
        model_id,
        lease.session_id,
        prototype.camera_id,
        prototype.source.track_id if prototype.source else None,
        vector_to_sql(prototype.vector),
        prototype.count,
        prototype.captured_ns,
        *fix_to_row(prototype.fix),
    )


def fix_to_row(fix: FloorFix | None) -> tuple[Any, Any, Any]:
    """Return a position as floor, numbers and calibration; NULL without one."""
    if fix is None:
        return None, None, None
    numbers = [fix.x_m, fix.y_m, fix.xx_m2, fix.xy_m2, fix.yy_m2]
    return fix.floor_id, numbers, fix.calibration_revision


def fix_from_row(
    floor_id: str | None, position: list[float] | None, revision: int | None
) -> FloorFix | None:
    """Return a position from what `fix_to_row` made."""
    if floor_id is None or position is None or revision is None:
        return None
    x_m, y_m, xx_m2, xy_m2, yy_m2 = position
    return FloorFix(x_m, y_m, xx_m2, xy_m2, yy_m2, floor_id, revision)


def person_from_row(
    state: dict[str, Any], session_id: str, current: SessionId
) -> Person:
    """Return a person; tracks of an earlier session have no meaning any more."""
    person = person_from_json(state)
    if session_id != current:
        person.past_keys.clear()
        person.past_conflicts.clear()
    return person


def prototype_from_row(row: tuple[Any, ...]) -> StoredPrototype:
    """Return a prototype from a row of `PROTOTYPE_COLUMNS`."""
    prototype_id, global_id, session_id, camera, track, vector, count, captured = row[
        :8
    ]
    camera_id = CameraId(camera)
    return StoredPrototype(
        GlobalId(global_id),
        SessionId(session_id),
        Prototype(
            prototype_id=GlobalId(prototype_id),
            camera_id=camera_id,
            source=None if track is None else TrackKey(camera_id, TrackId(track)),
            vector=vector_from_sql(vector),
            count=count,
            captured_ns=captured,
            fix=fix_from_row(*row[8:]),
        ),
    )
