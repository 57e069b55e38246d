"""All services in one process, carrying frames between them by plain calls.

Run as `python -m tests.bench.one_process [--null-model]`. It is wired by the services'
own bootstraps and configured by the same variables. gRPC is there only for whoever
creates sessions: what the pipeline asks of the other services goes through
`local_calls`.
"""

import asyncio
import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor

import uvloop
from grpc import aio

import services.detector.bootstrap as detector
import services.pipeline.bootstrap as pipeline
import services.reid.bootstrap as reid
import services.tracker.bootstrap as tracker
from services.common.device_watch import DeviceReport
from services.common.drain import DrainSignal
from services.common.environ import Environ
from services.common.grpc_server import Register, serve
from services.common.log import configure_logging
from services.common.postgres import migrate
from services.detector.config import load_config as load_detector_config
from services.detector.observe import DEVICE
from services.mapper.bootstrap import open_mapper
from services.mapper.config import config_from_environ as load_mapper_config
from services.pipeline.config import load_config as load_pipeline_config
from services.pipeline.domain.lease import Lease
from services.pipeline.domain.running import SessionCommits
from services.pipeline.mesh.peers import Peers
from services.reid.config import load_config as load_reid_config
from services.reid.observe import MODEL_DEVICE
from services.tracker.config import config_from_environ as load_tracker_config
from tests.bench.local_calls import LocalServer
from tests.bench.null_detector import NullDetector
from tests.bench.observed_pipeline import ObservedRunner

NULL_MODEL = "--null-model"


async def run(*, null_model: bool) -> None:
    """Serve until told to stop."""
    detector_config = load_detector_config()
    reid_config = load_reid_config()
    tracker_config = load_tracker_config(Environ("SPOTON_TRACKER_"))
    mapper_config = load_mapper_config(Environ("SPOTON_MAPPER_"))
    config = load_pipeline_config(Environ("SPOTON_PIPELINE_"))
    drain = DrainSignal(grace_s=config.server.drain_grace_s)
    models = (
        [NullDetector(detector_config.input_size)]
        if null_model
        else detector.load_detectors(detector_config, DeviceReport(DEVICE))
    )
    embedders = reid.load_embedders(reid_config, DeviceReport(MODEL_DEVICE))
    async with contextlib.AsyncExitStack() as stack:
        threads = stack.enter_context(
            ThreadPoolExecutor(config.pixel_threads, "pixels")
        )
        enter = stack.enter_async_context
        mapper = await enter(open_mapper(mapper_config.postgres_dsn, drain))
        services: list[Register] = [
            await enter(detector.wired(detector_config, models, drain)),
            await enter(reid.wired(reid_config, embedders, drain)),
            tracker.build(tracker_config, drain),
            mapper.register,
        ]
        peers = local_peers(services)

        def open_runner(lease: Lease, commits: SessionCommits) -> ObservedRunner:
            return ObservedRunner(lease, commits, peers, config.media, threads)

        add_pipeline, supervisor = await enter(
            pipeline.wired(config, open_runner, drain)
        )

        def register(server: aio.Server) -> list[str]:
            return [name for add in (add_pipeline, *services) for name in add(server)]

        async def prepare() -> None:
            await mapper.ready
            await reid.prepare(reid_config)
            await migrate(config.postgres_dsn, pipeline.SCHEMA, pipeline.VERSIONS)

        tasks = await enter(asyncio.TaskGroup())
        prepared = tasks.create_task(prepare())

        async def own() -> None:
            await asyncio.wait([prepared])
            await supervisor.run(drain)

        tasks.create_task(own())
        await serve(config.server, register, drain, ready=lambda: prepared)


def local_peers(services: list[Register]) -> Peers:
    """Return what calls services of this process."""
    local = LocalServer()
    for add in services:
        add(local)  # type: ignore[arg-type]
    return Peers(
        local.stub("spoton.detector.v1.DetectorService"),
        local.stub("spoton.reid.v1.ReidService"),
        local.stub("spoton.tracker.v1.TrackerService"),
        local.stub("spoton.mapper.v1.MapperService"),
    )


if __name__ == "__main__":
    configure_logging("one-process")
    uvloop.run(run(null_model=NULL_MODEL in sys.argv))
