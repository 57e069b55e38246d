"""A pipeline in the process of the test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from services.common.drain import DrainSignal
from services.common.event_log import Retention
from services.common.grpc_client import open_channel
from services.common.grpc_server import ServerSettings, running_server
from services.common.mesh.policy import Policy
from services.common.mesh.settings import open_loopback
from services.common.postgres import migrate
from services.pipeline.adapters.session_store import MAX_UNFINISHED
from services.pipeline.bootstrap import SCHEMA, VERSIONS, wired
from services.pipeline.config import PipelineConfig
from services.pipeline.domain.running import OpenRunner
from services.pipeline.mesh.cameras import MediaFolder
from services.pipeline.mesh.peers import PeerAddresses
from services.pipeline.mesh.preview_board import PreviewBoard
from spoton.pipeline.v1 import pipeline_pb2_grpc

Stub = pipeline_pb2_grpc.PipelineServiceStub


@dataclass(frozen=True, slots=True)
class RunningPipeline:
    """A pipeline in this process.

    Attributes:
        address: Where it answers.
        stub: Calls it.
        drain: Starts its end.
        owning: Done once it owns nothing any more.
    """

    address: str
    stub: Stub
    drain: DrainSignal
    owning: "asyncio.Future[None]"


def pipeline_config(
    postgres_dsn: str,
    redis_url: str,
    peers: PeerAddresses,
    *,
    media: Path = Path("unused"),
    owner: str = "test",
    address: str = "127.0.0.1:0",
    lease_s: float = 5.0,
    retention: Retention | None = None,
) -> PipelineConfig:
    """Return a configuration that is quick to notice things."""
    return PipelineConfig(
        server=ServerSettings(
            "127.0.0.1:0", "127.0.0.1:0", open_loopback("pipeline"), drain_grace_s=5.0
        ),
        postgres_dsn=postgres_dsn,
        redis_url=redis_url,
        peers=peers,
        media=MediaFolder(media),
        retention=retention or Retention(),
        owner=owner,
        max_unfinished=MAX_UNFINISHED,
        address=address,
        max_sessions=100,
        lease_s=lease_s,
        renew_every_s=0.1,
        pixel_threads=1,
        keep_alive_s=0.5,
    )


@contextlib.asynccontextmanager
async def running_pipeline(
    config: PipelineConfig,
    open_runner: OpenRunner,
    policy: Policy | None = None,
    previews: PreviewBoard | None = None,
) -> AsyncIterator[RunningPipeline]:
    """Run a pipeline while the context is open; without a policy for this machine."""
    drain = DrainSignal()
    await migrate(config.postgres_dsn, SCHEMA, VERSIONS)
    async with (
        wired(config, open_runner, drain, previews) as (register, supervisor),
        running_server(register, policy, config.address) as address,
        open_channel(address) as channel,
    ):
        owning = asyncio.create_task(supervisor.run(drain))
        stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
        try:
            yield RunningPipeline(address, stub, drain, owning)
        finally:
            owning.cancel()
            await asyncio.gather(owning, return_exceptions=True)
