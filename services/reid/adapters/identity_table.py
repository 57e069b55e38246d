"""Persons in PostgreSQL, as readers see them."""

from collections.abc import Sequence
from typing import Any

from services.common.errors import NotFound
from services.common.ids import (
    CameraId,
    EnvironmentId,
    GlobalId,
    ModelId,
    TimelineId,
)
from services.common.postgres import Pool, translated_errors
from services.reid.adapters.identity_filter import WANTED, filter_parameters
from services.reid.adapters.identity_rows import fix_from_row
from services.reid.adapters.vectors import vector_from_sql
from services.reid.domain.identity import Identity, IdentityFilter
from services.reid.domain.tracklet import CameraRecord
from services.reid.service.portraits import PortraitRecord
from services.reid.service.search import Look

_SELECT = """
    SELECT global_id, label, environment_id, timeline_id, first_seen_ns, last_seen_ns,
        (SELECT json_agg(json_build_array(
                    camera_id, detections, first_seen_ns, last_seen_ns)
                ORDER BY camera_id)
            FROM camera_sightings AS seen WHERE seen.global_id = one.global_id),
        merged_into, floor_id, position, calibration_revision,
        (SELECT count(*) FROM prototypes AS looks
            WHERE looks.global_id = one.global_id AND vector IS NOT NULL),
        crop_key IS NOT NULL AND expired_time IS NULL, provisional,
        (extract(epoch FROM expired_time) * 1000000000)::bigint
    FROM identities AS one
"""

_GET = f"{_SELECT} WHERE environment_id = %s AND global_id = %s"

_PAGE = f"""{_SELECT}
    WHERE environment_id = %(environment_id)s AND global_id > %(after)s
        AND (%(timeline_id)s::text IS NULL OR timeline_id = %(timeline_id)s)
        AND (%(include_merged)s OR merged_into IS NULL)
        AND (%(include_expired)s OR expired_time IS NULL)
    ORDER BY global_id LIMIT %(limit)s
"""

_MATCHING = f"""{_SELECT}
    WHERE environment_id = %(environment_id)s AND global_id = ANY(%(global_ids)s)
        AND {WANTED}
"""

_LOOKS = """
    SELECT global_id, prototype_id, camera_id, captured_ns, vector_count, vector,
        floor_id, position, calibration_revision
    FROM prototypes
    WHERE global_id = ANY(%s) AND model_id = %s AND vector IS NOT NULL
"""

_PORTRAITS = """
    SELECT global_id, crop_key, crop_quality, crop_camera_id, crop_captured_ns
    FROM identities
    WHERE global_id = ANY(%s) AND crop_key IS NOT NULL AND expired_time IS NULL
"""

_PORTRAIT = """
    SELECT CASE WHEN expired_time IS NULL THEN crop_key END, crop_quality,
        crop_camera_id, crop_captured_ns
    FROM identities
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
        include_expired: bool,
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
                "include_expired": include_expired,
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
            }
            | filter_parameters(wanted),
        )
        found = map(_identity_from_row, rows)
        return {identity.global_id: identity for identity in found}

    async def looks(
        self, global_ids: Sequence[GlobalId], model_id: ModelId
    ) -> dict[GlobalId, list[Look]]:
        """Return the prototypes of some persons.

        Raises:
            Unavailable: The database is away.
        """
        found: dict[GlobalId, list[Look]] = {}
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = connection.cursor(binary=True)
                await cursor.execute(_LOOKS, (list(global_ids), model_id))
                for global_id, *look in await cursor.fetchall():
                    found.setdefault(GlobalId(global_id), []).append(_look(look))
        return found

    async def portraits(
        self, global_ids: Sequence[GlobalId]
    ) -> dict[GlobalId, PortraitRecord]:
        """Return the best pictures of those who have one.

        Raises:
            Unavailable: The database is away.
        """
        return {
            GlobalId(global_id): PortraitRecord(
                key, quality, CameraId(camera_id), captured_ns
            )
            for global_id, key, quality, camera_id, captured_ns in await self._fetch(
                _PORTRAITS, (list(global_ids),)
            )
        }

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
    (merged_into, floor_id, position, revision, prototypes, crop) = row[7:13]
    provisional, expired_ns = row[13:]
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
        fix=fix_from_row(floor_id, position, revision),
        prototype_count=prototypes,
        has_crop=crop,
        provisional=provisional,
        expired_ns=expired_ns,
    )


def _look(row: list[Any]) -> Look:
    """Return the prototype of a row of _LOOKS without its person."""
    prototype_id, camera_id, captured_ns, count, vector, *place = row
    return Look(
        prototype_id=prototype_id,
        camera_id=CameraId(camera_id),
        captured_ns=captured_ns,
        count=count,
        vector=vector_from_sql(vector),
        fix=fix_from_row(*place),
    )
