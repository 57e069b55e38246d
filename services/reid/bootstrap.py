"""Wire the service together."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog
from grpc import aio

from services.common.drain import DrainSignal
from services.common.event_log import EventLog
from services.common.grpc_server import Register, serve
from services.common.models import load_registry, locate
from services.common.postgres import Pool, migrate, open_pool
from services.common.redis_client import open_redis
from services.reid.adapters.embedders.onnx import OnnxEmbedder
from services.reid.adapters.embedders.stripes import StripesEmbedder
from services.reid.adapters.identity_table import PostgresIdentityTable
from services.reid.adapters.outbox import OutboxRelay
from services.reid.adapters.s3 import S3Pictures
from services.reid.adapters.timeline_table import TimelineTable
from services.reid.adapters.vector_index import FaissIndex
from services.reid.config import STRIPES, ReidConfig
from services.reid.convert import answer_to_bytes, event_to_bytes
from services.reid.domain.association import Association
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.global_ids import GlobalIdSource
from services.reid.domain.live_set import LiveSet
from services.reid.grpc_api import ReidServicer
from services.reid.service.embedding import Embedder, EmbeddingService
from services.reid.service.identities import IdentityService
from services.reid.service.portraits import PortraitKeeper
from services.reid.service.timeline_store import Lease
from services.reid.service.timeline_writer import AssociationMaker, TimelineWriter
from spoton.reid.v1 import reid_pb2, reid_pb2_grpc

SCHEMA = "reid"
VERSIONS = Path(__file__).parent / "migrations" / "versions"
SERVICE = reid_pb2.DESCRIPTOR.services_by_name["ReidService"].full_name

_log = structlog.get_logger(__name__)


def load_embedder(config: ReidConfig) -> Embedder:
    """Load the embedder that the configuration names.

    Raises:
        NotFound: The registry has none of that name.
        WrongHash: The file is not the one of the registry.
        Unavailable: The file cannot be had, or the device cannot be used.
    """
    if config.embedder == STRIPES:
        return StripesEmbedder()
    entry = load_registry().embedder(config.embedder)
    located = locate(entry, config.model_dir, config.cache_dir, report=_log.info)
    return OnnxEmbedder(located.path, entry, device=config.device)


def make_id_source() -> GlobalIdSource:
    """Return the source of ids of this process."""
    draw_bits = random.SystemRandom().getrandbits
    return GlobalIdSource(lambda: time.time_ns() // 1_000_000, draw_bits)


class _Associations:
    """Makes what associates, with the evidence that a session chose."""

    def __init__(self, embedder: Embedder, ids: GlobalIdSource) -> None:
        self._model = embedder.model.appearance
        self._ids = ids

    def choose(self, use_floor: bool, use_appearance: bool) -> AssociationMaker:  # noqa: FBT001 - two switches of one message.
        """Return what makes associations that use this evidence."""
        config = replace(
            AssociationConfig(), use_floor=use_floor, use_appearance=use_appearance
        )

        def make(live: LiveSet) -> Association:
            return Association(live, self._model, config, self._ids.draw)

        return make


@asynccontextmanager
async def wired(
    config: ReidConfig, embedder: Embedder, drain: DrainSignal
) -> AsyncIterator[Register]:
    """Run the service behind its servicer while the context is open.

    The tables need not exist yet: see `prepare`.

    Args:
        config: Configuration.
        embedder: The model, loaded.
        drain: When streams are to move away.

    Yields:
        What adds the service to a server.
    """
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(config.postgres_dsn, SCHEMA))
        redis = await stack.enter_async_context(open_redis(config.redis_url))
        table = PostgresIdentityTable(pool)
        portraits = await stack.enter_async_context(
            PortraitKeeper(S3Pictures(config.s3), table)
        )
        embedding = await stack.enter_async_context(
            EmbeddingService(embedder, config.batching)
        )
        model = embedder.model
        servicer = ReidServicer(
            embedding,
            IdentityService(table, FaissIndex(pool, model.model_id, model.dimensions)),
            portraits,
            partial(_make_writer, config, embedder, pool, portraits),
            _Associations(embedder, make_id_source()).choose,
            drain,
            window=config.window,
            max_pixels=config.max_image_pixels,
        )
        relay = asyncio.create_task(OutboxRelay(pool, EventLog(redis)).run())
        stack.push_async_callback(_cancelled, relay)

        def register(server: aio.Server) -> Sequence[str]:
            reid_pb2_grpc.add_ReidServiceServicer_to_server(servicer, server)
            return (SERVICE,)

        yield register


async def prepare(config: ReidConfig) -> None:
    """Bring the tables up to date, waiting while PostgreSQL is away."""
    await migrate(config.postgres_dsn, SCHEMA, VERSIONS)


async def run(config: ReidConfig) -> None:
    """Serve until told to stop."""
    drain = DrainSignal(
        grace_s=config.server.drain_grace_s, max_stream_age_s=config.max_stream_age_s
    )
    embedder = load_embedder(config)
    async with wired(config, embedder, drain) as register:
        await serve(
            config.server,
            register,
            drain,
            ready=lambda: asyncio.ensure_future(prepare(config)),
        )


def _make_writer(
    config: ReidConfig,
    embedder: Embedder,
    pool: Pool,
    portraits: PortraitKeeper,
    lease: Lease,
) -> TimelineWriter:
    """Return the writer of a timeline."""
    store = TimelineTable(
        pool, embedder.model.model_id, AssociationConfig(), event_to_bytes
    )
    return TimelineWriter(
        lease,
        store,
        portraits,
        answer_to_bytes,
        store_patience_s=config.store_patience_s,
    )


async def _cancelled(task: "asyncio.Task[None]") -> None:
    """Stop a background task, even if a library swallows a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1.0)
