"""Store as many environments as are this process's part."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import structlog

from services.analytics.domain.lease import Lease, LeaseLost
from services.analytics.ingest import Ingest
from services.analytics.observe import (
    LAG_EVENTS,
    LAG_SECONDS,
    LEASES_LOST,
    LEASES_TAKEN,
    LOG_EVENTS,
    OWNED_ENVIRONMENTS,
)
from services.common.drain import DrainSignal
from services.common.errors import Unavailable
from services.common.ids import EnvironmentId
from services.common.tasks import end_tasks

_log = structlog.get_logger(__name__)


class LeaseSource(Protocol):
    """Gives out environments."""

    async def announce(self, environment_ids: Iterable[EnvironmentId]) -> None:
        """Let environments be stored from now on."""

    async def fair_share(self, owner: str) -> int:
        """Say that a process lives, and return how many environments are its part."""

    async def leave(self, owner: str) -> None:
        """Leave the environments to the processes that stay."""

    async def acquire(self, owner: str) -> Lease | None:
        """Take the environment that needs an owner longest, if there is one."""

    async def release(self, lease: Lease) -> None:
        """Let an environment go on elsewhere at once."""


class Supervisor:
    """Takes environments that nobody stores, and lets go of what is too much."""

    def __init__(
        self,
        leases: LeaseSource,
        open_ingest: Callable[[Lease], Ingest],
        list_environments: Callable[[], Awaitable[list[EnvironmentId]]],
        *,
        owner: str,
        max_environments: int,
        look_every_s: float = 1.0,
    ) -> None:
        """Keep the collaborators.

        Args:
            leases: Where environments wait.
            open_ingest: Makes what stores the environment of a lease.
            list_environments: Asks which environments there are.
            owner: Name of this process.
            max_environments: Most environments to store at once.
            look_every_s: Time between looks.
        """
        self._leases = leases
        self._open_ingest = open_ingest
        self._list_environments = list_environments
        self._owner = owner
        self._max_environments = max_environments
        self._look_every_s = look_every_s
        self._tasks: dict[EnvironmentId, asyncio.Task[None]] = {}

    async def run(self, drain: DrainSignal) -> None:
        """Store until told to drain, then let everything go on elsewhere."""
        looking = asyncio.create_task(self._look_for_ever())
        stopping = asyncio.create_task(drain.wait())
        try:
            done, _ = await asyncio.wait(
                (looking, stopping), return_when=asyncio.FIRST_COMPLETED
            )
            for one in done:
                one.result()
        finally:
            await end_tasks(looking, stopping, *self._tasks.values())
            with contextlib.suppress(Unavailable):
                await self._leases.leave(self._owner)

    async def _look_for_ever(self) -> None:
        while True:
            try:
                await self._look()
            except Unavailable as error:
                _log.warning("cannot look for environments", cause=error.message)
            await asyncio.sleep(self._look_every_s)

    async def _look(self) -> None:
        try:
            await self._leases.announce(await self._list_environments())
        except Unavailable as error:
            _log.warning("keeping to known environments", cause=error.message)
        share = min(await self._leases.fair_share(self._owner), self._max_environments)
        for environment_id in list(self._tasks)[share:]:
            # Its task releases the lease, and another process takes it.
            self._tasks[environment_id].cancel()
        while len(self._tasks) < share:
            lease = await self._leases.acquire(self._owner)
            if lease is None:
                return
            task = asyncio.create_task(self._own(lease), name=lease.environment_id)
            self._tasks[lease.environment_id] = task

    async def _own(self, lease: Lease) -> None:
        OWNED_ENVIRONMENTS.inc()
        LEASES_TAKEN.inc()
        _log.info("storing", environment_id=lease.environment_id, epoch=lease.epoch)
        try:
            await self._open_ingest(lease).run()
        except LeaseLost as error:
            LEASES_LOST.inc()
            _log.warning("lease lost", cause=error.message)
        except Exception:  # noqa: BLE001 - one environment never ends the others.
            _log.exception("cannot store", environment_id=lease.environment_id)
        finally:
            OWNED_ENVIRONMENTS.dec()
            _forget_gauges(lease.environment_id)
            with contextlib.suppress(Unavailable):
                await self._leases.release(lease)
            self._tasks.pop(lease.environment_id, None)


def _forget_gauges(environment_id: EnvironmentId) -> None:
    """Remove what is said about an environment that another process stores now."""
    for gauge in (LAG_EVENTS, LAG_SECONDS, LOG_EVENTS):
        with contextlib.suppress(KeyError):
            gauge.remove(environment_id)


async def drop_old_positions(
    drop_before: Callable[[date], Awaitable[int]],
    keep_days: int,
    *,
    every_s: float = 3600.0,
) -> None:
    """Drop days of positions that are older than `keep_days`, for ever."""
    while True:
        day = datetime.now(UTC).date() - timedelta(days=keep_days)
        try:
            if dropped := await drop_before(day):
                _log.info("positions dropped", before=day.isoformat(), days=dropped)
        except Unavailable as error:
            _log.warning("cannot drop old positions", cause=error.message)
        await asyncio.sleep(every_s)
