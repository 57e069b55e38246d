"""The only place where objects are wired."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from services.common.drain import DrainSignal
from services.common.event_log import EventLog
from services.common.grpc_client import open_peer
from services.common.grpc_server import Register, serve
from services.common.postgres import migrate, open_pool
from services.common.privacy import HeadPrivacy
from services.common.redis_client import open_redis
from services.pipeline.adapters.camera_catalog import MapperCameraCatalog
from services.pipeline.adapters.commit_log import CommitLog
from services.pipeline.adapters.event_reader import EventReader, Patience
from services.pipeline.adapters.lease_store import PostgresLeaseStore
from services.pipeline.adapters.session_store import PostgresSessionStore
from services.pipeline.config import PipelineConfig
from services.pipeline.domain.lease import Lease
from services.pipeline.domain.running import OpenRunner, SessionCommits, SessionRunner
from services.pipeline.grpc_api import PipelineServicer, register
from services.pipeline.mesh.peers import open_peers
from services.pipeline.mesh.preview_board import PreviewBoard
from services.pipeline.mesh.runner import MeshRunner
from services.pipeline.owner import OwnedSession
from services.pipeline.preview_watch import PreviewWatch
from services.pipeline.service import SessionService
from services.pipeline.supervisor import SessionSupervisor
from services.pipeline.watch import TrackingWatch

SCHEMA = "pipeline"
VERSIONS = Path(__file__).parent / "migrations" / "versions"


@contextlib.asynccontextmanager
async def wired(
    config: PipelineConfig,
    open_runner: OpenRunner,
    drain: DrainSignal,
    previews: PreviewBoard | None = None,
) -> AsyncIterator[tuple[Register, SessionSupervisor]]:
    """Wire the service while the context is open; the stores may be away.

    Args:
        config: Configuration.
        open_runner: Makes what carries the frames of a session.
        drain: When streams are to move away.
        previews: Where runners show their frames; None when they show none.

    Yields:
        What adds the service to a server, and what runs sessions.
    """
    async with (
        open_pool(config.postgres_dsn, SCHEMA) as pool,
        open_peer(config.server.mesh, "mapper", config.peers.mapper) as mapper,
        open_redis(config.redis_url) as redis,
        _preview_threads() as threads,
    ):
        event_log = EventLog(redis, config.retention)
        leases = PostgresLeaseStore(pool, config.postgres_dsn, config.lease_s)
        catalog = MapperCameraCatalog(mapper)
        store = PostgresSessionStore(pool, config.max_unfinished)
        claims = CommitLog(redis, event_log)

        def open_session(lease: Lease) -> OwnedSession:
            return OwnedSession(
                lease, leases, claims, open_runner, config.renew_every_s
            )

        supervisor = SessionSupervisor(
            leases,
            open_session,
            owner=config.owner,
            address=config.address,
            max_sessions=config.max_sessions,
            drain_s=config.server.drain_grace_s,
        )
        servicer = PipelineServicer(
            SessionService(store, catalog, new_name),
            TrackingWatch(
                EventReader(event_log, Patience(keep_alive_s=config.keep_alive_s)),
                catalog,
                store,
                drain,
            ),
            PreviewWatch(
                previews or PreviewBoard(),
                HeadPrivacy(catalog.blurs_heads),
                threads,
                drain,
            ),
        )
        yield partial(register, servicer), supervisor


@contextlib.asynccontextmanager
async def _preview_threads() -> AsyncIterator[Executor]:
    """Make previews beside the threads that frames wait for."""
    with ThreadPoolExecutor(1, "previews") as threads:
        yield threads


def new_name(prefix: str) -> str:
    """Return a name that was never used."""
    return f"{prefix}-{secrets.token_hex(8)}"


async def run(config: PipelineConfig) -> None:
    """Serve and run sessions until told to stop."""
    drain = DrainSignal(grace_s=config.server.drain_grace_s)
    previews = PreviewBoard()
    with ThreadPoolExecutor(config.pixel_threads, "pixels") as threads:
        async with open_peers(config.peers, config.server.mesh) as peers:

            def open_runner(lease: Lease, commits: SessionCommits) -> SessionRunner:
                return MeshRunner(
                    lease, commits, peers, config.media, threads, previews
                )

            async with (
                wired(config, open_runner, drain, previews) as (
                    add_service,
                    supervisor,
                ),
                asyncio.TaskGroup() as tasks,
            ):
                migrated = tasks.create_task(
                    migrate(config.postgres_dsn, SCHEMA, VERSIONS)
                )

                async def own() -> None:
                    await asyncio.wait([migrated])
                    await supervisor.run(drain)

                tasks.create_task(own())
                await serve(config.server, add_service, drain, ready=lambda: migrated)
