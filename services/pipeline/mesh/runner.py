"""Run one session: passage after passage, as its commands want."""

import asyncio
from concurrent.futures import Executor

from services.common.errors import NotReady
from services.common.tasks import end_tasks
from services.pipeline.domain.lease import Lease
from services.pipeline.domain.pacing import Pacer
from services.pipeline.domain.progress import DropReason, SessionProgress
from services.pipeline.domain.running import (
    Commands,
    Ending,
    Outcome,
    SessionChange,
    SessionCommits,
)
from services.pipeline.domain.session import Desired, Mode, Seek
from services.pipeline.mesh.books import SessionBooks
from services.pipeline.mesh.camera_lane import LaneTools
from services.pipeline.mesh.cameras import CameraPlan, MediaFolder, plan_cameras
from services.pipeline.mesh.models import find_models
from services.pipeline.mesh.passage import Passage
from services.pipeline.mesh.peers import Peers
from services.pipeline.mesh.preview_board import PreviewBoard, SessionShow


class MeshRunner:
    """Carries the frames of one session through the mesh; see SessionRunner."""

    def __init__(
        self,
        lease: Lease,
        commits: SessionCommits,
        peers: Peers,
        media: MediaFolder,
        threads: Executor,
        previews: PreviewBoard | None = None,
    ) -> None:
        """Prepare to go on from what was committed.

        Args:
            lease: The session.
            commits: Where to publish, and what was published.
            peers: The services.
            media: Where recordings lie.
            threads: For work on pixels.
            previews: Where frames are shown; None shows them to nobody.
        """
        self._lease = lease
        self._commits = commits
        self._peers = peers
        self._media = media
        self._threads = threads
        self._previews = previews or PreviewBoard()
        self._books = SessionBooks(lease.session, commits.claimed)
        self._applied_revision = commits.claimed.applied_revision
        self._pace = lease.session.desired.pace
        self._pacer = Pacer(self._pace.speed)
        self._paused = False

    def snapshot(self) -> SessionProgress:
        """Return the progress of this moment."""
        return self._books.progress()

    async def run(self, commands: Commands) -> Outcome:
        """Run until every source is at its end, or a command or an error ends it.

        Raises:
            LeaseLost: Another owner has the session.
            Unavailable: A peer stayed away; the session is tried again.
            SpotOnError: The session cannot go on and has failed.
        """
        plans = await plan_cameras(self._peers, self._lease.session, self._media)
        tools = LaneTools(
            self._peers,
            await find_models(self._peers, self._lease.session.request.perception),
            self._lease,
            self._pacer,
            self._threads,
        )
        if seek := self._due_seek(commands.desired):
            await self._seek(seek)
        with self._previews.showing(self._lease.session) as show:
            while True:
                ended = await self._pass(plans, tools, commands, show)
                if isinstance(ended, Outcome):
                    return ended
                await self._seek(ended)

    async def _pass(
        self,
        plans: list[CameraPlan],
        tools: LaneTools,
        commands: Commands,
        show: SessionShow,
    ) -> Outcome | Seek:
        """Make one passage; return how it ended, or where to go on from."""
        for plan in plans:
            if plan.error is not None:
                self._books.errors[plan.camera_id] = plan.error
        passage = Passage(plans, self._books, tools, self._commits, show)
        tasks: list[asyncio.Task[Outcome | Seek]] = []
        try:
            await passage.open()
            tasks = [
                asyncio.create_task(self._finish(passage)),
                asyncio.create_task(self._follow(passage, commands)),
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ended = next(task for task in tasks if task.done()).result()
        finally:
            await end_tasks(*tasks)
            await passage.close()
        if isinstance(ended, Seek) or ended.ending is Ending.STOPPED:
            for camera_id in self._lease.session.request.camera_ids:
                self._books.ledger[camera_id].drop_in_flight(DropReason.CANCELLED)
        return ended

    async def _finish(self, passage: Passage) -> Outcome:
        """Run a passage to its end."""
        await passage.run()
        errors = self._books.errors
        if len(errors) == len(self._lease.session.request.camera_ids):
            return Outcome(Ending.FAILED, next(iter(errors.values())))
        return Outcome(Ending.COMPLETED)

    async def _follow(self, passage: Passage, commands: Commands) -> Outcome | Seek:
        """Carry out commands until one of them ends the passage."""
        while True:
            desired = commands.desired
            if desired.mode is Mode.STOPPED:
                commands.applied(desired)
                return Outcome(Ending.STOPPED)
            if commands.draining:
                self._pacer.pause()
                await passage.settled()
                return Outcome(Ending.DRAINED)
            if seek := self._due_seek(desired):
                return seek
            if desired.pace != self._pace:
                self._pace = desired.pace
                self._pacer.set_speed(desired.pace.speed)
            await self._pause_or_resume(passage, desired)
            commands.applied(desired)
            await commands.changed(desired.revision)

    async def _pause_or_resume(self, passage: Passage, desired: Desired) -> None:
        """Stand still or go on, and say so."""
        wants_pause = desired.mode is Mode.PAUSED
        if wants_pause == self._paused:
            return
        if wants_pause:
            self._pacer.pause()
            await passage.settled()
            change = SessionChange.PAUSED
        else:
            self._pacer.resume()
            change = SessionChange.RUNNING
        self._paused = wants_pause
        await self._commits.record(change, applied_revision=desired.revision)

    def _due_seek(self, desired: Desired) -> Seek | None:
        """Return the newest seek if it was not carried out yet."""
        seek = desired.seek
        return seek if seek and seek.revision > self._applied_revision else None

    async def _seek(self, seek: Seek) -> None:
        """Go to another place, and say so together with the state that it leads to."""
        if not self._lease.session.request.recordings:
            raise NotReady("only a session over recordings can be moved")
        self._pacer.restart()
        state = self._books.seek(seek.position_ns)
        self._applied_revision = seek.revision
        await self._commits.record(
            SessionChange.SOUGHT, applied_revision=seek.revision, state=state
        )
