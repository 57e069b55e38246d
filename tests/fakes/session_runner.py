"""A runner that commits numbered frame sets of nothing."""

import asyncio

from services.common.errors import SpotOnError
from services.common.event_log import event_payload
from services.pipeline.domain.lease import Lease
from services.pipeline.domain.progress import CameraProgress, SessionProgress
from services.pipeline.domain.running import (
    Commands,
    Ending,
    FrameSetCommit,
    Outcome,
    SessionChange,
    SessionCommits,
    SourceState,
)
from services.pipeline.domain.session import Mode
from spoton.common.v1 import events_pb2


class NumberingRunner:
    """Commits frame sets `0` to `last`, one for each permit that it is given."""

    def __init__(self, lease: Lease, commits: SessionCommits, last: int) -> None:
        self.lease = lease
        self.commits = commits
        self.permits = asyncio.Semaphore(0)
        self.ended = asyncio.Event()
        self.failure: Exception | None = None
        self._last = last
        self._committed = commits.claimed.frame_set

    async def run(self, commands: Commands) -> Outcome:
        """Commit until the last frame set, or what is desired ends it."""
        try:
            return await self._run(commands)
        finally:
            self.ended.set()

    async def _run(self, commands: Commands) -> Outcome:
        applied = -1
        while self._committed != self._last:
            desired = commands.desired
            if desired.mode is Mode.STOPPED:
                commands.applied(desired)
                return Outcome(Ending.STOPPED)
            if commands.draining:
                return Outcome(Ending.DRAINED)
            if desired.revision > applied:
                if desired.mode is Mode.PAUSED:
                    await self.commits.record(SessionChange.PAUSED)
                commands.applied(desired)
                applied = desired.revision
            if desired.mode is Mode.PAUSED:
                await commands.changed(applied)
                continue
            await self._next_frame_set(commands, applied)
        return Outcome(Ending.COMPLETED)

    def snapshot(self) -> SessionProgress:
        """Return how many frame sets were committed."""
        count = 0 if self._committed is None else self._committed + 1
        names = self.lease.session.request.camera_ids
        cameras = tuple(CameraProgress(name, count, count) for name in names)
        return SessionProgress(cameras, frame_sets=count)

    async def _next_frame_set(self, commands: Commands, applied: int) -> None:
        """Commit once permitted; return early when a command comes first."""
        permit = asyncio.ensure_future(self.permits.acquire())
        command = asyncio.ensure_future(commands.changed(applied))
        try:
            await asyncio.wait((permit, command), return_when=asyncio.FIRST_COMPLETED)
            if not permit.done():
                return
        finally:
            permit.cancel()
            command.cancel()
        if self.failure is not None:
            raise self.failure
        number = 0 if self._committed is None else self._committed + 1
        await self.commits.commit(self._frame_set(number))
        self._committed = number

    def _frame_set(self, number: int) -> FrameSetCommit:
        session = self.lease.session
        tracking = events_pb2.TrackingUpdate(
            session_id=session.session_id,
            timeline_id=session.timeline_id,
            frame_set=number,
        )
        event = events_pb2.EnvironmentEvent(tracking=tracking)
        payload = event_payload(session.request.environment_id, event)
        return FrameSetCommit(number, payload, SourceState(ledger=str(number).encode()))


class Runners:
    """Makes runners and remembers them."""

    def __init__(self, *, last: int = 9, permits: int = 0) -> None:
        self.opened: list[NumberingRunner] = []
        self.refusal: SpotOnError | None = None
        self._last = last
        self._permits = permits

    def __call__(self, lease: Lease, commits: SessionCommits) -> NumberingRunner:
        """Return a runner that may commit as often as it was said."""
        runner = NumberingRunner(lease, commits, self._last)
        runner.failure = self.refusal
        for _ in range(self._permits):
            runner.permits.release()
        self.opened.append(runner)
        return runner
