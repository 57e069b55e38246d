"""The client's side of a hot stream: ask, wait for credit, survive the server.

Answers come in request order. When a replica goes away or drains, the stream is opened
again, wherever the channel leads, and what was not answered is sent again. A dialect
says what opens a stream, and which items a fresh replica must see again.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import grpc
import structlog
from grpc import aio
from prometheus_client import Counter

from services.common.errors import SpotOnError, Unavailable
from services.common.grpc_errors import error_from_rpc
from services.common.item_journal import FollowUp, ItemJournal
from services.common.tasks import end_tasks

Request = TypeVar("Request")
Answer = TypeVar("Answer")
RequestOut = TypeVar("RequestOut", covariant=True)
AnswerIn = TypeVar("AnswerIn", contravariant=True)

# A replica that died shows as any of these.
_REPLICA_LOST = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
# These may also be a fault that the item meets on every replica.
_SUSPICIOUS = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
_MOST_SUSPICIONS = 3
_FIRST_BACKOFF_S = 0.1
_LAST_BACKOFF_S = 2.0
_CLOSING_TIMEOUT_S = 5.0

REOPENED = Counter(
    "spoton_stream_reopened_total",
    "Times that a client opened a hot stream again: its replica drained, left or was "
    "lost. The stream is detect, embed, track, project or associate.",
    ("stream",),
)
for _stream in ("detect", "embed", "track", "project", "associate"):
    REOPENED.labels(_stream)  # A rate needs its zero.

_log = structlog.get_logger(__name__)


class Dialect(Protocol[RequestOut, AnswerIn]):
    """What the streams of one RPC have of their own."""

    def opening(self) -> RequestOut | None:
        """Return the message that opens a stream now, if the RPC wants one."""

    def asks_more(self, answer: AnswerIn) -> bool:
        """Return whether the answer asks for a follow-up instead of being final."""

    def covers(self, answer: AnswerIn) -> bool:
        """Return whether a fresh replica can do without the items up to this one.

        Always true where items do not depend on each other; otherwise true when the
        answer brought a checkpoint, which the next `opening` must hold.
        """


class StatelessDialect(Generic[Request, Answer]):
    """Items that do not depend on each other."""

    def opening(self) -> Request | None:
        """Return nothing: the first item opens the stream."""
        return None

    def asks_more(self, answer: Answer) -> bool:
        """Return false: every answer is final."""
        del answer
        return False

    def covers(self, answer: Answer) -> bool:
        """Return true: an answered item is done with."""
        del answer
        return True


class ItemStream(Generic[Request, Answer]):
    """A bidirectional stream that is kept open until it is closed.

    Attributes:
        name: For logs and errors.
        reopened: How many times the stream was opened again.
    """

    def __init__(
        self,
        call: Callable[[], aio.StreamStreamCall[Request, Answer]],
        dialect: Dialect[Request, Answer],
        *,
        name: str,
        progress_timeout_s: float = 20.0,
        opening_timeout_s: float = 5.0,
        give_up_after_s: float | None = None,
    ) -> None:
        """Begin to open the stream.

        Args:
            call: Opens the RPC, such as a stub's method.
            dialect: What this RPC has of its own.
            name: For logs and errors.
            progress_timeout_s: Time after which an unanswered item makes the replica
                count as lost, seconds.
            opening_timeout_s: Time for a replica to announce its window, seconds.
            give_up_after_s: Time without a replica after which asking fails, seconds.
                Absent means never.
        """
        self.reopened = 0
        self._call = call
        self._dialect = dialect
        self.name = name
        self._progress_timeout_s = progress_timeout_s
        self._opening_timeout_s = opening_timeout_s
        self._give_up_after_s = give_up_after_s
        self._talking = False
        self._closing = False
        # Of a call, gRPC takes one message at a time, and breaks it at the second.
        self._writing = asyncio.Lock()
        self._journal: ItemJournal[Request, Answer] = ItemJournal()
        self._task = asyncio.create_task(self._run(), name=f"item stream {name}")

    async def ask(self, request: Request, follow_up: FollowUp | None = None) -> Answer:
        """Return the final answer to `request`, waiting for credit first.

        Requests go out in the order of the calls.

        Args:
            request: The item.
            follow_up: Called with an answer that asks for more; returns the request
                that completes the item. Needed where the RPC has two steps.

        Raises:
            SpotOnError: The stream ended for good.
        """
        return await (await self._journal.add(request, follow_up))

    @property
    def failed(self) -> bool:
        """Whether the stream ended for good."""
        return self._journal.failed

    async def close(self) -> None:
        """End the stream; items without an answer fail with Unavailable.

        A server that has answered everything is told that no more will come, and may
        finish its work.
        """
        if self._talking and not self._journal.unanswered:
            self._closing = True
            await self._journal.stop_sending()
            await asyncio.wait([self._task], timeout=_CLOSING_TIMEOUT_S)
        await end_tasks(self._task)
        await self._journal.fail(Unavailable(f"{self.name} was closed"))

    async def _run(self) -> None:
        """Keep the stream open; whatever ends it, nobody waits for ever."""
        try:
            await self._keep_open()
        except Exception:
            _log.exception("stream broke", stream=self.name)
            await self._journal.fail(SpotOnError(f"{self.name} broke"))
            raise

    async def _keep_open(self) -> None:
        """Open the stream again and again, until it is closed or fails for good."""
        away = _Absence(self._give_up_after_s)
        while not self._closing:
            try:
                drained = await self._talk(away)
            except (aio.AioRpcError, SpotOnError) as failure:
                error = (
                    failure
                    if isinstance(failure, SpotOnError)
                    else error_from_rpc(failure)
                )
                if not away.may_retry(failure):
                    await self._journal.fail(error)
                    return
                _log.warning("reopening", stream=self.name, cause=str(error))
                await asyncio.sleep(away.backoff_s())
            else:
                if not drained and not self._closing:
                    await asyncio.sleep(away.backoff_s())
            self.reopened += 1
            REOPENED.labels(self.name.partition(" ")[0]).inc()

    async def _talk(self, away: "_Absence") -> bool:
        """Carry items over one call until it ends; return whether it drained."""
        call = self._call()
        helpers: list[asyncio.Task[None]] = []
        try:
            await self._open(call)
            self._journal.rewind()
            self._talking = True
            helpers = [
                asyncio.create_task(self._send(call)),
                asyncio.create_task(self._watch(call)),
            ]
            return await self._receive(call, away)
        except asyncio.InvalidStateError as error:
            # What grpc raises when a message is written to a call that has ended.
            await _raise_status(call)
            raise Unavailable(f"{self.name}: the server left") from error
        finally:
            self._talking = False
            call.cancel()
            # What broke the call is told by its status, not by its writer.
            await end_tasks(*helpers)

    async def _open(self, call: aio.StreamStreamCall[Request, Answer]) -> None:
        """Say what opens the stream, and learn the window."""
        try:
            async with asyncio.timeout(self._opening_timeout_s):
                opening = self._dialect.opening()
                if opening is not None:
                    await call.write(opening)
                first: Any = await call.read()
        except TimeoutError:
            raise Unavailable(f"{self.name}: no window in time") from None
        if first is aio.EOF:
            await _raise_status(call)
            raise Unavailable(f"{self.name}: ended before its window")
        await self._journal.set_window(first.window.max_in_flight)

    async def _send(self, call: aio.StreamStreamCall[Request, Answer]) -> None:
        """Send what the journal holds and what is added to it, as credit allows."""
        while (request := await self._journal.next_to_send()) is not None:
            await self._write(call, request)
        await call.done_writing()

    async def _write(
        self, call: aio.StreamStreamCall[Request, Answer], request: Request
    ) -> None:
        """Send one message when the one before is gone."""
        async with self._writing:
            await call.write(request)

    async def _receive(
        self, call: aio.StreamStreamCall[Request, Answer], away: "_Absence"
    ) -> bool:
        """Take answers until the call ends; return whether it drained."""
        drained = False
        while True:
            answer: Any = await call.read()
            if answer is aio.EOF:
                await _raise_status(call)
                return drained
            away.over()
            if answer.WhichOneof("outcome") == "drain":
                drained = True
                await self._journal.stop_sending()
            elif self._dialect.asks_more(answer):
                second = await self._journal.second_request(answer)
                await self._write(call, second)
            else:
                covered = self._dialect.covers(answer)
                await self._journal.answer(answer, covered=covered)

    async def _watch(self, call: aio.StreamStreamCall[Request, Answer]) -> None:
        """Cancel the call when the oldest item has waited too long."""
        period_s = self._progress_timeout_s / 10
        while self._journal.waiting_s() < self._progress_timeout_s:  # noqa: ASYNC110
            await asyncio.sleep(period_s)  # A time is what is waited for.
        _log.warning("no progress", stream=self.name)
        call.cancel()


class _Absence:
    """How long no replica has answered, and what to do about it."""

    def __init__(self, give_up_after_s: float | None) -> None:
        self._give_up_after_s = give_up_after_s
        self._clock = asyncio.get_running_loop().time
        self.over()

    def over(self) -> None:
        """Note that a replica answered."""
        self._since_s: float | None = None
        self._backoff_s = _FIRST_BACKOFF_S
        self._suspicions = 0

    def backoff_s(self) -> float:
        """Return how long to wait before opening again, longer each time."""
        backoff_s = self._backoff_s
        self._backoff_s = min(2 * backoff_s, _LAST_BACKOFF_S)
        return backoff_s

    def may_retry(self, failure: Exception) -> bool:
        """Return whether opening again may help."""
        if isinstance(failure, aio.AioRpcError):
            if failure.code() in _SUSPICIOUS:
                self._suspicions += 1
                return self._suspicions <= _MOST_SUSPICIONS
            if failure.code() not in _REPLICA_LOST:
                return False
        if self._since_s is None:
            self._since_s = self._clock()
        away_s = self._clock() - self._since_s
        return self._give_up_after_s is None or away_s <= self._give_up_after_s


async def _raise_status(call: aio.StreamStreamCall[Any, Any]) -> None:
    """Raise the error that an ended call carries, if it carries one."""
    code = await call.code()
    if code is not grpc.StatusCode.OK:
        raise aio.AioRpcError(
            code,
            await call.initial_metadata(),
            await call.trailing_metadata(),
            await call.details(),
        )
