"""The table of floor plans, whose pictures are kept as they came."""

from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.common.errors import NotFound
from services.mapper.domain.environment import FloorPlan
from services.mapper.domain.stored import StoredFloorPlan


class FloorPlanTable:
    """Floor plans within a transaction."""

    def __init__(self, connection: AsyncConnection[TupleRow]) -> None:
        self._connection = connection

    async def put(self, environment_id: str, plan: FloorPlan) -> StoredFloorPlan:
        """Store a plan, replacing the one before."""
        cursor = await self._connection.execute(
            """
            INSERT INTO floor_plans (environment_id, floor_id, image, image_to_floor)
            VALUES (%s, %s, %s, %s)
            ON CONFLICT (environment_id, floor_id) DO UPDATE
            SET image = excluded.image, image_to_floor = excluded.image_to_floor,
                etag = excluded.etag
            RETURNING etag
            """,
            (environment_id, plan.floor_id, plan.image, list(plan.image_to_floor)),
        )
        row: Any = await cursor.fetchone()
        return StoredFloorPlan(plan, row[0])

    async def get(self, environment_id: str, floor_id: str) -> StoredFloorPlan:
        """Return a plan.

        Raises:
            NotFound: There is none.
        """
        cursor = await self._connection.execute(
            "SELECT floor_id, image, image_to_floor, etag FROM floor_plans "
            "WHERE environment_id = %s AND floor_id = %s",
            (environment_id, floor_id),
        )
        row = await cursor.fetchone()
        if row is None:
            raise _missing(environment_id, floor_id)
        return _stored(row)

    async def list(self, environment_id: str) -> list[StoredFloorPlan]:
        """Return an environment's plans in the order of their levels."""
        cursor = await self._connection.execute(
            "SELECT floor_id, image, image_to_floor, etag FROM floor_plans "
            "WHERE environment_id = %s ORDER BY floor_id",
            (environment_id,),
        )
        return [_stored(row) for row in await cursor.fetchall()]

    async def delete(self, environment_id: str, floor_id: str) -> None:
        """Delete a plan.

        Raises:
            NotFound: There is none.
        """
        cursor = await self._connection.execute(
            "DELETE FROM floor_plans WHERE environment_id = %s AND floor_id = %s",
            (environment_id, floor_id),
        )
        if not cursor.rowcount:
            raise _missing(environment_id, floor_id)


def _missing(environment_id: str, floor_id: str) -> NotFound:
    return NotFound(f"level {environment_id + '/' + floor_id!r} has no plan")


def _stored(row: Any) -> StoredFloorPlan:
    floor_id, image, image_to_floor, etag = row
    return StoredFloorPlan(FloorPlan(floor_id, image, tuple(image_to_floor)), etag)
