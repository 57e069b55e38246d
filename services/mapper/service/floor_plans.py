"""Use cases of floor plans."""

from services.mapper.domain.checks import check_floor_plan
from services.mapper.domain.environment import FloorPlan
from services.mapper.domain.stored import StoredFloorPlan
from services.mapper.service.levels import on_level
from services.mapper.service.ports import Store


class FloorPlans:
    """Stores, reads and deletes the pictures below positions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, environment_id: str, plan: FloorPlan) -> StoredFloorPlan:
        """Store a plan, replacing the one before.

        Raises:
            InvalidInput: A field is out of range, the file is neither PNG nor JPEG,
                or the environment has no such level.
            NotFound: There is no such environment.
        """
        check_floor_plan(plan, "floor_plan")
        async with self._store.transaction() as transaction:
            parent = await transaction.environments.get((environment_id,), lock="SHARE")
            on_level(plan, parent.value, "floor_plan")
            return await transaction.floor_plans.put(environment_id, plan)

    async def get(self, environment_id: str, floor_id: str) -> StoredFloorPlan:
        """Return a plan with its picture.

        Raises:
            NotFound: There is none.
        """
        async with self._store.transaction() as transaction:
            return await transaction.floor_plans.get(environment_id, floor_id)

    async def delete(self, environment_id: str, floor_id: str) -> None:
        """Delete a plan.

        Raises:
            NotFound: There is none.
        """
        async with self._store.transaction() as transaction:
            await transaction.floor_plans.delete(environment_id, floor_id)
