"""The table of calibrations, which are added and never changed."""

from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from services.common.errors import NotFound
from services.mapper.domain.documents import from_document, to_document
from services.mapper.domain.environment import Calibration
from services.mapper.domain.stored import StoredCalibration


class CalibrationTable:
    """Calibrations within a transaction."""

    def __init__(self, connection: AsyncConnection[TupleRow]) -> None:
        self._connection = connection

    async def append(
        self, environment_id: str, camera_id: str, value: Calibration
    ) -> StoredCalibration:
        """Add a calibration under the next revision.

        The caller holds the camera's row for update, so revisions have no gaps.
        """
        cursor = await self._connection.execute(
            """
            INSERT INTO calibrations (environment_id, camera_id, revision, body)
            SELECT %(environment)s, %(camera)s, coalesce(max(revision), 0) + 1, %(body)s
            FROM calibrations
            WHERE environment_id = %(environment)s AND camera_id = %(camera)s
            RETURNING camera_id, revision, body, create_time
            """,
            {
                "environment": environment_id,
                "camera": camera_id,
                "body": Jsonb(to_document(value)),
            },
        )
        return _stored(await cursor.fetchone())

    async def get(
        self, environment_id: str, camera_id: str, revision: int
    ) -> StoredCalibration:
        """Return one revision, or the newest for 0.

        Raises:
            NotFound: There is none.
        """
        cursor = await self._connection.execute(
            "SELECT camera_id, revision, body, create_time FROM calibrations "
            "WHERE environment_id = %s AND camera_id = %s AND %s IN (0, revision) "
            "ORDER BY revision DESC LIMIT 1",
            (environment_id, camera_id, revision),
        )
        row = await cursor.fetchone()
        if row is None:
            which = f"revision {revision}" if revision else "revision"
            name = f"{environment_id}/{camera_id}"
            raise NotFound(f"camera {name!r} has no calibration {which}")
        return _stored(row)

    async def list(
        self, environment_id: str, camera_id: str, *, before: int, limit: int
    ) -> list[StoredCalibration]:
        """Return calibrations with revisions below `before`, newest first."""
        cursor = await self._connection.execute(
            "SELECT camera_id, revision, body, create_time FROM calibrations "
            "WHERE environment_id = %s AND camera_id = %s AND revision < %s "
            "ORDER BY revision DESC LIMIT %s",
            (environment_id, camera_id, before, limit),
        )
        return [_stored(row) for row in await cursor.fetchall()]

    async def newest(self, environment_id: str) -> dict[str, StoredCalibration]:
        """Return the newest calibration of each camera that has one."""
        cursor = await self._connection.execute(
            "SELECT DISTINCT ON (camera_id) camera_id, revision, body, create_time "
            "FROM calibrations WHERE environment_id = %s "
            "ORDER BY camera_id, revision DESC",
            (environment_id,),
        )
        newest = [_stored(row) for row in await cursor.fetchall()]
        return {calibration.camera_id: calibration for calibration in newest}

    async def newest_revision(self, environment_id: str, camera_id: str) -> int:
        """Return the newest revision of a camera, 0 when it has none."""
        cursor = await self._connection.execute(
            "SELECT coalesce(max(revision), 0) FROM calibrations "
            "WHERE environment_id = %s AND camera_id = %s",
            (environment_id, camera_id),
        )
        row: Any = await cursor.fetchone()
        return int(row[0])


def _stored(row: Any) -> StoredCalibration:
    camera_id, revision, body, create_time = row
    value = from_document(body, Calibration, "calibration")
    return StoredCalibration(camera_id, revision, value, create_time)
