"""Reads event logs for any number of watchers.

Watchers of one environment share one reader of its log, which puts every event into a
bounded queue for each of them and waits for none. A lossless watcher reads the log
itself, at its own pace.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from services.common.errors import NotFound, Overloaded, SpotOnError, Unavailable
from services.common.event_log import EventLog
from services.common.ids import EnvironmentId
from services.pipeline.domain.coalescing import CoalescingQueue, Delivery
from services.pipeline.domain.session import SessionScope
from spoton.common.v1 import events_pb2

EventDelivery = Delivery[events_pb2.EnvironmentEvent]

_WAIT_S = 2.0
_RETRY_S = 0.5
_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long watchers are waited for, and how often they hear from us.

    Attributes:
        queue_length: Events to hold for a watcher before states are left out.
        stalled_s: Time without taking anything after which a watcher is given up.
        keep_alive_s: Time without an event after which a watcher is told so.
    """

    queue_length: int = 256
    stalled_s: float = 30.0
    keep_alive_s: float = 15.0


class EventReader:
    """Delivers the events of all environments to their watchers."""

    def __init__(self, log: EventLog, patience: Patience | None = None) -> None:
        self._log = log
        self._patience = patience or Patience()
        self._fanouts: dict[EnvironmentId, _Fanout] = {}

    async def newest(self, environment_id: EnvironmentId) -> int:
        """Return the sequence of the newest event; 0 before the first.

        Raises:
            Unavailable: Redis is away.
        """
        return (await self._log.bounds(environment_id)).last

    async def before_oldest(self, environment_id: EnvironmentId) -> int:
        """Return the sequence after which everything that is kept follows.

        Raises:
            Unavailable: Redis is away.
        """
        return (await self._log.bounds(environment_id)).first - 1

    async def deliveries(
        self,
        environment_id: EnvironmentId,
        after: int,
        only: SessionScope | None = None,
    ) -> AsyncGenerator[EventDelivery, None]:
        """Yield what follows, the latest state alone where the caller is slow.

        Args:
            environment_id: Whose events.
            after: Last event that the caller has.
            only: Which events; None means all.

        Raises:
            NotFound: Events after `after` are no longer kept.
            Overloaded: The caller took nothing for too long.
            Unavailable: Redis is away at the start.
        """
        await _require_kept(self._log, environment_id, after)
        fanout = self._fanouts.setdefault(
            environment_id, _Fanout(self._log, environment_id)
        )
        watcher = _Watcher(self._patience, only)
        last = after
        try:
            joined_at = await fanout.join(watcher)
            async for event in _events(self._log, environment_id, after, joined_at):
                last = event.sequence
                if _is_about(event, only):
                    yield _delivery(event)
            async for delivery in watcher.deliveries(fanout):
                if delivery.message is None or delivery.sequence > last:
                    yield delivery
        finally:
            if fanout.leave(watcher) and self._fanouts.get(environment_id) is fanout:
                del self._fanouts[environment_id]

    async def every_delivery(
        self,
        environment_id: EnvironmentId,
        after: int,
        only: SessionScope | None = None,
    ) -> AsyncGenerator[EventDelivery, None]:
        """Yield all that follows, however slow the caller is.

        Takes the arguments of `deliveries`.

        Raises:
            NotFound: Events after `after` are no longer kept.
            Overloaded: The caller fell behind what is kept.
            Unavailable: Redis is away at the start.
        """
        await _require_kept(self._log, environment_id, after)
        last, heard_s = after, time.monotonic()
        while True:
            for event in await _read_on(self._log, environment_id, last):
                last = event.sequence
                if _is_about(event, only):
                    heard_s = time.monotonic()
                    yield _delivery(event)
            if time.monotonic() - heard_s > self._patience.keep_alive_s:
                heard_s = time.monotonic()
                yield Delivery(last, None)


class _Watcher:
    """One reader's queue, and what ended it."""

    def __init__(self, patience: Patience, only: SessionScope | None) -> None:
        self._queue = CoalescingQueue[events_pb2.EnvironmentEvent](
            patience.queue_length, patience.stalled_s
        )
        self._keep_alive_s = patience.keep_alive_s
        self._only = only
        self._arrived = asyncio.Event()
        self._failure: SpotOnError | None = None

    def put(self, event: events_pb2.EnvironmentEvent) -> None:
        """Add an event, if it is wanted."""
        if _is_about(event, self._only):
            self._queue.put(_delivery(event), now_s=time.monotonic())
            self._arrived.set()

    def fail(self, failure: SpotOnError) -> None:
        """End the watcher."""
        self._failure = failure
        self._arrived.set()

    async def deliveries(
        self, fanout: "_Fanout"
    ) -> AsyncGenerator[EventDelivery, None]:
        """Yield what is put, and a sign of life when nothing is."""
        while True:
            self._arrived.clear()
            while delivery := self._queue.take(now_s=time.monotonic()):
                yield delivery
            if self._failure is not None:
                raise self._failure
            if self._queue.gave_up:
                raise _fell_behind()
            if self._arrived.is_set():
                continue
            try:
                async with asyncio.timeout(self._keep_alive_s):
                    await self._arrived.wait()
            except TimeoutError:
                yield Delivery(fanout.position, None)


class _Fanout:
    """The shared reader of one environment."""

    def __init__(self, log: EventLog, environment_id: EnvironmentId) -> None:
        self.position = 0
        self._log = log
        self._environment_id = environment_id
        self._watchers: set[_Watcher] = set()
        self._starting = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def join(self, watcher: _Watcher) -> int:
        """Let a watcher have every event that comes after the returned sequence.

        Raises:
            Unavailable: Redis is away.
        """
        self._watchers.add(watcher)
        async with self._starting:
            if self._task is None:
                self.position = (await self._log.bounds(self._environment_id)).last
                self._task = asyncio.create_task(self._read())
                self._task.add_done_callback(self._ended)
        return self.position

    def leave(self, watcher: _Watcher) -> bool:
        """Forget a watcher. Returns whether it was the last."""
        self._watchers.discard(watcher)
        if self._watchers:
            return False
        if self._task is not None:
            self._task.cancel()
        return True

    async def _read(self) -> None:
        while self._watchers:
            try:
                events = await _read_on(self._log, self._environment_id, self.position)
            except Overloaded as behind:
                _log.warning("event reader fell behind", at=self.position)
                self._fail_all(behind)
                self.position = await _when_available(self._newest)
                continue
            for event in events:
                self.position = event.sequence
                for watcher in self._watchers:
                    watcher.put(event)

    async def _newest(self) -> int:
        return (await self._log.bounds(self._environment_id)).last

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            _log.error("event reader failed", exc_info=error)
            self._fail_all(Unavailable("the events cannot be read"))

    def _fail_all(self, failure: SpotOnError) -> None:
        for watcher in self._watchers:
            watcher.fail(failure)


async def _require_kept(
    log: EventLog, environment_id: EnvironmentId, after: int
) -> None:
    """Refuse to go on from a place that the log does not have.

    Raises:
        NotFound: Events after `after` are gone, or `after` is of a log that is gone.
    """
    bounds = await log.bounds(environment_id)
    if not bounds.first - 1 <= after <= bounds.last:
        raise NotFound(
            f"the events that followed {after} are no longer kept; the log has "
            f"{bounds.first} to {bounds.last}"
        )


async def _events(
    log: EventLog, environment_id: EnvironmentId, after: int, until: int
) -> AsyncIterator[events_pb2.EnvironmentEvent]:
    """Yield the events behind `after`, up to `until`."""
    last = after
    while last < until:
        for event in await _read_on(log, environment_id, last):
            last = event.sequence
            if last <= until:
                yield event


async def _read_on(
    log: EventLog, environment_id: EnvironmentId, after: int
) -> list[events_pb2.EnvironmentEvent]:
    """Return the next events, or none when none came for a while.

    Raises:
        Overloaded: The next events are gone.
    """

    async def read() -> list[events_pb2.EnvironmentEvent]:
        events = await log.read(environment_id, after, wait_s=_WAIT_S)
        if not events:
            await _require_kept(log, environment_id, after)
        return events

    try:
        return await _when_available(read)
    except NotFound:
        raise _fell_behind() from None


async def _when_available(call: Callable[[], Awaitable[_T]]) -> _T:
    """Return what `call` returns once the store lets it."""
    away = False
    while True:
        try:
            return await call()
        except Unavailable as error:
            if not away:
                _log.warning("waiting to read events", cause=error.message)
            away = True
            await asyncio.sleep(_RETRY_S)


def _is_about(event: events_pb2.EnvironmentEvent, scope: SessionScope | None) -> bool:
    """Return whether the event is about the session or its identities."""
    if scope is None:
        return True
    match event.WhichOneof("event"):
        case "tracking":
            return event.tracking.session_id == scope.session_id
        case "session":
            return event.session.session_id == scope.session_id
        case "identity":
            return event.identity.timeline_id == scope.timeline_id
        case "zone":
            return event.zone.timeline_id == scope.timeline_id
    return False


def _delivery(event: events_pb2.EnvironmentEvent) -> EventDelivery:
    return Delivery(event.sequence, event, is_state=event.HasField("tracking"))


def _fell_behind() -> Overloaded:
    return Overloaded("the reader fell too far behind; it may resume")
