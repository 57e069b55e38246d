"""One session, run by this process while it holds the lease."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.common.errors import (
    DeadlineExceeded,
    Overloaded,
    SpotOnError,
    Unavailable,
)
from services.common.tasks import end_tasks
from services.pipeline.domain.lease import Lease, LeaseLost
from services.pipeline.domain.progress import SessionProgress
from services.pipeline.domain.running import (
    Ending,
    OpenRunner,
    Outcome,
    SessionChange,
    SessionCommits,
    SessionRunner,
)
from services.pipeline.domain.session import Desired, Mode, Session, SessionState
from services.pipeline.observe import LEASE_CHANGES, SESSIONS_ENDED, ProgressMeter

RETRY_PAUSE_S = 2.0
"""Time before a session is tried again whose peers stayed away."""

_STORE_PAUSE_S = 0.5
_PEER_AWAY = (Unavailable, DeadlineExceeded, Overloaded)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What an owner writes about its session.

    Attributes:
        state: Where the session stands.
        applied_revision: Newest command carried out.
        progress: Counts; None leaves the stored ones.
        error: Why it failed; None unless it did.
    """

    state: SessionState
    applied_revision: int
    progress: SessionProgress | None
    error: SpotOnError | None = None


class LeaseStore(Protocol):
    """Gives out leases. Every method raises Unavailable while the store is away."""

    async def renew(self, lease: Lease, report: Report) -> Desired:
        """Hold on to a session, write how it is doing, and read what is desired.

        Raises:
            LeaseLost: The session has another owner.
        """

    async def release(self, lease: Lease, report: Report, *, pause_s: float) -> None:
        """Write how a session ended, or let it go on elsewhere after `pause_s`.

        Raises:
            LeaseLost: The session has another owner.
        """


class Claims(Protocol):
    """Opens committed states."""

    async def claim(self, lease: Lease) -> SessionCommits:
        """Fence every older owner and read what it left.

        Raises:
            LeaseLost: A newer owner has claimed the session.
        """


class CommandBoard:
    """Where the owner pins what is wanted, and the runner what it has done.

    The runner sees it as Commands.
    """

    def __init__(self, session: Session, on_applied: Callable[[], None]) -> None:
        self.desired = session.desired
        self.draining = False
        self.applied_revision = session.applied_revision
        self.applied_mode = (
            Mode.PAUSED if session.state is SessionState.PAUSED else Mode.RUNNING
        )
        self._on_applied = on_applied
        self._changed = asyncio.Event()

    def pin(self, desired: Desired) -> None:
        """Show a newer wish."""
        if desired != self.desired:
            self.desired = desired
            self._wake()

    def drain(self) -> None:
        """Ask the runner to return after its frame set."""
        self.draining = True
        self._wake()

    async def changed(self, revision: int) -> None:
        """Wait until the wish is newer than `revision`, or `draining` is set."""
        while self.desired.revision <= revision and not self.draining:
            await self._changed.wait()

    def applied(self, desired: Desired) -> None:
        """Take note that `desired` is carried out."""
        self.applied_revision = max(self.applied_revision, desired.revision)
        self.applied_mode = desired.mode
        self._on_applied()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class OwnedSession:
    """Runs one session while its lease is held."""

    def __init__(
        self,
        lease: Lease,
        leases: LeaseStore,
        claims: Claims,
        open_runner: OpenRunner,
        renew_every_s: float,
    ) -> None:
        self._lease = lease
        self._leases = leases
        self._claims = claims
        self._open_runner = open_runner
        self._renew_every_s = renew_every_s
        self._runner: SessionRunner | None = None
        self._meter: ProgressMeter | None = None
        self._renewal_due = asyncio.Event()
        self._board = CommandBoard(lease.session, self._renewal_due.set)
        self._log = _log.bind(
            session_id=lease.session.session_id,
            environment_id=lease.session.request.environment_id,
            epoch=lease.epoch,
        )

    def look(self) -> None:
        """Look for commands at once."""
        self._renewal_due.set()

    def drain(self) -> None:
        """Ask the session to stop here and go on elsewhere."""
        self._board.drain()

    async def run(self) -> None:
        """Run until the session ends, moves elsewhere, or the lease is lost."""
        self._log.info("session taken", owner=self._lease.owner)
        LEASE_CHANGES.labels("taken" if self._lease.epoch == 1 else "taken_over").inc()
        work = asyncio.create_task(self._work())
        renewal = asyncio.create_task(self._keep_lease())
        try:
            await asyncio.wait((work, renewal), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await self._release(work.result())
            else:
                renewal.result()
        except LeaseLost as lost:
            LEASE_CHANGES.labels("lost").inc()
            self._log.warning("lease lost", cause=lost.message)
        finally:
            await end_tasks(work, renewal)
            self._close_meter()

    async def _work(self) -> Outcome:
        """Return how the session ended, published already."""
        commits = await self._claims.claim(self._lease)
        if commits.claimed.ended is not None:
            return Outcome(Ending(commits.claimed.ended.value))
        outcome = await self._outcome(commits)
        if outcome.ending is not Ending.DRAINED:
            detail = outcome.error.message if outcome.error else ""
            await commits.record(SessionChange(outcome.ending.value), detail=detail)
        return outcome

    async def _outcome(self, commits: SessionCommits) -> Outcome:
        """Return how the runner ended, whatever it raised."""
        try:
            return await self._run_frames(commits)
        except LeaseLost:
            raise
        except _PEER_AWAY as absence:
            self._log.warning("a peer stayed away", cause=absence.message)
            return Outcome(Ending.DRAINED, absence)
        except SpotOnError as failure:
            self._log.warning("session failed", cause=str(failure))
            return Outcome(Ending.FAILED, failure)
        except Exception:  # noqa: BLE001 - the process outlives a broken session.
            self._log.exception("session failed unexpectedly")
            return Outcome(
                Ending.FAILED, SpotOnError("the session failed unexpectedly")
            )

    async def _run_frames(self, commits: SessionCommits) -> Outcome:
        if self._board.desired.mode is Mode.STOPPED:
            self._board.applied(self._board.desired)
            return Outcome(Ending.STOPPED)
        _require_whole(self._lease.session, commits)
        if self._lease.epoch == 1:
            await commits.record(SessionChange.RUNNING)
        else:
            await commits.record(SessionChange.TAKEN_OVER, detail=self._lease.owner)
        self._runner = self._open_runner(self._lease, commits)
        self._meter = ProgressMeter(
            self._lease.session.request.environment_id, self._runner.snapshot()
        )
        self._renewal_due.set()
        return await self._runner.run(self._board)

    async def _keep_lease(self) -> None:
        """Renew until the lease is lost; while the store is away, nobody gets it."""
        away = False
        while True:
            try:
                self._board.pin(await self._leases.renew(self._lease, self._report()))
                away = False
            except Unavailable as error:
                if not away:
                    self._log.warning("cannot renew the lease", cause=error.message)
                away = True
            await self._until_renewal_is_due()

    async def _until_renewal_is_due(self) -> None:
        try:
            async with asyncio.timeout(self._renew_every_s):
                await self._renewal_due.wait()
        except TimeoutError:
            return
        self._renewal_due.clear()

    def _report(self) -> Report:
        state = self._lease.session.state
        if self._runner is not None:
            paused = self._board.applied_mode is Mode.PAUSED
            state = SessionState.PAUSED if paused else SessionState.RUNNING
        return Report(state, self._board.applied_revision, self._progress())

    def _progress(self) -> SessionProgress | None:
        """Return the counts of this moment, having added them to the metrics."""
        if self._runner is None:
            return None
        progress = self._runner.snapshot()
        if self._meter is not None:
            self._meter.note(progress)
        return progress

    def _close_meter(self) -> None:
        """Count what came since the last report, and end the gauges."""
        if self._meter is not None:
            self._progress()
            self._meter.close()

    async def _release(self, outcome: Outcome) -> None:
        """Write the outcome, however long the store is away."""
        report = self._report()
        pause_s = RETRY_PAUSE_S if outcome.error else 0.0
        if outcome.ending is not Ending.DRAINED:
            state = SessionState(outcome.ending.value)
            report = Report(
                state, report.applied_revision, report.progress, outcome.error
            )
        while True:
            try:
                await self._leases.release(self._lease, report, pause_s=pause_s)
            except Unavailable:
                await asyncio.sleep(_STORE_PAUSE_S)
            else:
                break
        LEASE_CHANGES.labels("let_go").inc()
        SESSIONS_ENDED.labels(outcome.ending.value).inc()
        self._log.info("session let go", ending=outcome.ending.value)


def _require_whole(session: Session, commits: SessionCommits) -> None:
    """Refuse to begin again where frame sets were published already.

    Raises:
        SpotOnError: The state that was committed is gone.
    """
    published = session.progress is not None and session.progress.frame_sets > 0
    if published and commits.claimed.frame_set is None:
        raise SpotOnError("the committed state of the session is gone")
