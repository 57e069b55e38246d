"""The committed state of sessions: changed with the event log, by one script."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from redis.asyncio import Redis

from services.common.errors import Overloaded, Unavailable
from services.common.event_log import APPEND_FUNCTIONS, EventLog, LogKeys
from services.common.ids import CameraId
from services.common.redis_client import redis_errors
from services.pipeline.convert import session_event_payload
from services.pipeline.domain.lease import Lease, LeaseLost
from services.pipeline.domain.running import (
    CommittedState,
    FrameSetCommit,
    SessionChange,
    SourceState,
)

_FOLDER = Path(__file__).parent
_CLAIM = (_FOLDER / "claim.lua").read_text(encoding="utf-8")
_COMMIT = APPEND_FUNCTIONS + (_FOLDER / "commit.lua").read_text(encoding="utf-8")

_POSITION, _CHECKPOINT = "position:", "checkpoint:"
_ENDED_STATE_MS: Final = 24 * 3600 * 1000
_PAUSES_S: Final = (0.1, 0.2, 0.5, 1.0)
_T = TypeVar("_T")

_log = structlog.get_logger(__name__)


class CommitLog:
    """Opens the committed state of sessions."""

    def __init__(self, redis: Redis, event_log: EventLog) -> None:
        self._event_log = event_log
        self._claim = redis.register_script(_CLAIM)
        self._commit = redis.register_script(_COMMIT)

    async def claim(self, lease: Lease) -> "LeasedCommits":
        """Fence every older owner and read what it left; waits while Redis is away.

        Raises:
            LeaseLost: A newer owner has claimed the session.
        """
        fields = await _patiently(lease, lambda: self._claimed_fields(lease))
        return LeasedCommits(lease, fields, self._commit, self._event_log)

    async def _claimed_fields(self, lease: Lease) -> dict[str, bytes]:
        with redis_errors():
            answer = await self._claim(keys=[_session_key(lease)], args=[lease.epoch])
        if answer[0] == b"fenced":
            raise _lost(lease)
        names, values = answer[1][::2], answer[1][1::2]
        return {name.decode(): value for name, value in zip(names, values, strict=True)}


class LeasedCommits:
    """Writes one session's state in the name of one lease; see SessionCommits."""

    def __init__(
        self, lease: Lease, fields: dict[str, bytes], commit: Any, event_log: EventLog
    ) -> None:
        self._lease = lease
        self._commit = commit
        self._event_log = event_log
        self._records = int(fields.get("records", b"0"))
        self.claimed = _state_from_fields(fields)

    async def commit(self, commit: FrameSetCommit) -> int:
        """Publish a frame set together with the state that it leads to.

        Raises:
            LeaseLost: A newer owner has claimed the session.
        """
        return await self._write(
            ("frame_set", commit.frame_set), commit.event, _fields(commit.state)
        )

    async def record(
        self,
        change: SessionChange,
        *,
        applied_revision: int | None = None,
        state: SourceState | None = None,
        detail: str = "",
    ) -> int:
        """Publish a change of the session together with the state that it leads to.

        Raises:
            LeaseLost: A newer owner has claimed the session.
        """
        fields = list(_fields(state or SourceState()))
        if applied_revision is not None:
            fields.append(("applied_revision", str(applied_revision).encode()))
        if change.is_last:
            fields.append(("ended", change.value.encode()))
        event = session_event_payload(self._lease, change, detail)
        sequence = await self._write(
            ("records", self._records + 1),
            event,
            iter(fields),
            state_ms=_ENDED_STATE_MS if change.is_last else 0,
        )
        self._records += 1
        return sequence

    async def _write(
        self,
        counter: tuple[str, int],
        event: bytes,
        fields: Iterator[tuple[str, bytes]],
        state_ms: int = 0,
    ) -> int:
        request = self._lease.session.request
        keys = LogKeys(request.environment_id)
        arguments = [
            *self._event_log.retention.script_arguments,
            int(request.recordings),
            self._lease.epoch,
            *counter,
            state_ms,
            event,
            *(part for field in fields for part in field),
        ]
        script_keys = [*keys.append_keys, _session_key(self._lease)]

        async def once() -> tuple[int, int]:
            with redis_errors():
                answer = await self._commit(keys=script_keys, args=arguments)
            return self._appended(answer)

        sequence, lost = await _patiently(self._lease, once)
        if lost:
            await _patiently(
                self._lease,
                lambda: self._event_log.append_gap(
                    request.environment_id, sequence, lost
                ),
            )
        return sequence

    def _appended(self, answer: list[Any]) -> tuple[int, int]:
        match answer:
            case [b"committed", int(sequence), int(lost)]:
                return sequence, lost
            case [b"full"]:
                raise Overloaded("the event log is full of events not stored yet")
            case _:
                raise _lost(self._lease)


async def _patiently(lease: Lease, call: Callable[[], Awaitable[_T]]) -> _T:
    """Return what `call` returns, trying again until the store lets it through."""
    for attempt in itertools.count():
        try:
            result = await call()
        except (Unavailable, Overloaded) as error:
            pause_s = _PAUSES_S[min(attempt, len(_PAUSES_S) - 1)]
            if attempt == 0:
                _log.warning("waiting to commit", cause=error.message, **_names(lease))
            await asyncio.sleep(pause_s)
        else:
            if attempt:
                _log.info("committing again", **_names(lease))
            return result
    raise AssertionError("The loop never ends.")


def _names(lease: Lease) -> dict[str, object]:
    return {"session_id": lease.session.session_id, "epoch": lease.epoch}


def _session_key(lease: Lease) -> str:
    keys = LogKeys(lease.session.request.environment_id)
    return keys.named(f"session:{lease.session.session_id}")


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(
        f"session {lease.session.session_id} was claimed by an owner newer than "
        f"epoch {lease.epoch}"
    )


def _fields(state: SourceState) -> Iterator[tuple[str, bytes]]:
    """Yield the hash fields that `state` changes."""
    for camera_id, position in state.positions.items():
        yield _POSITION + camera_id, position
    for camera_id, checkpoint in state.checkpoints.items():
        yield _CHECKPOINT + camera_id, checkpoint
    if state.ledger is not None:
        yield "ledger", state.ledger
    if state.run is not None:
        yield "run", state.run


def _state_from_fields(fields: dict[str, bytes]) -> CommittedState:
    ended = fields.get("ended")
    frame_set = fields.get("frame_set")
    return CommittedState(
        frame_set=None if frame_set is None else int(frame_set),
        applied_revision=int(fields.get("applied_revision", b"0")),
        state=SourceState(
            positions=_by_camera(fields, _POSITION),
            checkpoints=_by_camera(fields, _CHECKPOINT),
            ledger=fields.get("ledger"),
            run=fields.get("run"),
        ),
        ended=None if ended is None else SessionChange(ended.decode()),
    )


def _by_camera(fields: dict[str, bytes], prefix: str) -> dict[CameraId, bytes]:
    return {
        CameraId(name.removeprefix(prefix)): value
        for name, value in fields.items()
        if name.startswith(prefix)
    }
