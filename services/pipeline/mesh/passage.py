"""One passage through the sources of a session, from one seek to the next."""

import asyncio
import math
import time
from collections.abc import Iterable, Mapping

import structlog

from services.common.errors import SpotOnError
from services.common.ids import CameraId
from services.pipeline.adapters.file_source import FileSource
from services.pipeline.domain.frame_sets import (
    FrameSet,
    FrameSetClock,
    FrameSetJoiner,
    calm_anchor_ns,
    interval_of_rate_ns,
)
from services.pipeline.domain.frames import SourceInfo, SourcePosition
from services.pipeline.domain.progress import DropReason
from services.pipeline.domain.running import FrameSetCommit, SessionCommits
from services.pipeline.mesh.association import Associator, IdentifiedSet
from services.pipeline.mesh.books import SessionBooks
from services.pipeline.mesh.camera_lane import CameraLane, LaneTools
from services.pipeline.mesh.cameras import CameraPlan
from services.pipeline.mesh.preview_board import SessionShow
from services.pipeline.mesh.publishing import tracking_payload
from services.pipeline.mesh.seen import SeenFrame
from spoton.common.v1 import geometry_pb2

_LEAST_FRAMES_IN_FLIGHT = 8
_SETS_IN_FLIGHT = 3
_IDENTIFIED_AHEAD = 2

_log = structlog.get_logger(__name__)


class Passage:
    """Carries every camera's frames to commits, each frame set in its turn.

    Cameras run beside each other; their frames meet in the joiner; frame sets are
    associated one after the other, while the one before is being committed.
    """

    def __init__(
        self,
        plans: Iterable[CameraPlan],
        books: SessionBooks,
        tools: LaneTools,
        commits: SessionCommits,
        show: SessionShow,
    ) -> None:
        self._plans = [plan for plan in plans if plan.recording is not None]
        self._books = books
        self._tools = tools
        self._commits = commits
        self._show = show
        self._lanes: dict[CameraId, CameraLane] = {}
        self._associator = Associator(tools, self._lanes)
        self._joined: asyncio.Queue[FrameSet[SeenFrame] | None] = asyncio.Queue()
        self._identified: asyncio.Queue[IdentifiedSet | None] = asyncio.Queue(
            _IDENTIFIED_AHEAD
        )
        self._moved = asyncio.Condition()
        self._joiner: FrameSetJoiner[SeenFrame]

    async def open(self) -> None:
        """Open every source; one that cannot be opened is noted and left out."""
        opened: list[tuple[CameraPlan, FileSource, SourceInfo]] = []
        for plan in self._plans:
            assert plan.recording is not None  # noqa: S101 - chosen by __init__.
            source = FileSource(plan.recording)
            try:
                info = await source.open(self._books.read_from(plan.camera_id))
            except SpotOnError as error:
                await source.close()
                self._fail(plan.camera_id, error)
            else:
                opened.append((plan, source, info))
        infos = {plan.camera_id: info for plan, _, info in opened}
        if not infos:
            return
        clock = self._books.clock or self._first_clock(infos)
        self._books.clock = clock
        self._joiner = FrameSetJoiner(clock, list(infos))
        for plan, source, info in opened:
            self._lanes[plan.camera_id] = self._lane(plan, source, info, clock)

    async def run(self) -> None:
        """Return when every source is at its end and every frame set is committed.

        Raises:
            LeaseLost: Another owner has the session.
            SpotOnError: A service refused for good.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._associate_all())
                group.create_task(self._commit_all())
                async with asyncio.TaskGroup() as lanes:
                    for camera_id, lane in self._lanes.items():
                        lanes.create_task(self._run_lane(camera_id, lane))
                self._joined.put_nowait(None)
        except BaseExceptionGroup as errors:
            raise _first_of(errors) from errors

    async def settled(self) -> None:
        """Wait until nothing moves that could; for a pacer that holds frames back."""
        async with self._moved:
            await self._moved.wait_for(self._is_settled)

    async def close(self) -> None:
        """End the streams and close the sources."""
        lanes = [lane.close() for lane in self._lanes.values()]
        await asyncio.gather(self._associator.close(), *lanes)

    def _is_settled(self) -> bool:
        """Return whether every frame in flight waits for frames not yet let in."""
        counts = self._books.ledger.snapshot()
        in_flight = sum(count.in_flight for count in counts)
        return not self._lanes or in_flight == self._joiner.pending()

    def _first_clock(self, infos: Mapping[CameraId, SourceInfo]) -> FrameSetClock:
        request = self._tools.lease.session.request
        fastest_hz = max(info.rate_hz for info in infos.values())
        interval_ns = interval_of_rate_ns(request.frame_set_rate_hz or fastest_hz)
        first_ns = [info.first_capture_time_ns for info in infos.values()]
        return FrameSetClock(calm_anchor_ns(first_ns, interval_ns), interval_ns, 1)

    def _lane(
        self,
        plan: CameraPlan,
        source: FileSource,
        info: SourceInfo,
        clock: FrameSetClock,
    ) -> CameraLane:
        books = self._books
        ledger = books.ledger[plan.camera_id]
        ledger.container_frames = info.container_frames
        frames_per_set = math.ceil(info.rate_hz * clock.interval_ns / 1e9)
        return CameraLane(
            plan,
            source,
            geometry_pb2.ImageSize(width=info.width, height=info.height),
            self._tools,
            books.memories[plan.camera_id],
            ledger,
            books.stages[plan.camera_id],
            most_frames=max(_LEAST_FRAMES_IN_FLIGHT, _SETS_IN_FLIGHT * frames_per_set),
        )

    async def _run_lane(self, camera_id: CameraId, lane: CameraLane) -> None:
        await lane.run(self._deliver, self._refuse)
        if lane.error is None:
            self._books.at_end.add(camera_id)
        else:
            self._fail(camera_id, lane.error)
        self._joiner.end(camera_id)
        await self._join()

    def _fail(self, camera_id: CameraId, error: SpotOnError) -> None:
        """Note that a camera cannot be read further; the others go on."""
        self._books.errors[camera_id] = error
        _log.error("camera failed", camera_id=camera_id, cause=str(error))

    async def _deliver(self, seen: SeenFrame) -> None:
        """Put a frame into its set."""
        frame = seen.frame
        in_time = self._joiner.add(
            frame.camera_id, frame.capture_time_ns, seen, time.monotonic()
        )
        if not in_time:
            self._books.late_frames += 1
            self._drop(seen, DropReason.LATE)
        await self._join()

    async def _refuse(self, seen: SeenFrame) -> None:
        """Give up a frame that a service could not use."""
        self._drop(seen, DropReason.REFUSED)
        await self._notify()

    def _drop(self, seen: SeenFrame, reason: DropReason) -> None:
        self._books.ledger[seen.camera_id].drop(seen.frame.frame_index, reason)
        self._lanes[seen.camera_id].release(1)

    async def _join(self) -> None:
        """Hand on the sets that are complete."""
        for frame_set in self._joiner.ready(time.monotonic()):
            self._joined.put_nowait(frame_set)
        await self._notify()

    async def _notify(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _associate_all(self) -> None:
        """Find the persons of each set, in order."""
        while (frame_set := await self._joined.get()) is not None:
            begin_s = time.perf_counter()
            identified = await self._associator.identify(frame_set)
            for camera_id in frame_set.items:
                self._books.stages[camera_id].add("associate", begin_s)
            await self._identified.put(identified)
        await self._identified.put(None)

    async def _commit_all(self) -> None:
        """Publish each set, in order, with the state that it leads to."""
        while (identified := await self._identified.get()) is not None:
            begin_s = time.perf_counter()
            frame_set = identified.frame_set
            self._book(frame_set)
            await self._commits.commit(
                FrameSetCommit(
                    frame_set.number,
                    tracking_payload(self._tools.lease.session, identified),
                    self._books.state_of(frame_set.items),
                )
            )
            self._show.show(identified)
            for camera_id, items in frame_set.items.items():
                self._books.stages[camera_id].add("commit", begin_s)
                self._lanes[camera_id].release(len(items))
            newest_s = max(items[-1].begin_s for items in frame_set.items.values())
            self._books.end_to_end.add(time.perf_counter() - newest_s)
            await self._notify()

    def _book(self, frame_set: FrameSet[SeenFrame]) -> None:
        """Count the frames of a set as processed."""
        for camera_id, items in frame_set.items.items():
            for seen in items:
                result = self._lanes[camera_id].result_of(seen)
                self._books.ledger[camera_id].process(seen.frame.frame_index, result)
            frame = items[-1].frame
            self._books.advance(
                camera_id, SourcePosition(frame.frame_index, frame.capture_time_ns)
            )
        self._books.frame_set = frame_set.number
        self._books.frame_sets += 1


def _first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error in a group, however deep it lies."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
