"""The only place where objects are wired."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from cryptography.fernet import MultiFernet
from grpc import aio

from services.common.drain import DrainSignal
from services.common.grpc_server import serve
from services.common.outgoing.policy import AddressPolicy
from services.common.postgres import migrate, open_pool
from services.mapper.adapters.changes import changed_environments
from services.mapper.adapters.store import SCHEMA, VERSIONS, Store
from services.mapper.config import MapperConfig
from services.mapper.grpc_api import UseCases, registration
from services.mapper.service.calibration_import import CalibrationImport
from services.mapper.service.calibrations import Calibrations
from services.mapper.service.camera_sources import CameraSources
from services.mapper.service.cameras import Cameras
from services.mapper.service.environments import Environments
from services.mapper.service.exchange import Exchange
from services.mapper.service.floor_plans import FloorPlans
from services.mapper.service.geometry_cache import GeometryCache
from services.mapper.service.projection import Projection
from services.mapper.service.quotas import USUAL_QUOTAS, Quotas
from services.mapper.service.tripwires import Tripwires
from services.mapper.service.zones import Zones


@dataclass(frozen=True, slots=True)
class Mapper:
    """A wired mapper.

    Attributes:
        register: Adds it to a server.
        ready: Done once the store has the newest schema; waits while it is away.
    """

    register: Callable[[aio.Server], Sequence[str]]
    ready: "asyncio.Future[None]"


@contextlib.asynccontextmanager
async def open_mapper(
    postgres_dsn: str,
    drain: DrainSignal,
    sources: AddressPolicy | None = None,
    cipher: MultiFernet | None = None,
    quotas: Quotas = USUAL_QUOTAS,
) -> AsyncIterator[Mapper]:
    """Wire the mapper and follow its store while the context is open.

    Succeeds while PostgreSQL is away.

    Args:
        postgres_dsn: Connection string of PostgreSQL.
        drain: When streams are to move away.
        sources: Which addresses cameras may have; None allows none.
        cipher: What their credentials are encrypted with; None keeps none.
        quotas: What an environment may have.
    """
    async with open_pool(postgres_dsn, SCHEMA) as pool, asyncio.TaskGroup() as tasks:
        store = Store(pool, cipher)
        camera_sources = CameraSources(sources or AddressPolicy())
        cache = GeometryCache(store)
        projection = Projection(cache)
        use_cases = UseCases(
            environments=Environments(store, cache),
            exchange=Exchange(store, cache, camera_sources, quotas),
            cameras=Cameras(store, cache, camera_sources, quotas),
            zones=Zones(store),
            tripwires=Tripwires(store),
            calibrations=Calibrations(store, cache, projection),
            calibration_import=CalibrationImport(store, cache),
            floor_plans=FloorPlans(store),
            projection=projection,
        )
        ready = tasks.create_task(migrate(postgres_dsn, SCHEMA, VERSIONS))
        following = tasks.create_task(cache.follow(changed_environments(postgres_dsn)))
        try:
            yield Mapper(registration(use_cases, drain), ready)
        finally:
            ready.cancel()
            following.cancel()


async def run(config: MapperConfig) -> None:
    """Serve until told to stop."""
    drain = DrainSignal(
        grace_s=config.server.drain_grace_s, max_stream_age_s=config.max_stream_age_s
    )
    async with open_mapper(
        config.postgres_dsn, drain, config.sources, config.cipher, config.quotas
    ) as mapper:
        await serve(config.server, mapper.register, drain, ready=lambda: mapper.ready)
