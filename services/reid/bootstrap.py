"""Wire the service together."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from grpc import aio
from threadpoolctl import threadpool_limits

from services.common.auth import current_caller
from services.common.device_watch import DeviceReport
from services.common.devices import DeviceWatch, Fallback
from services.common.drain import DrainSignal
from services.common.environ import ConfigError
from services.common.event_log import EventLog
from services.common.grpc_client import open_peer
from services.common.grpc_server import Register, serve
from services.common.ids import ModelId
from services.common.models import (
    EmbedderBackend,
    EmbedderEntry,
    load_registry,
    locate_and_log,
)
from services.common.postgres import Pool, migrate, open_pool
from services.common.redis_client import open_redis
from services.reid.adapters.archive import PostgresArchive
from services.reid.adapters.command_table import CommandTable
from services.reid.adapters.embedders.clip import ClipEmbedder, require_libraries
from services.reid.adapters.embedders.onnx import OnnxEmbedder
from services.reid.adapters.embedders.stripes import MODEL as STRIPES_MODEL
from services.reid.adapters.embedders.stripes import StripesEmbedder
from services.reid.adapters.expiry_table import PostgresExpiryTable
from services.reid.adapters.identity_table import PostgresIdentityTable
from services.reid.adapters.index_kinds import choose_index
from services.reid.adapters.outbox import OutboxRelay
from services.reid.adapters.portrait_privacy import PortraitPrivacy
from services.reid.adapters.s3 import S3Pictures
from services.reid.adapters.score_table import PostgresScoreTable
from services.reid.adapters.sitter_table import PostgresSitterTable
from services.reid.adapters.timeline_table import TimelineTable
from services.reid.adapters.vector_index import FaissIndex
from services.reid.config import STRIPES, ReidConfig
from services.reid.convert import answer_to_bytes, event_to_bytes
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.association import Association
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.global_ids import GlobalIdSource
from services.reid.domain.live_set import LiveSet
from services.reid.grpc_api import ReidServicer
from services.reid.grpc_feedback import FeedbackServicer
from services.reid.grpc_score_fit import ScoreFitServicer
from services.reid.observe import MODEL_DEVICE
from services.reid.service.embedding import Embedder, EmbedderModel, Embedders
from services.reid.service.expiry import Expiry
from services.reid.service.feedback import FeedbackService
from services.reid.service.identities import IdentityService
from services.reid.service.portraits import PortraitKeeper
from services.reid.service.recollection import Recollection
from services.reid.service.reembedding import Reembedding
from services.reid.service.score_fitting import FittedScores, ScoreFits
from services.reid.service.score_sampling import ScoreSampler
from services.reid.service.search import IdentitySearch, VectorIndex
from services.reid.service.timeline_store import Lease
from services.reid.service.timeline_writer import AssociationMaker, TimelineWriter
from spoton.reid.v1 import (
    feedback_pb2,
    feedback_pb2_grpc,
    reid_pb2,
    reid_pb2_grpc,
    score_fit_pb2,
    score_fit_pb2_grpc,
)

SCHEMA = "reid"
# Many times what a lookup takes; a tick that waits longer is decided without.
_RECALL_PATIENCE_S = 1.0
# Floor evidence may approach what a merge takes without ever reaching it.
_SURE_SHARE = 0.9
VERSIONS = Path(__file__).parent / "migrations" / "versions"
SERVICES = (
    reid_pb2.DESCRIPTOR.services_by_name["ReidService"].full_name,
    feedback_pb2.DESCRIPTOR.services_by_name["FeedbackService"].full_name,
    score_fit_pb2.DESCRIPTOR.services_by_name["ScoreFitService"].full_name,
)


def load_embedders(config: ReidConfig, watch: DeviceWatch) -> list[Embedder]:
    """Load the embedders that the configuration names, in its order.

    Args:
        config: Configuration.
        watch: Told on which device each runs.

    Raises:
        NotFound: The registry has none of a name.
        WrongHash: A file is not the one of the registry.
        UnusableModel: A file is not what the registry says.
        Unavailable: A file cannot be had, or the device cannot be used.
        NotReady: A library is not installed.
        ConfigError: Two names stand for one model.
    """
    registry = load_registry()
    names = [STRIPES_MODEL.model_id if n == STRIPES else n for n in config.embedders]
    if len(set(names)) < len(names):
        raise ConfigError("SPOTON_REID_EMBEDDER names one embedder twice")
    return [_load(registry.embedder(name), config, watch) for name in names]


def _load(entry: EmbedderEntry, config: ReidConfig, watch: DeviceWatch) -> Embedder:
    """Load one embedder."""
    if entry.backend is EmbedderBackend.STRIPES:
        return StripesEmbedder()
    backend = ClipEmbedder if entry.backend is EmbedderBackend.CLIP else OnnxEmbedder
    if backend is ClipEmbedder:
        # Told before a model of hundreds of megabytes is fetched for nothing.
        require_libraries(entry)
    located = locate_and_log(entry, config.model_dir, config.cache_dir)
    return backend(located.path, entry, config.device, watch)


def make_id_source() -> GlobalIdSource:
    """Return the source of ids of this process."""
    draw_bits = random.SystemRandom().getrandbits
    return GlobalIdSource(lambda: time.time_ns() // 1_000_000, draw_bits)


class _Associations:
    """Makes what associates, with the evidence that a session chose."""

    def __init__(self, ids: GlobalIdSource) -> None:
        self._ids = ids

    def choose(
        self, model: AppearanceModel, *, use_floor: bool, use_appearance: bool
    ) -> AssociationMaker:
        """Return what makes associations that use this evidence."""
        config = replace(
            AssociationConfig(), use_floor=use_floor, use_appearance=use_appearance
        )

        def make(live: LiveSet) -> Association:
            return Association(live, model, config, self._ids.draw)

        return make


@asynccontextmanager
async def wired(
    config: ReidConfig, embedders: Sequence[Embedder], drain: DrainSignal
) -> AsyncIterator[Register]:
    """Run the service behind its servicer while the context is open.

    The tables need not exist yet: see `prepare`.

    Args:
        config: Configuration.
        embedders: The models, loaded, the default first.
        drain: When streams are to move away.

    Yields:
        What adds the service to a server.

    Raises:
        Unavailable: There is no GPU to search on, and nothing may stand in.
    """
    async with contextlib.AsyncExitStack() as stack:
        # The matrices of a tick are small: more threads wait longer than they work.
        stack.enter_context(threadpool_limits(1, user_api="blas"))
        pool = await stack.enter_async_context(open_pool(config.postgres_dsn, SCHEMA))
        redis = await stack.enter_async_context(open_redis(config.redis_url))
        mapper = await stack.enter_async_context(
            open_peer(config.server.mesh, "mapper", config.mapper_address)
        )
        table, pictures = PostgresIdentityTable(pool), S3Pictures(config.s3)
        portraits = await stack.enter_async_context(PortraitKeeper(pictures, table))
        running = await stack.enter_async_context(Embedders(embedders, config.batching))
        indexes = await _indexes(config, pool, running.models, stack)
        ids = make_id_source()
        associations = _Associations(ids)
        scores = PostgresScoreTable(pool)
        sampler = await stack.enter_async_context(
            ScoreSampler(
                scores,
                random.SystemRandom().random,
                sure_nats=_SURE_SHARE * AssociationConfig().merge_evidence,
            )
        )
        fits = ScoreFits(scores)
        make_writer = partial(_make_writer, config, pool, portraits, indexes, sampler)
        servicer = ReidServicer(
            running,
            IdentityService(table),
            IdentitySearch(
                table,
                indexes,
                FittedScores(fits, [one.appearance for one in running.models]),
            ),
            portraits,
            PortraitPrivacy(mapper),
            Reembedding(
                PostgresSitterTable(pool),
                pictures,
                ids.draw,
                store_patience_s=config.store_patience_s,
            ),
            fits,
            make_writer,
            associations.choose,
            current_caller,
            drain,
            window=config.window,
            max_pixels=config.max_image_pixels,
        )
        default = running.default.model.appearance
        feedback = FeedbackService(
            CommandTable(pool, default.model_id),
            partial(make_writer, model=default),
            associations.choose(default, use_floor=True, use_appearance=True),
            patience_s=config.feedback_patience_s,
        )
        if config.retention_s > 0:
            expiry = Expiry(PostgresExpiryTable(pool), pictures, config.retention_s)
            stack.push_async_callback(
                _cancelled, asyncio.create_task(expiry.run(), name="expiry")
            )
        relay = asyncio.create_task(OutboxRelay(pool, EventLog(redis)).run())
        stack.push_async_callback(_cancelled, relay)

        def register(server: aio.Server) -> Sequence[str]:
            reid_pb2_grpc.add_ReidServiceServicer_to_server(servicer, server)
            feedback_pb2_grpc.add_FeedbackServiceServicer_to_server(
                FeedbackServicer(feedback), server
            )
            score_fit_pb2_grpc.add_ScoreFitServiceServicer_to_server(
                ScoreFitServicer(running, fits), server
            )
            return SERVICES

        yield register


async def _indexes(
    config: ReidConfig,
    pool: Pool,
    models: Sequence[EmbedderModel],
    stack: contextlib.AsyncExitStack,
) -> dict[ModelId, VectorIndex]:
    """Return the search index of each model."""
    choice = choose_index(
        config.faiss_index,
        config.faiss_device,
        may_fall_back=config.device.fallback is Fallback.CPU,
    )
    return {
        one.model_id: await stack.enter_async_context(
            FaissIndex(pool, one.model_id, one.dimensions, choice)
        )
        for one in models
    }


async def prepare(config: ReidConfig) -> None:
    """Bring the tables up to date, waiting while PostgreSQL is away."""
    await migrate(config.postgres_dsn, SCHEMA, VERSIONS)


async def run(config: ReidConfig) -> None:
    """Serve until told to stop."""
    drain = DrainSignal(
        grace_s=config.server.drain_grace_s, max_stream_age_s=config.max_stream_age_s
    )
    report = DeviceReport(MODEL_DEVICE)
    embedders = load_embedders(config, report)
    async with wired(config, embedders, drain) as register:
        serving = serve(
            config.server,
            register,
            drain,
            ready=lambda: asyncio.ensure_future(prepare(config)),
        )
        await report.guard(serving)


def _make_writer(
    config: ReidConfig,
    pool: Pool,
    portraits: PortraitKeeper,
    indexes: Mapping[ModelId, VectorIndex],
    sampler: ScoreSampler,
    lease: Lease,
    model: AppearanceModel,
) -> TimelineWriter:
    """Return the writer of a timeline."""
    store = TimelineTable(pool, model.model_id, AssociationConfig(), event_to_bytes)
    return TimelineWriter(
        lease,
        store,
        portraits,
        answer_to_bytes,
        CommandTable(pool, model.model_id),
        partial(sampler.offer, lease.environment_id, model.model_id),
        Recollection(
            lease,
            PostgresArchive(pool, indexes[model.model_id], model),
            patience_s=_RECALL_PATIENCE_S,
        ),
        store_patience_s=config.store_patience_s,
    )


async def _cancelled(task: "asyncio.Task[None]") -> None:
    """Stop a background task, even if a library swallows a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1.0)
