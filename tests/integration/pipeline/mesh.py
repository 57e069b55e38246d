"""All services in the process of the test, and cameras that see one walking person."""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

from services.common.convert import ns_to_timestamp
from services.common.device_watch import DeviceReport
from services.common.drain import DrainSignal
from services.common.environ import Environ
from services.common.event_log import EventLog
from services.common.grpc_server import Register, running_server
from services.common.ids import EnvironmentId
from services.common.mesh.settings import open_loopback
from services.common.redis_client import open_redis
from services.detector import bootstrap as detector_bootstrap
from services.detector.config import load_config as load_detector_config
from services.detector.domain.detections import Detections
from services.detector.domain.geometry import Size
from services.detector.domain.tiles import RgbImage
from services.mapper.bootstrap import open_mapper
from services.pipeline.domain.lease import Lease
from services.pipeline.domain.running import SessionCommits
from services.pipeline.mesh.peers import PeerAddresses, Peers, open_peers
from services.pipeline.mesh.preview_board import PreviewBoard
from services.pipeline.mesh.runner import MeshRunner
from services.reid import bootstrap as reid_bootstrap
from services.reid.observe import MODEL_DEVICE
from services.tracker import bootstrap as tracker_bootstrap
from services.tracker.config import config_from_environ as load_tracker_config
from spoton.common.v1 import events_pb2, geometry_pb2
from spoton.mapper.v1 import environment_pb2, mapper_pb2
from spoton.pipeline.v1 import pipeline_pb2
from stack.ports import free_ports
from stack.stores.seaweedfs import S3Access
from tests.fakes.detector import FakeDetector
from tests.fakes.session_steps import Stub, until_session
from tests.integration.pipeline.running import pipeline_config, running_pipeline
from tests.integration.reid.conftest import service_config as reid_config

START_NS = 1_700_000_000_000_000_000
FRAMES = 30
RATE_HZ = 10
WIDTH_PX, HEIGHT_PX = 160, 120

_PERSON_PX = (20, 50)
_METRES_PER_PIXEL = 0.05
_ENDED = (
    pipeline_pb2.SESSION_STATE_COMPLETED,
    pipeline_pb2.SESSION_STATE_STOPPED,
    pipeline_pb2.SESSION_STATE_FAILED,
)


def write_walk(
    path: Path,
    frames: int = FRAMES,
    *,
    rate_hz: int = RATE_HZ,
    size_px: tuple[int, int] = (WIDTH_PX, HEIGHT_PX),
    container: str | None = None,
) -> Path:
    """Write a video in which a bright person walks 20 pixels a second to the right."""
    width, height = size_px
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream("mpeg4", rate=rate_hz, options={"g": "5"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            pixels = np.full((height, width, 3), 20, np.uint8)
            left, top = 10 + 20 * index // rate_hz, 40
            pixels[top : top + _PERSON_PX[1], left : left + _PERSON_PX[0]] = 230
            image = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            image.pts = index
            output.mux(stream.encode(image))
        output.mux(stream.encode(None))
    return path


def bright_person(pixels: RgbImage) -> Detections:
    """Find one certain person around all bright pixels."""
    y, x = np.nonzero(pixels.min(axis=2) > 127)
    if not len(x):
        return Detections.none()
    box = (x.min(), y.min(), x.max() + 1, y.max() + 1)
    return Detections(
        np.array([box], np.float32),
        np.array([0.9], np.float32),
        np.zeros((1, 0, 3), np.float32),
    )


@dataclass(frozen=True, slots=True)
class Mesh:
    """A running mesh with an environment of its own.

    Attributes:
        peers: Call the services that the pipeline calls.
        pipeline: Calls the pipeline.
        detector: What finds people; its gate can hold every frame.
        media: Folder of the recordings.
        environment_id: The environment; it has no cameras yet.
        addresses: Where the services are that the gateway calls, by name.
        redis_url: Where events are published.
    """

    peers: Peers
    pipeline: Stub
    detector: FakeDetector
    media: Path
    environment_id: str
    addresses: Mapping[str, str]
    redis_url: str = field(repr=False)

    async def add_camera(
        self,
        camera_id: str,
        path: Path | str,
        *,
        calibrated: bool = True,
        mask: Sequence[tuple[float, float]] = (),
    ) -> None:
        """Add a camera over a recording in the media folder."""
        camera = environment_pb2.Camera(
            environment_id=self.environment_id, camera_id=camera_id
        )
        camera.source.file.path = Path(path).name
        camera.source.file.start_time.CopyFrom(ns_to_timestamp(START_NS))
        if mask:
            corners = [geometry_pb2.ImagePoint(x=x, y=y) for x, y in mask]
            camera.ignore_masks.add(corners=corners)
        await self.peers.mapper.CreateCamera(
            mapper_pb2.CreateCameraRequest(camera=camera)
        )
        if calibrated:
            await self.calibrate(camera_id)

    async def calibrate(self, camera_id: str) -> None:
        """Say where a camera's pixels lie on the floor."""
        scale = _METRES_PER_PIXEL
        calibration = environment_pb2.Calibration(
            environment_id=self.environment_id,
            camera_id=camera_id,
            image_to_floor=[scale, 0, 0, 0, scale, 0, 0, 0, 1],
            image_size=geometry_pb2.ImageSize(width=WIDTH_PX, height=HEIGHT_PX),
        )
        await self.peers.mapper.CreateCalibration(
            mapper_pb2.CreateCalibrationRequest(calibration=calibration)
        )

    async def choose(self, perception: environment_pb2.Perception) -> None:
        """Let the environment choose its models and its tracker."""
        request = mapper_pb2.GetEnvironmentRequest(environment_id=self.environment_id)
        answer = await self.peers.mapper.GetEnvironment(request)
        answer.environment.perception.CopyFrom(perception)
        await self.peers.mapper.UpdateEnvironment(
            mapper_pb2.UpdateEnvironmentRequest(environment=answer.environment)
        )

    async def start(self, speed: float | None = None) -> pipeline_pb2.Session:
        """Start tracking with all cameras."""
        request = pipeline_pb2.CreateSessionRequest(
            environment_id=self.environment_id, pace=pipeline_pb2.Pace(speed=speed)
        )
        return (await self.pipeline.CreateSession(request)).session

    async def ended(self, session: pipeline_pb2.Session) -> pipeline_pb2.Session:
        """Return a session once it has ended."""
        return await until_session(self.pipeline, session, lambda s: s.state in _ENDED)

    async def events(self) -> list[events_pb2.EnvironmentEvent]:
        """Return everything that was published."""
        async with open_redis(self.redis_url) as redis:
            environment_id = EnvironmentId(self.environment_id)
            return list(await EventLog(redis).read(environment_id, 0, limit=1000))

    async def updates(self) -> list[events_pb2.TrackingUpdate]:
        """Return every frame set that was published."""
        events = await self.events()
        return [event.tracking for event in events if event.HasField("tracking")]


@asynccontextmanager
async def running_mesh(
    postgres_dsn: str, redis_url: str, s3: S3Access, media: Path
) -> AsyncIterator[Mesh]:
    """Run every service while the context is open."""
    detector = FakeDetector(bright_person, input_size=Size(WIDTH_PX, WIDTH_PX))
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        addresses = await enter(_peers(postgres_dsn, redis_url, s3, detector))
        peers = await enter(open_peers(addresses, open_loopback("pipeline")))
        threads = stack.enter_context(ThreadPoolExecutor(1))
        (port,) = free_ports(1)
        config = pipeline_config(
            postgres_dsn,
            redis_url,
            addresses,
            media=media,
            address=f"127.0.0.1:{port}",
        )

        previews = PreviewBoard()

        def open_runner(lease: Lease, commits: SessionCommits) -> MeshRunner:
            return MeshRunner(lease, commits, peers, config.media, threads, previews)

        pipeline = await enter(running_pipeline(config, open_runner, previews=previews))
        environment_id = f"plaza-{secrets.token_hex(4)}"
        environment = environment_pb2.Environment(environment_id=environment_id)
        await peers.mapper.CreateEnvironment(
            mapper_pb2.CreateEnvironmentRequest(environment=environment)
        )
        yield Mesh(
            peers,
            pipeline.stub,
            detector,
            media,
            environment_id,
            {
                "mapper": addresses.mapper,
                "reid": addresses.reid,
                "pipeline": pipeline.address,
            },
            redis_url,
        )


@asynccontextmanager
async def _peers(
    postgres_dsn: str, redis_url: str, s3: S3Access, detector: FakeDetector
) -> AsyncIterator[PeerAddresses]:
    """Run the four services that the pipeline calls."""
    async with AsyncExitStack() as stack:
        enter: Any = stack.enter_async_context

        async def address(register: Register) -> str:
            served: str = await enter(running_server(register))
            return served

        variables = {
            "SPOTON_DETECTOR_INPUT_SIZE": str(WIDTH_PX),
            "SPOTON_DETECTOR_TILE_COLUMNS": "1",
            "SPOTON_DETECTOR_TILE_ROWS": "1",
        }
        detecting = detector_bootstrap.wired(
            load_detector_config(variables), [detector], DrainSignal()
        )
        config = reid_config(postgres_dsn, redis_url, s3)
        await reid_bootstrap.prepare(config)
        embedders = reid_bootstrap.load_embedders(config, DeviceReport(MODEL_DEVICE))
        recognising = reid_bootstrap.wired(config, embedders, DrainSignal())
        tracker_config = load_tracker_config(Environ("SPOTON_TRACKER_", {}))
        mapper = await enter(open_mapper(postgres_dsn, DrainSignal()))
        await mapper.ready
        yield PeerAddresses(
            detector=await address(await enter(detecting)),
            reid=await address(await enter(recognising)),
            tracker=await address(
                tracker_bootstrap.build(tracker_config, DrainSignal())
            ),
            mapper=await address(mapper.register),
        )
