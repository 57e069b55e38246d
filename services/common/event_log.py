"""The event log of each environment: one Redis Stream with contiguous numbers.

All keys of an environment share a hash tag, so one script may touch them all on a
cluster too. Retention is by time with a ceiling in bytes. Below the ceiling no entry
is removed that a durable reader has not stored.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from redis.asyncio import Redis

from services.common.errors import NotFound
from services.common.ids import EnvironmentId
from services.common.redis_client import redis_errors
from spoton.common.v1 import events_pb2

APPEND_FUNCTIONS = Path(__file__).with_suffix(".lua").read_text(encoding="utf-8")
"""Lua source to begin a script with that appends events together with other writes."""

_APPEND_ONCE = """
local events, log, readers, producer = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local event, number, memory_ms = ARGV[3], ARGV[4], ARGV[5]
local seen = redis.call('HMGET', producer, 'number', 'sequence')
if seen[1] and tonumber(seen[1]) >= tonumber(number) then
  return {tonumber(seen[2]), 0}
end
local keep = {ms = tonumber(ARGV[1]), bytes = tonumber(ARGV[2])}
local sequence, lost = append_event(events, log, readers, keep, event)
redis.call('HSET', producer, 'number', number, 'sequence', whole(sequence))
redis.call('PEXPIRE', producer, memory_ms)
return {sequence, lost}
"""

_PRODUCER_MEMORY_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of an environment's log is kept.

    Attributes:
        keep_s: Age up to which entries are kept, seconds.
        ceiling_bytes: Most bytes that the events of one environment may take.
    """

    keep_s: float = 24 * 3600.0
    ceiling_bytes: int = 256 * 1024 * 1024

    @property
    def script_arguments(self) -> tuple[int, int]:
        """Milliseconds and bytes, as the Lua functions want them."""
        return round(self.keep_s * 1000), self.ceiling_bytes


@dataclass(frozen=True, slots=True)
class LogBounds:
    """The part of a log that exists.

    Attributes:
        first: Sequence of the oldest entry kept; `last + 1` when none is.
        last: Sequence of the newest entry; 0 before the first.
    """

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class LogKeys:
    """Names of an environment's keys.

    >>> LogKeys(EnvironmentId("plaza")).events
    'spoton:{plaza}:events'
    """

    environment_id: EnvironmentId

    def named(self, name: str) -> str:
        """Return a key that lives in the same slot as the log."""
        return f"spoton:{{{self.environment_id}}}:{name}"

    @property
    def events(self) -> str:
        """Stream of the entries."""
        return self.named("events")

    @property
    def log(self) -> str:
        """Hash with the newest sequence and the bytes kept."""
        return self.named("log")

    @property
    def readers(self) -> str:
        """Hash with the position of every durable reader."""
        return self.named("readers")

    @property
    def append_keys(self) -> tuple[str, str, str]:
        """Keys that `append_event` takes, in its order."""
        return self.events, self.log, self.readers


class EventLog:
    """Appends to and reads the event logs of all environments.

    The client comes from `open_redis`.
    """

    def __init__(self, redis: Redis, retention: Retention | None = None) -> None:
        self._redis = redis
        self.retention = retention or Retention()
        self._append_once = redis.register_script(APPEND_FUNCTIONS + _APPEND_ONCE)

    async def append(
        self,
        environment_id: EnvironmentId,
        event: events_pb2.EnvironmentEvent,
        *,
        producer: str,
        producer_sequence: int,
    ) -> int:
        """Append an event exactly once, however often the call is repeated.

        Args:
            environment_id: Environment of the event.
            event: The event. Its `sequence` is ignored; `event_time` is set to now
                when it is absent.
            producer: Name of the one writer that counts `producer_sequence`, such as
                `reid/<timeline>`. Forgotten after a week of silence.
            producer_sequence: Number of the event, growing in the order of the calls.

        Returns:
            Sequence of the event, or of the producer's newest event when this one
            was appended by an earlier call.

        Raises:
            Unavailable: Redis is away. The event may have been appended.
        """
        sequence, lost = await self._append(
            environment_id, event, producer, producer_sequence
        )
        if lost:
            await self.append_gap(environment_id, sequence, lost)
        return sequence

    async def append_gap(
        self, environment_id: EnvironmentId, sequence: int, lost: int
    ) -> None:
        """Tell every reader that entries went before all had stored them.

        Args:
            environment_id: Environment of the log.
            sequence: Entry that the lost ones made room for.
            lost: How many entries went.

        Raises:
            Unavailable: Redis is away.
        """
        event = events_pb2.EnvironmentEvent()
        event.session.kind = events_pb2.SESSION_EVENT_KIND_HISTORY_GAP
        event.session.detail = (
            f"{lost} events before {sequence} were removed at the ceiling of "
            f"{self.retention.ceiling_bytes} bytes"
        )
        await self._append(environment_id, event, "event-log", sequence)

    async def _append(
        self,
        environment_id: EnvironmentId,
        event: events_pb2.EnvironmentEvent,
        producer: str,
        producer_sequence: int,
    ) -> tuple[int, int]:
        keys = LogKeys(environment_id)
        with redis_errors():
            sequence, lost = await self._append_once(
                keys=[*keys.append_keys, keys.named(f"producer:{producer}")],
                args=[
                    *self.retention.script_arguments,
                    event_payload(environment_id, event),
                    producer_sequence,
                    _PRODUCER_MEMORY_S * 1000,
                ],
            )
        return int(sequence), int(lost)

    async def bounds(self, environment_id: EnvironmentId) -> LogBounds:
        """Return which entries exist.

        Raises:
            Unavailable: Redis is away.
        """
        keys = LogKeys(environment_id)
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as both:
                both.hget(keys.log, "sequence")
                both.xrange(keys.events, count=1)
                last, oldest = await both.execute()
        newest = int(last or 0)
        return LogBounds(_sequence(oldest[0][0]) if oldest else newest + 1, newest)

    async def read(
        self,
        environment_id: EnvironmentId,
        after: int,
        *,
        limit: int = 64,
        wait_s: float = 0.0,
    ) -> list[events_pb2.EnvironmentEvent]:
        """Return the events that follow `after`, oldest first.

        Args:
            environment_id: Environment of the log.
            after: Sequence of the last event that the caller has. Range: >= 0.
            limit: Most events to return.
            wait_s: How long to wait for one when there is none. Range: [0, 4].

        Returns:
            Up to `limit` events, `sequence` filled in; none when none came in time.

        Raises:
            NotFound: Events after `after` are no longer kept.
            Unavailable: Redis is away.
        """
        entries = await self.read_encoded(
            environment_id, after, limit=limit, wait_s=wait_s
        )
        if entries and entries[0][0] != after + 1:
            raise NotFound(f"the events that followed {after} are no longer kept")
        return [_event(sequence, payload) for sequence, payload in entries]

    async def read_encoded(
        self,
        environment_id: EnvironmentId,
        after: int,
        *,
        limit: int = 64,
        wait_s: float = 0.0,
    ) -> list[tuple[int, bytes]]:
        """Return the events that are kept behind `after`, oldest first.

        Takes the arguments of `read`. Some may be missing in front.

        Returns:
            Sequence of each and the event as it is stored, without its sequence.

        Raises:
            Unavailable: Redis is away.
        """
        key = LogKeys(environment_id).events
        with redis_errors():
            answer: Any = await self._redis.xread(
                {key: f"{after}-0"},
                count=limit,
                block=round(wait_s * 1000) or None,
            )
        entries = answer[0][1] if answer else []
        return [(_sequence(name), fields[b"event"]) for name, fields in entries]

    async def set_reader_position(
        self, environment_id: EnvironmentId, reader: str, sequence: int
    ) -> None:
        """State up to where a durable reader has stored the log.

        Entries after the position are kept as long as the ceiling allows.

        Raises:
            Unavailable: Redis is away.
        """
        with redis_errors():
            await self._redis.hset(
                LogKeys(environment_id).readers, reader, str(sequence)
            )


def event_payload(
    environment_id: EnvironmentId, event: events_pb2.EnvironmentEvent
) -> bytes:
    """Return an event as it is stored: complete but for its sequence.

    Args:
        environment_id: Environment to write into it.
        event: The event; left as it is.
    """
    stored = events_pb2.EnvironmentEvent()
    stored.CopyFrom(event)
    stored.environment_id = environment_id
    stored.ClearField("sequence")
    if not stored.HasField("event_time"):
        now = Timestamp()
        now.GetCurrentTime()
        stored.event_time.CopyFrom(now)
    return stored.SerializeToString()


def _sequence(entry_id: bytes) -> int:
    return int(entry_id.split(b"-")[0])


def _event(sequence: int, payload: bytes) -> events_pb2.EnvironmentEvent:
    event = events_pb2.EnvironmentEvent.FromString(payload)
    event.sequence = sequence
    return event
