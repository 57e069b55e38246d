"""One camera's way through the mesh: decode, detect, track, project."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field

import structlog

from services.common.errors import NotReady, SpotOnError
from services.common.ids import TrackId
from services.common.item_stream import ItemStream, StatelessDialect
from services.common.tracing import record_span
from services.pipeline.adapters.file_source import FileSource
from services.pipeline.domain.accounting import CameraLedger, FrameResult
from services.pipeline.domain.frames import Frame
from services.pipeline.domain.lag import FrameLag
from services.pipeline.domain.latency import LatencyWindow
from services.pipeline.domain.lease import Lease
from services.pipeline.domain.pacing import Pacer
from services.pipeline.domain.progress import Latency
from services.pipeline.mesh.asking import ask_patiently
from services.pipeline.mesh.cameras import CameraPlan
from services.pipeline.mesh.crops import CropEmbedder
from services.pipeline.mesh.detection import FrameDetector
from services.pipeline.mesh.dialects import TrackDialect
from services.pipeline.mesh.models import Models
from services.pipeline.mesh.peers import Peers
from services.pipeline.mesh.seen import SeenFrame, frame_ref
from services.pipeline.observe import STAGE_SECONDS
from spoton.common.v1 import geometry_pb2
from spoton.mapper.v1 import mapper_pb2
from spoton.tracker.v1 import tracker_pb2

STAGES = ("decode", "detect", "track", "embed", "project", "associate", "commit")

_STAGE_SECONDS = {stage: STAGE_SECONDS.labels(stage) for stage in STAGES}

TakeFrame = Callable[[SeenFrame], Awaitable[None]]
"""Takes over a frame that the lane is done with."""

_Detection = asyncio.Task[SpotOnError | None]
_Detected = tuple[SeenFrame, _Detection]

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class CameraMemory:
    """What a camera's lane leaves to the next one, after a seek or a failover.

    Attributes:
        checkpoint: Newest state of the tracker; empty if there is none.
        confirmed: Tracks that were counted as confirmed and have not ended.
        last_track_id: Largest track number used so far.
    """

    checkpoint: bytes = b""
    confirmed: set[TrackId] = field(default_factory=set)
    last_track_id: int = 0


class StageClock:
    """Where one camera's frames spend their time.

    Attributes:
        lag: How far behind the camera is.
    """

    def __init__(self) -> None:
        self.lag = FrameLag()
        self._windows = {stage: LatencyWindow() for stage in STAGES}

    def add(self, stage: str, begin_s: float) -> None:
        """Count what began at `begin_s`, monotonic seconds, as done now."""
        self.add_duration(stage, time.perf_counter() - begin_s)

    def add_duration(self, stage: str, duration_s: float) -> None:
        """Count a duration, seconds."""
        self._windows[stage].add(duration_s)
        _STAGE_SECONDS[stage].observe(duration_s)

    def summaries(self) -> dict[str, Latency]:
        """Return the distribution of every stage that was measured."""
        summaries = {name: window.summary() for name, window in self._windows.items()}
        return {name: latency for name, latency in summaries.items() if latency.count}


@dataclass(frozen=True, slots=True)
class LaneTools:
    """What all lanes of a session share.

    Attributes:
        peers: The services.
        models: What their models want.
        lease: The session.
        pacer: Says when a frame's time has come.
        threads: For work on pixels.
    """

    peers: Peers
    models: Models
    lease: Lease
    pacer: Pacer
    threads: Executor


class CameraLane:
    """Takes one camera's frames through the services that look at one camera.

    Frames are detected several at a time, and tracked in their order. At most
    `most_frames` are between decoding and `release`.
    """

    def __init__(
        self,
        plan: CameraPlan,
        source: FileSource,
        frame_size: geometry_pb2.ImageSize,
        tools: LaneTools,
        memory: CameraMemory,
        ledger: CameraLedger,
        clock: StageClock,
        *,
        most_frames: int,
    ) -> None:
        lease, peers = tools.lease, tools.peers
        name = f"{lease.session.session_id}/{plan.camera_id}"
        self.memory = memory
        self.error: SpotOnError | None = None
        self.embedder = CropEmbedder(
            peers.reid, tools.models.embedder, name, tools.threads
        )
        self._source = source
        self._tools = tools
        self._ledger = ledger
        self._clock = clock
        self._credit = asyncio.Semaphore(most_frames)
        self._detector = FrameDetector(
            peers.detector, tools.models.detector, plan.masks, name, tools.threads
        )
        dialect = TrackDialect(
            lease,
            plan.camera_id,
            frame_size,
            tools.models,
            memory.checkpoint,
            memory.last_track_id + 1,
        )
        self._tracker: ItemStream[
            tracker_pb2.TrackRequest, tracker_pb2.TrackResponse
        ] = ItemStream(peers.tracker.Track, dialect, name=f"track {name}")
        self._projector: ItemStream[
            mapper_pb2.ProjectRequest, mapper_pb2.ProjectResponse
        ] = ItemStream(peers.mapper.Project, StatelessDialect(), name=f"project {name}")

    async def run(self, deliver: TakeFrame, refuse: TakeFrame) -> None:
        """Take frames through the services, in order, until there are no more.

        A source that cannot be read on ends the lane, and `error` tells why.

        Args:
            deliver: Takes each frame that went through all stages.
            refuse: Takes each frame that a service could not use.

        Raises:
            ExceptionGroup: A stream ended for good.
        """
        queue: asyncio.Queue[_Detected | None] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._detect_all(queue, group))
            while (detected := await queue.get()) is not None:
                seen, detection = detected
                whole = await self._look(seen, detection)
                await (deliver if whole else refuse)(seen)

    def release(self, frames: int) -> None:
        """Let as many more frames in."""
        for _ in range(frames):
            self._credit.release()

    async def close(self) -> None:
        """End the streams and close the source."""
        await self._source.close()
        await asyncio.gather(
            self._detector.close(),
            self.embedder.close(),
            self._tracker.close(),
            self._projector.close(),
        )

    async def _detect_all(
        self,
        queue: "asyncio.Queue[_Detected | None]",
        group: asyncio.TaskGroup,
    ) -> None:
        """Begin to detect each frame when its time has come."""
        async for frame in self._due_frames():
            begin_s = time.perf_counter()
            self._ledger.receive(
                frame.frame_index,
                skipped_before=frame.skipped_before,
                lost_before=frame.lost_before,
            )
            self._clock.add_duration("decode", frame.decode_s)
            self._clock.lag.begin(
                frame.frame_index, self._tools.pacer.late_s(frame.capture_time_ns)
            )
            session_id = self._tools.lease.session.session_id
            seen = SeenFrame(frame, frame_ref(frame, session_id), begin_s)
            record_span("decode", seen.ref.traceparent, begin_s - frame.decode_s)
            detection = group.create_task(self._detect(seen))
            queue.put_nowait((seen, detection))
        queue.put_nowait(None)

    async def _due_frames(self) -> AsyncIterator[Frame]:
        """Yield frames as credit and pace allow."""
        try:
            async for frame in self._source.frames():
                await self._credit.acquire()
                await self._tools.pacer.wait_until(frame.capture_time_ns)
                yield frame
        except SpotOnError as error:
            self.error = error
        if self._source.end is not None:
            self._ledger.end(self._source.end)

    async def _detect(self, seen: SeenFrame) -> SpotOnError | None:
        """Complete `seen.detections`; return why that failed, for its turn to come."""
        begin_s = time.perf_counter()
        try:
            await self._detector.detect(seen)
        except SpotOnError as error:
            return error
        self._passed("detect", seen, begin_s)
        return None

    async def _look(self, seen: SeenFrame, detection: _Detection) -> bool:
        """Track and project a frame once it is detected; return whether it is whole."""
        try:
            if error := await detection:
                raise error
            await self._track(seen)
            await self._project(seen)
        except SpotOnError as error:
            if self._detector.failed or self._tracker.failed or self._projector.failed:
                raise
            _log.warning("frame refused", cause=str(error), **_names(seen))
            return False
        return True

    async def _track(self, seen: SeenFrame) -> None:
        """Complete `seen.result`, with vectors where the tracker asks for them."""
        begin_s = time.perf_counter()

        async def embed(answer: tracker_pb2.TrackResponse) -> tracker_pb2.TrackRequest:
            wanted = answer.embeddings_wanted.detection_indices
            await self.embed(seen, wanted)
            vectors = [
                tracker_pb2.DetectionEmbedding(
                    detection_index=index, embedding=seen.embeddings[index]
                )
                for index in wanted
                if index in seen.embeddings
            ]
            return tracker_pb2.TrackRequest(
                embeddings=tracker_pb2.TrackEmbeddings(
                    frame=seen.ref, embeddings=vectors
                )
            )

        request = tracker_pb2.TrackRequest(
            frame=tracker_pb2.TrackFrame(frame=seen.ref, detections=seen.detections)
        )
        answer = await ask_patiently(self._tracker, request, embed)
        seen.result = answer.result
        self._passed("track", seen, begin_s)

    async def embed(self, seen: SeenFrame, detection_indices: Iterable[int]) -> None:
        """Complete `seen.embeddings` for some detections."""
        begin_s = time.perf_counter()
        await self.embedder.embed(seen, detection_indices)
        self._passed("embed", seen, begin_s)

    async def _project(self, seen: SeenFrame) -> None:
        """Complete `seen.points`; a camera without calibration has none."""
        if not seen.result.tracks:
            return
        begin_s = time.perf_counter()
        environment_id = self._tools.lease.session.request.environment_id
        request = mapper_pb2.ProjectRequest(
            frame=seen.ref,
            foot_points=[track.foot_point for track in seen.result.tracks],
            environment_id=environment_id,
        )
        try:
            answer = await ask_patiently(self._projector, request)
        except NotReady:
            return
        seen.points = answer.result.points
        self._passed("project", seen, begin_s)

    def _passed(self, stage: str, seen: SeenFrame, begin_s: float) -> None:
        """Count and trace a stage that a frame has behind it."""
        self._clock.add(stage, begin_s)
        record_span(stage, seen.ref.traceparent, begin_s)

    def result_of(self, seen: SeenFrame) -> FrameResult:
        """Return what a frame adds to the counts, and remember its tracks."""
        memory = self.memory
        confirmed = {
            TrackId(track.track_id)
            for track in seen.result.tracks
            if track.state == tracker_pb2.TRACK_STATE_CONFIRMED
        }
        new = confirmed - memory.confirmed
        memory.confirmed |= new
        memory.confirmed -= {TrackId(n) for n in seen.result.ended_track_ids}
        memory.checkpoint = seen.result.checkpoint
        numbers = (track.track_id for track in seen.result.tracks)
        memory.last_track_id = max(memory.last_track_id, *numbers, 0)
        return FrameResult(
            detections=len(seen.detections),
            strong_detections=self._detector.count_strong(seen),
            tracks=len(new),
            embeddings=len(seen.embeddings),
        )


def _names(seen: SeenFrame) -> dict[str, object]:
    return {
        "session_id": seen.ref.session_id,
        "camera_id": seen.camera_id,
        "frame_index": seen.frame.frame_index,
        "trace_id": seen.ref.traceparent[3:35],
    }
