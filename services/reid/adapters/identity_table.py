"""Persons in PostgreSQL, as readers see them."""

from collections.abc import Sequence
from typing import Any

from services.common.errors import NotFound
from services.common.ids import CameraId, EnvironmentId, GlobalId, TimelineId
from services.common.postgres import Pool, translated_errors
from services.reid.domain.identity import Identity, IdentityFilter
from services.reid.domain.tracklet import CameraRecord
from services.reid.domain.values import FloorFix
from services.reid.service.portraits import PortraitRecord

_SELECT = """
    SELECT global_id, label, environment_id, timeline_id, first_seen_ns, last_seen_ns,
        (SELECT json_agg(json_build_array(
                    camera_id, detections, first_seen_ns, last_seen_ns)
                ORDER BY camera_id)
            FROM camera_sightings AS seen WHERE seen.global_id = one.global_id),
        merged_into, floor_id, position, calibration_revision,
        (SELECT count(*) FROM prototypes AS looks
            WHERE looks.global_id = one.global_id AND vector IS NOT NULL),
        crop_key IS NOT NULL, provisional
    FROM identities AS one
"""

_GET = f"{_SELECT} WHERE environment_id = %s AND global_id = %s"

_PAGE = f"""{_SELECT}
    WHERE environment_id = %(environment_id)s AND global_id > %(after)s
        AND (%(timeline_id)s::text IS NULL OR timeline_id = %(timeline_id)s)
        AND (%(include_merged)s OR merged_into IS NULL)
    ORDER BY global_id LIMIT %(limit)s
"""

_MATCHING = f"""{_SELECT}
    WHERE environment_id = %(environment_id)s AND global_id = ANY(%(global_ids)s)
        AND (%(timelines)s::text[] IS NULL OR timeline_id = ANY(%(timelines)s))
        AND EXISTS (
            SELECT FROM camera_sightings AS seen
            WHERE seen.global_id = one.global_id
                AND (%(cameras)s::text[] IS NULL OR camera_id = ANY(%(cameras)s))
                AND (%(start_ns)s::bigint IS NULL
                    OR seen.last_seen_ns >= %(start_ns)s)
                AND (%(end_ns)s::bigint IS NULL OR seen.first_seen_ns < %(end_ns)s))
"""

_PORTRAIT = """
    SELECT crop_key, crop_quality, crop_camera_id, crop_captured_ns FROM identities
    WHERE environment_id = %s AND global_id = %s
"""

_REPLACE_PORTRAIT = """
    UPDATE identities
    SET crop_key = %(key)s, crop_quality = %(quality)s, crop_camera_id = %(camera)s,
        crop_captured_ns = %(captured_ns)s
    WHERE environment_id = %(environment_id)s AND global_id = %(global_id)s
        AND (crop_quality IS NULL OR crop_quality < %(quality)s)
"""


class PostgresIdentityTable:
    """Reads persons, and keeps where their best pictures are."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, environment_id: EnvironmentId, global_id: GlobalId) -> Identity:
        """Return a person.

        Raises:
            NotFound: There is none of that id in the environment.
            Unavailable: The database is away.
        """
        rows = await self._fetch(_GET, (environment_id, global_id))
        if not rows:
            raise NotFound(f"no identity {global_id} in {environment_id}")
        return _identity_from_row(rows[0])

    async def page(
        self,
        environment_id: EnvironmentId,
        timeline_id: TimelineId | None,
        *,
        after: GlobalId,
        limit: int,
        include_merged: bool,
    ) -> Sequence[Identity]:
        """Return persons with greater ids than `after`, by id.

        Raises:
            Unavailable: The database is away.
        """
        rows = await self._fetch(
            _PAGE,
            {
                "environment_id": environment_id,
                "timeline_id": timeline_id,
                "after": after,
                "limit": limit,
                "include_merged": include_merged,
            },
        )
        return [_identity_from_row(row) for row in rows]

    async def matching(
        self,
        environment_id: EnvironmentId,
        global_ids: Sequence[GlobalId],
        wanted: IdentityFilter,
    ) -> dict[GlobalId, Identity]:
        """Return those of some persons who pass a filter.

        Raises:
            Unavailable: The database is away.
        """
        rows = await self._fetch(
            _MATCHING,
            {
                "environment_id": environment_id,
                "global_ids": list(global_ids),
                "timelines": list(wanted.timeline_ids) or None,
                "cameras": list(wanted.camera_ids) or None,
                "start_ns": wanted.start_ns,
                "end_ns": wanted.end_ns,
            },
        )
        found = map(_identity_from_row, rows)
        return {identity.global_id: identity for identity in found}

    async def portrait(
        self, environment_id: EnvironmentId, global_id: GlobalId
    ) -> PortraitRecord | None:
        """Return the best picture of a person; None if there is none.

        Raises:
            NotFound: There is no such person.
            Unavailable: The database is away.
        """
        rows = await self._fetch(_PORTRAIT, (environment_id, global_id))
        if not rows:
            raise NotFound(f"no identity {global_id} in {environment_id}")
        key, quality, camera_id, captured_ns = rows[0]
        if key is None:
            return None
        return PortraitRecord(key, quality, CameraId(camera_id), captured_ns)

    async def replace_portrait(
        self, environment_id: EnvironmentId, global_id: GlobalId, record: PortraitRecord
    ) -> bool:
        """Make a picture the best one, unless that is as good already.

        Raises:
            Unavailable: The database is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    _REPLACE_PORTRAIT,
                    {
                        "environment_id": environment_id,
                        "global_id": global_id,
                        "key": record.key,
                        "quality": record.quality,
                        "camera": record.camera_id,
                        "captured_ns": record.captured_ns,
                    },
                )
                return cursor.rowcount == 1

    async def _fetch(self, query: str, parameters: Any) -> list[tuple[Any, ...]]:
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(query.encode(), parameters)
                return await cursor.fetchall()


def _identity_from_row(row: tuple[Any, ...]) -> Identity:
    """Return the person of a row of _SELECT."""
    (global_id, label, environment, timeline, first_ns, last_ns, cameras) = row[:7]
    (merged_into, floor_id, position, revision, prototypes, crop, provisional) = row[7:]
    fix = None
    if position is not None:
        x_m, y_m, xx_m2, xy_m2, yy_m2 = position
        fix = FloorFix(x_m, y_m, xx_m2, xy_m2, yy_m2, floor_id, revision)
    return Identity(
        global_id=GlobalId(global_id),
        label=label,
        environment_id=EnvironmentId(environment),
        timeline_id=TimelineId(timeline),
        first_seen_ns=first_ns,
        last_seen_ns=last_ns,
        cameras=tuple(
            (CameraId(camera_id), CameraRecord(*record))
            for camera_id, *record in cameras or ()
        ),
        merged_into=GlobalId(merged_into or 0),
        fix=fix,
        prototype_count=prototypes,
        has_crop=crop,
        provisional=provisional,
    )
