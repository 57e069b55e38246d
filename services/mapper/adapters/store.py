"""The mapper's part of PostgreSQL, one transaction at a time."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from cryptography.fernet import MultiFernet
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.common.postgres import Pool, translated_errors
from services.mapper.adapters.calibrations import CalibrationTable
from services.mapper.adapters.camera_credentials import CameraCredentialsTable
from services.mapper.adapters.floor_plans import FloorPlanTable
from services.mapper.adapters.resources import (
    CAMERAS,
    ENVIRONMENTS,
    TRIPWIRES,
    ZONES,
    ResourceTable,
)
from services.mapper.domain.environment import Camera, Environment, Zone
from services.mapper.domain.tripwire import Tripwire

SCHEMA = "mapper"
VERSIONS = Path(__file__).parent.parent / "migrations" / "versions"
CHANNEL = "spoton_mapper"
"""Where a transaction announces the environment that it changed."""


class Transaction:
    """All tables, within one transaction."""

    def __init__(
        self, connection: AsyncConnection[TupleRow], cipher: MultiFernet | None
    ) -> None:
        self._connection = connection
        self.environments: ResourceTable[Environment] = ResourceTable(
            connection, ENVIRONMENTS
        )
        self.cameras: ResourceTable[Camera] = ResourceTable(connection, CAMERAS)
        self.zones: ResourceTable[Zone] = ResourceTable(connection, ZONES)
        self.tripwires: ResourceTable[Tripwire] = ResourceTable(connection, TRIPWIRES)
        self.calibrations = CalibrationTable(connection)
        self.floor_plans = FloorPlanTable(connection)
        self.credentials = CameraCredentialsTable(connection, cipher)

    async def levels_in_use(self, environment_id: str) -> set[str]:
        """Return the levels that cameras, zones, tripwires and plans name."""
        cursor = await self._connection.execute(
            """
            SELECT body ->> 'floor_id' FROM cameras WHERE environment_id = %(id)s
            UNION SELECT body ->> 'floor_id' FROM zones WHERE environment_id = %(id)s
            UNION SELECT body ->> 'floor_id' FROM tripwires
                WHERE environment_id = %(id)s
            UNION SELECT floor_id FROM floor_plans WHERE environment_id = %(id)s
            """,
            {"id": environment_id},
        )
        return {row[0] for row in await cursor.fetchall()}

    async def announce(self, environment_id: str) -> None:
        """Tell every replica, on commit, that what positions depend on changed."""
        await self._connection.execute(
            "SELECT pg_notify(%s, %s)", (CHANNEL, environment_id)
        )


class Store:
    """Opens transactions."""

    def __init__(self, pool: Pool, cipher: MultiFernet | None = None) -> None:
        """Keep the collaborators.

        Args:
            pool: Connections to PostgreSQL.
            cipher: What credentials are encrypted with; None keeps none.
        """
        self._pool = pool
        self._cipher = cipher

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commit what the context does, or nothing of it when it raises.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                yield Transaction(connection, self._cipher)
