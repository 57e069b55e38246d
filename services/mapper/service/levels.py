"""Levels of an environment, and who refers to them."""

from dataclasses import replace
from typing import TypeVar

from services.common.errors import InvalidInput, NotReady
from services.mapper.domain.environment import (
    GROUND,
    Camera,
    Environment,
    FloorPlan,
    Zone,
)
from services.mapper.domain.tripwire import Tripwire
from services.mapper.service.ports import Transaction

_OnLevel = TypeVar("_OnLevel", Camera, Zone, Tripwire, FloorPlan)


def with_levels(environment: Environment) -> Environment:
    """Return the environment with one level where it names none."""
    if environment.floors:
        return environment
    return replace(environment, floors=(GROUND,))


def on_level(thing: _OnLevel, environment: Environment, path: str) -> _OnLevel:
    """Return the thing on its level, which is the first where it names none.

    Raises:
        InvalidInput: The environment has no such level.
    """
    if not thing.floor_id:
        return replace(thing, floor_id=environment.floors[0].floor_id)
    if thing.floor_id not in {floor.floor_id for floor in environment.floors}:
        message = f"the environment has no level {thing.floor_id[:80]!r}"
        raise InvalidInput(message, field=f"{path}.floor_id")
    return thing


async def require_levels(
    transaction: Transaction, environment: Environment, path: str
) -> None:
    """Refuse an environment that lacks a level which something in it names.

    Raises:
        NotReady: Something must be moved or deleted first.
    """
    used = await transaction.levels_in_use(environment.environment_id)
    missing = used - {floor.floor_id for floor in environment.floors}
    if missing:
        message = (
            f"level {min(missing)!r} still has cameras, zones, tripwires or a plan"
        )
        raise NotReady(message, field=f"{path}.floors")
