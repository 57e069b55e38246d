"""Play a recording through the services, and note what is published."""

import asyncio
import math
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from time import perf_counter
from typing import cast

from services.common.ids import CameraId, EnvironmentId, SessionId, TimelineId
from services.pipeline.domain.frame_sets import (
    FrameSet,
    FrameSetClock,
    FrameSetJoiner,
    calm_anchor_ns,
    interval_of_rate_ns,
)
from services.pipeline.domain.lease import Lease
from services.pipeline.domain.pacing import Pacer
from services.pipeline.domain.session import Session, SessionRequest
from services.pipeline.mesh.association import Associator, IdentifiedSet
from services.pipeline.mesh.camera_lane import CameraLane, LaneTools
from services.pipeline.mesh.models import Models
from services.pipeline.mesh.peers import Peers
from services.pipeline.mesh.publishing import tracking_payload
from services.pipeline.mesh.seen import SeenFrame
from spoton.common.v1 import events_pb2
from spoton.detector.v1 import detector_pb2
from spoton.reid.v1 import reid_pb2
from tests.accuracy.identity.evidence import Mode
from tests.accuracy.identity.lanes import RecordedLane
from tests.accuracy.identity.notes import Notes
from tests.accuracy.identity.published import Published
from tests.accuracy.identity.recording import Recording
from tests.accuracy.identity.vector_models import model_of

_AHEAD = 8
"""Frames of a camera that may be between its tracker and the association."""


async def play(
    recording: Recording,
    peers: Peers,
    mode: Mode,
    *,
    environment_id: EnvironmentId,
    session: str,
    tracker: str = "",
) -> Published:
    """Run one session over a recording and return what it published.

    Args:
        recording: What the cameras saw.
        peers: Tracker, mapper and reid; the environment is in the mapper.
        mode: Evidence that may decide.
        environment_id: Environment with the recording's cameras.
        session: Name of the session and of its timeline; new for every run.
        tracker: Tracker to follow people with; empty for the service's default.

    Raises:
        SpotOnError: A service refused.
    """
    begin_s = perf_counter()
    with ThreadPoolExecutor(1, "pixels") as threads:
        tools = _tools(
            recording, peers, mode, environment_id, session, tracker, threads
        )
        notes, asked = await _played(recording, tools)
    return notes.published(
        frames={name: len(frames) for name, frames in recording.frames.items()},
        embeddings=asked,
        wall_s=perf_counter() - begin_s,
    )


def _tools(
    recording: Recording,
    peers: Peers,
    mode: Mode,
    environment_id: EnvironmentId,
    session: str,
    tracker: str,
    threads: Executor,
) -> LaneTools:
    """Return what the pipeline's own parts want to know about a session."""
    request = SessionRequest(
        environment_id=environment_id,
        camera_ids=tuple(sorted(camera.camera_id for camera in recording.cameras)),
        recordings=True,
        evidence=mode.evidence,
    )
    owned = Session(SessionId(session), TimelineId(session), request, epoch=1)
    models = Models(
        detector_pb2.DetectorModel(
            thresholds=detector_pb2.Thresholds(
                high_score=recording.high_score, low_score=recording.low_score
            )
        ),
        reid_pb2.EmbedderModel(model_id=model_of(recording).model_id),
        tracker,
    )
    return LaneTools(peers, models, Lease(owned, "evaluation", 1), Pacer(None), threads)


async def _played(recording: Recording, tools: LaneTools) -> tuple[Notes, int]:
    """Carry all frames to their frame sets, and each set to its persons."""
    lanes = {
        camera.camera_id: RecordedLane(camera, tools) for camera in recording.cameras
    }
    # The association asks a lane for vectors and for nothing else.
    associator = Associator(tools, cast("Mapping[CameraId, CameraLane]", lanes))
    passage = _Passage(recording, lanes, associator, tools)
    try:
        notes = await passage.run()
    finally:
        await asyncio.gather(
            associator.close(), *(lane.close() for lane in lanes.values())
        )
    return notes, sum(lane.asked for lane in lanes.values())


class _Passage:
    """Cameras run beside each other, and meet in frame sets."""

    def __init__(
        self,
        recording: Recording,
        lanes: Mapping[CameraId, RecordedLane],
        associator: Associator,
        tools: LaneTools,
    ) -> None:
        self._recording = recording
        self._lanes = lanes
        self._associator = associator
        self._session = tools.lease.session
        clock = _clock(recording)
        self._joiner: FrameSetJoiner[SeenFrame] = FrameSetJoiner(clock, list(lanes))
        self._joined: asyncio.Queue[FrameSet[SeenFrame] | None] = asyncio.Queue()
        per_set = math.ceil(recording.rate_hz * clock.interval_ns / 1e9)
        self._credit = {
            name: asyncio.Semaphore(max(_AHEAD, 3 * per_set)) for name in lanes
        }
        self._notes = Notes()

    async def run(self) -> Notes:
        """Return what was published."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._associate())
            async with asyncio.TaskGroup() as cameras:
                for camera_id in self._lanes:
                    cameras.create_task(self._look(camera_id))
            self._joined.put_nowait(None)
        return self._notes

    async def _look(self, camera_id: CameraId) -> None:
        for recorded in self._recording.frames[camera_id]:
            await self._credit[camera_id].acquire()
            seen = await self._lanes[camera_id].look(recorded)
            if not self._joiner.add(camera_id, recorded.time_ns, seen):
                raise RuntimeError(f"frame {recorded.number} came after its set")
            self._hand_on()
        self._joiner.end(camera_id)
        self._hand_on()

    def _hand_on(self) -> None:
        for frame_set in self._joiner.ready():
            self._joined.put_nowait(frame_set)

    async def _associate(self) -> None:
        while (frame_set := await self._joined.get()) is not None:
            begin_s = perf_counter()
            identified = await self._associator.identify(frame_set)
            self._notes.associate_s.append(perf_counter() - begin_s)
            self._note(identified)
            for camera_id, items in frame_set.items.items():
                self._lanes[camera_id].done_with(items)
                for _ in items:
                    self._credit[camera_id].release()

    def _note(self, identified: IdentifiedSet) -> None:
        """Write down what is published about one frame set."""
        payload = tracking_payload(self._session, identified)
        self._notes.add(events_pb2.EnvironmentEvent.FromString(payload).tracking)
        for event in identified.result.events:
            self._notes.add_change(event)


def _clock(recording: Recording) -> FrameSetClock:
    """Return how time is cut into frame sets, as the pipeline does it."""
    interval_ns = interval_of_rate_ns(recording.rate_hz)
    first_ns = [frames[0].time_ns for frames in recording.frames.values() if frames]
    return FrameSetClock(calm_anchor_ns(first_ns, interval_ns), interval_ns, 1)
