"""The only place where objects are wired."""

import asyncio

from services.analytics.adapters.schema import SCHEMA, VERSIONS
from services.analytics.config import AnalyticsConfig
from services.common.drain import DrainSignal
from services.common.grpc_server import serve
from services.common.postgres import migrate


async def run(config: AnalyticsConfig) -> None:
    """Serve until told to stop."""
    drain = DrainSignal(grace_s=config.server.drain_grace_s)
    async with asyncio.TaskGroup() as tasks:
        migrated = tasks.create_task(migrate(config.postgres_dsn, SCHEMA, VERSIONS))
        await serve(config.server, lambda _server: (), drain, ready=lambda: migrated)
