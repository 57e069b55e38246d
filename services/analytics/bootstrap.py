"""The only place where objects are wired."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.analytics.adapters.archive import PostgresArchive
from services.analytics.adapters.borders import BorderTable
from services.analytics.adapters.history_store import PostgresHistory
from services.analytics.adapters.lease_store import PostgresLeaseStore
from services.analytics.adapters.mapper import MapperBorders, MapperEnvironments
from services.analytics.adapters.partitions import Partitions
from services.analytics.adapters.schema import SCHEMA, VERSIONS
from services.analytics.config import AnalyticsConfig
from services.analytics.domain.lease import Lease
from services.analytics.grpc_api import Figures, registration
from services.analytics.ingest import Ingest, Manners
from services.analytics.service.movement import Movement
from services.analytics.service.operation import Operation
from services.analytics.service.presence import Presence
from services.analytics.supervisor import Supervisor, drop_old_positions
from services.common.drain import DrainSignal
from services.common.event_log import EventLog
from services.common.grpc_client import open_peer
from services.common.grpc_server import Register, serve
from services.common.postgres import migrate, open_pool
from services.common.redis_client import open_redis


@dataclass(frozen=True, slots=True)
class Worker:
    """What stores history.

    Attributes:
        supervisor: Takes environments and stores them.
        partitions: Where positions lie.
    """

    supervisor: Supervisor
    partitions: Partitions


@contextlib.asynccontextmanager
async def open_worker(config: AnalyticsConfig) -> AsyncIterator[Worker]:
    """Wire what stores history while the context is open; the stores may be away."""
    manners = Manners(
        batch_events=config.batch_events,
        presence_gap_us=round(config.presence_gap_s * 1e6),
        renew_every_s=config.lease_s / 5,
    )
    async with (
        open_pool(config.postgres_dsn, SCHEMA, max_size=config.connections) as pool,
        open_peer(config.server.mesh, "mapper", config.mapper_address) as mapper,
        open_redis(config.redis_url) as redis,
    ):
        leases = PostgresLeaseStore(pool, config.lease_s)
        partitions = Partitions(pool)
        history = PostgresHistory(pool, partitions, config.lease_s)
        borders = MapperBorders(mapper, BorderTable(pool))
        log = EventLog(redis)

        def open_ingest(lease: Lease) -> Ingest:
            return Ingest(lease, log, history, leases, borders.read, manners)

        supervisor = Supervisor(
            leases,
            open_ingest,
            MapperEnvironments(mapper).all,
            owner=config.owner,
            max_environments=config.max_environments,
            look_every_s=min(1.0, config.lease_s / 4),
        )
        yield Worker(supervisor, partitions)


@contextlib.asynccontextmanager
async def open_figures(
    postgres_dsn: str, presence_gap_s: float
) -> AsyncIterator[Register]:
    """Wire what answers questions while the context is open.

    It has connections of its own: a long question does not hold up what is stored.
    """
    async with open_pool(postgres_dsn, SCHEMA) as pool:
        archive = PostgresArchive(pool, round(presence_gap_s * 1e6))
        yield registration(
            Figures(Presence(archive), Movement(archive), Operation(archive))
        )


async def run(config: AnalyticsConfig) -> None:
    """Serve and store until told to stop."""
    drain = DrainSignal(grace_s=config.server.drain_grace_s)
    async with (
        open_worker(config) as worker,
        open_figures(config.postgres_dsn, config.presence_gap_s) as register,
        asyncio.TaskGroup() as tasks,
    ):
        migrated = tasks.create_task(migrate(config.postgres_dsn, SCHEMA, VERSIONS))

        async def store() -> None:
            await asyncio.wait([migrated])
            await worker.supervisor.run(drain)

        async def drop() -> None:
            await asyncio.wait([migrated])
            await drop_old_positions(worker.partitions.drop_before, config.keep_days)

        tasks.create_task(store())
        dropping = tasks.create_task(drop()) if config.keep_days else None
        await serve(config.server, register, drain, ready=lambda: migrated)
        if dropping is not None:
            dropping.cancel()
