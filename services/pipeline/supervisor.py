"""Takes sessions that need an owner, and runs them in this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import structlog
from prometheus_client import Gauge

from services.common.drain import DrainSignal
from services.common.errors import Unavailable
from services.common.ids import SessionId
from services.common.tasks import end_tasks
from services.pipeline.domain.lease import Lease
from services.pipeline.owner import OwnedSession

OWNED_SESSIONS = Gauge(
    "spoton_pipeline_owned_sessions", "Sessions that this process runs."
)

_log = structlog.get_logger(__name__)


class LeaseSource(Protocol):
    """Knows which sessions need an owner."""

    async def acquire(self, owner: str, address: str = "") -> Lease | None:
        """Take the oldest session that needs an owner, if there is one.

        Args:
            owner: Name of the process.
            address: Where it answers, `host:port`; empty when it cannot be asked.

        Raises:
            Unavailable: The store is away.
        """

    def changes(self) -> AsyncIterator[SessionId]:
        """Yield each session that is created, commanded or let go, for ever."""


class SessionSupervisor:
    """Runs up to a number of sessions, taking new ones as they come."""

    def __init__(
        self,
        leases: LeaseSource,
        open_session: Callable[[Lease], OwnedSession],
        *,
        owner: str,
        address: str = "",
        max_sessions: int,
        poll_every_s: float = 1.0,
        drain_s: float = 10.0,
    ) -> None:
        """Keep the collaborators.

        Args:
            leases: Where sessions wait.
            open_session: Makes the session that a lease entitles to.
            owner: Name of this process.
            address: Where it answers, `host:port`.
            max_sessions: Sessions to run at once.
            poll_every_s: Time between looks when nothing is announced.
            drain_s: Time for sessions to finish their frame set when told to stop.
        """
        self._leases = leases
        self._open_session = open_session
        self._owner = owner
        self._address = address
        self._max_sessions = max_sessions
        self._poll_every_s = poll_every_s
        self._drain_s = drain_s
        self._owned: dict[SessionId, OwnedSession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._look = asyncio.Event()

    async def run(self, drain: DrainSignal) -> None:
        """Run sessions until told to drain, then let them go on elsewhere."""
        waits = [
            asyncio.create_task(drain.wait()),
            asyncio.create_task(self._take_sessions()),
            asyncio.create_task(self._listen()),
        ]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in done:
                wait.result()
        finally:
            await end_tasks(*waits)
            await self._let_go()

    async def _take_sessions(self) -> None:
        while True:
            self._look.clear()
            try:
                await self._take_waiting()
            except Unavailable as error:
                _log.warning("cannot look for sessions", cause=error.message)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_every_s):
                    await self._look.wait()

    async def _take_waiting(self) -> None:
        while len(self._owned) < self._max_sessions:
            lease = await self._leases.acquire(self._owner, self._address)
            if lease is None:
                return
            session_id = lease.session.session_id
            self._owned[session_id] = self._open_session(lease)
            task = asyncio.create_task(self._run(session_id), name=session_id)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, session_id: SessionId) -> None:
        OWNED_SESSIONS.inc()
        try:
            await self._owned[session_id].run()
        except Exception:  # noqa: BLE001 - one session never ends the others.
            _log.exception("session abandoned", session_id=session_id)
        finally:
            OWNED_SESSIONS.dec()
            del self._owned[session_id]
            self._look.set()

    async def _listen(self) -> None:
        async for session_id in self._leases.changes():
            if session_id in self._owned:
                self._owned[session_id].look()
            else:
                self._look.set()

    async def _let_go(self) -> None:
        """Drain what runs; what does not end in time is left to its lease."""
        for session in self._owned.values():
            session.drain()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=self._drain_s)
        for task in late:
            _log.warning("session did not drain", session_id=task.get_name())
        await end_tasks(*late)
