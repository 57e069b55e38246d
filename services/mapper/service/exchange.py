"""Use cases of environments as documents: export and import."""

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import TypeVar

from services.mapper.domain.calibration import checked_calibration
from services.mapper.domain.environment import (
    Calibration,
    Camera,
    Environment,
    FloorPlan,
)
from services.mapper.domain.exported import (
    VERSION,
    ExportedEnvironment,
    exported_camera,
    read_document,
    write_document,
)
from services.mapper.domain.stored import Stored, StoredCalibration
from services.mapper.service.camera_sources import CameraSources
from services.mapper.service.geometry_cache import GeometryCache
from services.mapper.service.levels import on_level, require_levels, with_levels
from services.mapper.service.ports import Key, Resources, Store, Transaction
from services.mapper.service.quotas import Quotas, require_within

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes:
        environment: The environment as stored.
        created: Entries that were missing.
        updated: Entries that differed.
        unchanged: Entries that were equal.
    """

    environment: Stored[Environment]
    created: int
    updated: int
    unchanged: int


class Exchange:
    """Writes environments as documents, and makes them what documents say."""

    def __init__(
        self,
        store: Store,
        cache: GeometryCache,
        sources: CameraSources,
        quotas: Quotas,
    ) -> None:
        self._store = store
        self._cache = cache
        self._sources = sources
        self._quotas = quotas

    async def export(self, environment_id: str) -> str:
        """Return an environment, with all that lies in it, as a JSON document.

        Raises:
            NotFound: There is none.
        """
        parent = (environment_id,)
        async with self._store.transaction() as transaction:
            environment = await transaction.environments.get(parent, lock="SHARE")
            cameras = await transaction.cameras.list(parent)
            newest = await transaction.calibrations.newest(environment_id)
            zones = await transaction.zones.list(parent)
            tripwires = await transaction.tripwires.list(parent)
            plans = await transaction.floor_plans.list(environment_id)
        calibrations = {name: entry.value for name, entry in newest.items()}
        exported = ExportedEnvironment(
            version=VERSION,
            environment=environment.value,
            cameras=tuple(
                exported_camera(one.value, calibrations.get(one.value.camera_id))
                for one in cameras
            ),
            zones=tuple(one.value for one in zones),
            tripwires=tuple(one.value for one in tripwires),
            floor_plans=tuple(one.value for one in plans),
        )
        return await asyncio.to_thread(write_document, exported)

    async def import_(self, environment_id: str, document: str) -> Imported:
        """Make an environment be what a document says; all or nothing.

        What the document does not name stays. The same document a second time changes
        nothing.

        Raises:
            InvalidInput: Something in the document is not usable; it is named.
            Forbidden: The address of a camera is not allowed.
            NotReady: The document lacks a level that is in use, or brings credentials
                of a camera where none can be kept.
            Overloaded: It would have more cameras than an environment may.
        """
        exported = await asyncio.to_thread(read_document, document)
        environment = replace(exported.environment, environment_id=environment_id)
        exported = replace(exported, environment=with_levels(environment))
        async with self._store.transaction() as transaction:
            writer = _Writer(transaction, environment_id, self._sources)
            await writer.write(exported)
            if writer.counts["created"]:
                await require_within(self._quotas, transaction, environment_id)
            await require_levels(
                transaction, exported.environment, "document.environment"
            )
            await transaction.announce(environment_id)
            stored = await transaction.environments.get((environment_id,))
        await self._cache.refresh(environment_id)
        return Imported(
            environment=stored,
            created=writer.counts["created"],
            updated=writer.counts["updated"],
            unchanged=writer.counts["unchanged"],
        )


class _Writer:
    """Writes what differs, and counts."""

    def __init__(
        self, transaction: Transaction, environment_id: str, sources: CameraSources
    ) -> None:
        self._transaction = transaction
        self._environment_id = environment_id
        self._sources = sources
        self.counts: Counter[str] = Counter()

    async def write(self, exported: ExportedEnvironment) -> None:
        environment = exported.environment
        transaction, own = self._transaction, self._environment_id
        await self._put(transaction.environments, (own,), environment)
        newest = await transaction.calibrations.newest(own)
        for index, entry in enumerate(exported.cameras):
            path = f"document.cameras[{index}]"
            camera = on_level(entry.camera, environment, path)
            await self._put_camera(camera, path)
            if entry.calibration is not None:
                checked = checked_calibration(entry.calibration, f"{path}.calibration")
                await self._put_calibration(
                    camera.camera_id, newest.get(camera.camera_id), checked
                )
        for index, one in enumerate(exported.zones):
            zone = on_level(one, environment, f"document.zones[{index}]")
            await self._put(transaction.zones, (own, zone.zone_id), zone)
        for index, line in enumerate(exported.tripwires):
            wire = on_level(line, environment, f"document.tripwires[{index}]")
            await self._put(transaction.tripwires, (own, wire.tripwire_id), wire)
        plans = {
            plan.value.floor_id: plan.value
            for plan in await transaction.floor_plans.list(own)
        }
        for index, plan in enumerate(exported.floor_plans):
            on_level(plan, environment, f"document.floor_plans[{index}]")
            await self._put_plan(plans.get(plan.floor_id), plan)

    async def _put(self, resources: Resources[_T], key: Key, value: _T) -> None:
        stored = await resources.find(key, lock="UPDATE")
        what = self._count(None if stored is None else stored.value, value)
        if what == "created":
            await resources.insert(key, value)
        elif what == "updated":
            await resources.update(key, value)

    async def _put_camera(self, camera: Camera, path: str) -> None:
        cameras, key = (
            self._transaction.cameras,
            (self._environment_id, camera.camera_id),
        )
        stored = await cameras.find(key, lock="UPDATE")
        before = None if stored is None else stored.value
        change = self._sources.change(camera, before, path)
        await self._put(cameras, key, change.camera)
        await change.apply(self._transaction, self._environment_id)

    async def _put_calibration(
        self, camera_id: str, stored: StoredCalibration | None, value: Calibration
    ) -> None:
        if self._count(None if stored is None else stored.value, value) != "unchanged":
            await self._transaction.calibrations.append(
                self._environment_id, camera_id, value
            )

    async def _put_plan(self, stored: FloorPlan | None, plan: FloorPlan) -> None:
        if self._count(stored, plan) != "unchanged":
            await self._transaction.floor_plans.put(self._environment_id, plan)

    def _count(self, stored: _T | None, value: _T) -> str:
        """Count an entry and return how it is counted."""
        what = "unchanged" if stored == value else "updated"
        if stored is None:
            what = "created"
        self.counts[what] += 1
        return what
