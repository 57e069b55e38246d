"""Store one environment's events as they come."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.analytics.convert import take_in
from services.analytics.domain.borders import Borders
from services.analytics.domain.folding import fold
from services.analytics.domain.history import Chapter, Gap, Place
from services.analytics.domain.intake import Intake, Views
from services.analytics.domain.lease import Lease, LeaseLost
from services.analytics.domain.memory import Memory
from services.analytics.observe import (
    BATCH_EVENTS,
    EVENTS_STORED,
    GAPS,
    LAG_EVENTS,
    LAG_SECONDS,
    LOG_EVENTS,
    POSITIONS_STORED,
    STORE_SECONDS,
    UNREADABLE,
)
from services.common.errors import InvalidInput, Unavailable
from services.common.event_log import EventLog
from services.common.ids import EnvironmentId

READER = "analytics"
"""Name of the durable reader that the log waits for."""

Entries = Sequence[tuple[int, bytes]]

_AGAIN_S = 0.5
_log = structlog.get_logger(__name__)


class History(Protocol):
    """Where batches go, each once."""

    async def load(self, lease: Lease) -> tuple[Place, Memory, Views]:
        """Return up to where an environment is stored, and what is needed to go on."""

    async def store(self, lease: Lease, chapter: Chapter) -> None:
        """Store what follows in the log."""


class Leases(Protocol):
    """Who stores what."""

    async def renew(self, lease: Lease) -> None:
        """Hold on to an environment."""


ReadBorders = Callable[[EnvironmentId], Awaitable[Borders]]
"""Returns the zones and tripwires that hold now."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How events are gathered.

    Attributes:
        batch_events: Most events in one transaction.
        presence_gap_us: Longest time between two samples of a stay, microseconds.
        renew_every_s: Time without an event after which the lease is renewed.
        gather_s: Least time between transactions that are not full.
        borders_every_s: Time after which zones and tripwires are read again.
    """

    batch_events: int = 1000
    presence_gap_us: int = 2_000_000
    renew_every_s: float = 1.0
    gather_s: float = 0.2
    borders_every_s: float = 5.0


class Ingest:
    """Stores the events of an environment for as long as its lease holds."""

    def __init__(
        self,
        lease: Lease,
        log: EventLog,
        history: History,
        leases: Leases,
        read_borders: ReadBorders,
        manners: Manners | None = None,
    ) -> None:
        self._lease = lease
        self._log = log
        self._history = history
        self._leases = leases
        self._read_borders = read_borders
        self._manners = manners or Manners()
        self._borders = Borders()
        self._borders_read_s = float("-inf")
        self._one_by_one_until = 0
        self._doubtful = (0, 0)

    async def run(self) -> None:
        """Store until the lease is lost or this is cancelled.

        Raises:
            LeaseLost: Another process has the environment.
        """
        while True:
            try:
                await self._follow()
            except LeaseLost:
                raise
            except InvalidInput as error:
                await self._pass_over(error)
                continue
            except Unavailable as error:
                self._say("waiting to store events", error)
            # What is in doubt is read again from the store, at the next attempt.
            await asyncio.sleep(_AGAIN_S)

    async def _follow(self) -> None:
        place, memory, views = await self._history.load(self._lease)
        place = await self._place_in_log(place)
        await self._publish(place)
        # One batch is prepared while the one before it is stored.
        storing: asyncio.Task[None] | None = None
        renewed_s = begun_s = time.monotonic()
        try:
            while True:
                entries = await self._read(place.sequence, idle=storing is None)
                if storing is not None and (storing.done() or not entries):
                    await storing
                    storing, renewed_s = None, time.monotonic()
                if not entries:
                    if time.monotonic() - renewed_s >= self._manners.renew_every_s:
                        await self._leases.renew(self._lease)
                        renewed_s = time.monotonic()
                    self._at_end()
                    continue
                await self._refresh_borders()
                chapter = await asyncio.to_thread(
                    self._chapter, place, entries, memory, views
                )
                if storing is not None:
                    await storing
                storing = asyncio.create_task(self._store(chapter))
                place = chapter.after
                if len(entries) < self._batch(place.sequence):
                    await storing
                    storing, renewed_s = None, time.monotonic()
                    await asyncio.sleep(begun_s + self._manners.gather_s - renewed_s)
                begun_s = time.monotonic()
        finally:
            if storing is not None:
                # A transaction that is under way is not worth breaking off.
                await asyncio.wait([storing])
                _ = storing.cancelled() or storing.exception()

    async def _place_in_log(self, place: Place) -> Place:
        """Return where to go on; at the beginning of a log that was replaced."""
        bounds = await self._log.bounds(self._lease.environment_id)
        if place.sequence <= bounds.last:
            return place
        self._say("the log began anew", f"{place.sequence} is behind {bounds.last}")
        gap = Gap(
            first=place.sequence + 1,
            last=place.sequence + 1,
            start_us=place.event_us,
            end_us=time.time_ns() // 1000,
            cause="log_replaced",
        )
        begin = Place(0, place.event_us)
        await self._store(Chapter(place, begin, gap, None))
        return begin

    async def _read(self, after: int, *, idle: bool) -> Entries:
        wait_s = min(self._manners.renew_every_s, 1.0) if idle else 0.0
        return await self._log.read_encoded(
            self._lease.environment_id, after, limit=self._batch(after), wait_s=wait_s
        )

    def _batch(self, after: int) -> int:
        return 1 if after < self._one_by_one_until else self._manners.batch_events

    def _chapter(
        self, place: Place, entries: Entries, memory: Memory, views: Views
    ) -> Chapter:
        """Return what events add; runs in a thread.

        Raises:
            InvalidInput: One of them has a value that no table holds.
        """
        gap_us = self._manners.presence_gap_us
        try:
            intake = Intake(memory, views, gap_us)
            taken = take_in(intake, entries)
            increment = fold(intake.columns(), memory, self._borders, gap_us)
        except (ValueError, OverflowError) as error:
            self._doubtful = (entries[0][0], entries[-1][0])
            raise InvalidInput(f"cannot be read: {error}") from error
        UNREADABLE.inc(taken.unreadable)
        now_us = time.time_ns() // 1000
        after = Place(entries[-1][0], taken.newest_us or place.event_us)
        return Chapter(
            place, after, _missing(place, entries, taken.oldest_us or now_us), increment
        )

    async def _store(self, chapter: Chapter) -> None:
        begun_s = time.monotonic()
        try:
            await self._history.store(self._lease, chapter)
        except InvalidInput:
            self._doubtful = (chapter.before.sequence + 1, chapter.after.sequence)
            raise
        STORE_SECONDS.observe(time.monotonic() - begun_s)
        self._count(chapter)
        await self._publish(chapter.after)

    async def _pass_over(self, error: InvalidInput) -> None:
        """Go on behind an event that cannot be stored, once it is known which it is."""
        first, last = self._doubtful
        if last > first:
            self._one_by_one_until = last
            return
        self._say("an event cannot be stored", error)
        place, _, _ = await self._history.load(self._lease)
        now_us = time.time_ns() // 1000
        gap = Gap(place.sequence + 1, last, place.event_us, now_us, "refused")
        await self._store(Chapter(place, Place(last, place.event_us), gap, None))

    def _count(self, chapter: Chapter) -> None:
        if chapter.gap is not None:
            GAPS.labels(chapter.gap.cause).inc()
        if chapter.increment is not None:
            events = chapter.after.sequence - chapter.before.sequence
            BATCH_EVENTS.observe(events)
            EVENTS_STORED.inc(events)
            POSITIONS_STORED.inc(len(chapter.increment.positions.stay))

    async def _publish(self, place: Place) -> None:
        """Tell the log what it need not keep for us any more, and how far it is."""
        environment_id = self._lease.environment_id
        with contextlib.suppress(Unavailable):
            await self._log.set_reader_position(environment_id, READER, place.sequence)
            bounds = await self._log.bounds(environment_id)
            LAG_EVENTS.labels(environment_id).set(max(bounds.last - place.sequence, 0))
            LOG_EVENTS.labels(environment_id).set(bounds.last - bounds.first + 1)
        if place.event_us is not None:
            age_s = time.time() - place.event_us / 1e6
            LAG_SECONDS.labels(environment_id).set(max(age_s, 0.0))

    def _at_end(self) -> None:
        LAG_EVENTS.labels(self._lease.environment_id).set(0)
        LAG_SECONDS.labels(self._lease.environment_id).set(0)

    async def _refresh_borders(self) -> None:
        now_s = time.monotonic()
        if now_s - self._borders_read_s >= self._manners.borders_every_s:
            self._borders = await self._read_borders(self._lease.environment_id)
            self._borders_read_s = now_s

    def _say(self, what: str, cause: object) -> None:
        _log.warning(
            what,
            environment_id=self._lease.environment_id,
            epoch=self._lease.epoch,
            cause=str(cause),
        )


def _missing(place: Place, entries: Entries, end_us: int) -> Gap | None:
    """Return what is missing in front of the events that are there."""
    first, _ = entries[0]
    if first == place.sequence + 1:
        return None
    return Gap(
        first=place.sequence + 1,
        last=first - 1,
        start_us=place.event_us,
        end_us=end_us,
        cause="removed",
    )
