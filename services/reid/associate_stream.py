"""One `Associate` stream: read ahead, ask for vectors, answer in order."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator

import structlog
from google.protobuf.duration_pb2 import Duration

from services.common.drain import DrainSignal
from services.common.errors import (
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    SpotOnError,
    Unavailable,
)
from services.common.grpc_errors import status_from_error
from services.common.tracing import record_span
from services.reid.convert import tick_from_proto, vectors_from_proto, wanted_to_proto
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.values import TrackKey, Vector
from services.reid.observe import EMBEDDINGS_WANTED, TICKS
from services.reid.service.timeline_writer import TimelineWriter
from spoton.common.v1 import stream_pb2
from spoton.reid.v1 import reid_pb2

Requests = AsyncIterator[reid_pb2.AssociateRequest]
Response = reid_pb2.AssociateResponse

_GROUP = 8
_VECTORS_PATIENCE_S = 30.0
_HOLD_EVERY_S = 0.2

_log = structlog.get_logger(__name__)


class AssociateStream:
    """Answers the ticks of one stream.

    Ticks that wait together are stored together: one commit, then their answers.
    """

    def __init__(
        self,
        writer: TimelineWriter,
        model: AppearanceModel,
        drain: DrainSignal,
        *,
        window: int,
    ) -> None:
        """Take what it answers with.

        Args:
            writer: Decides and stores; open.
            model: The running embedder.
            drain: When to ask the client to reopen.
            window: Ticks that may be unanswered.
        """
        self._writer = writer
        self._model = model
        self._drain = drain
        self._window = window
        self._ticks: deque[reid_pb2.AssociateTick] = deque()
        self._vectors: dict[int, reid_pb2.AssociateEmbeddings] = {}
        self._answers: list[Response] = []
        self._unanswered = 0
        self._arrived = asyncio.Event()
        self._asked_for: int | None = None
        self._draining = False
        self._commanded = False

    async def run(self, requests: Requests) -> AsyncIterator[Response]:
        """Yield the answers.

        Raises:
            Conflict: Somebody else has taken the timeline.
            InvalidInput: The client broke the order of messages.
            Overloaded: The client exceeded the window.
            DeadlineExceeded: The client sent no vectors.
            Unavailable: The store is away, or the client did not leave in time.
        """
        window = stream_pb2.CreditWindow(max_in_flight=self._window)
        yield Response(window=window)
        reader = asyncio.create_task(self._read(requests))
        drainer = asyncio.create_task(self._announce_drain())
        holder = asyncio.create_task(self._hold())
        for task in (reader, drainer):
            task.add_done_callback(lambda _: self._arrived.set())
        try:
            async for answer in self._answer_all(reader, drainer):
                yield answer
            await self._writer.close()
        finally:
            for task in (reader, drainer, holder):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
            await self._writer.leave()
            with contextlib.suppress(Unavailable):
                await self._writer.release()

    async def _answer_all(
        self, reader: asyncio.Task[None], drainer: asyncio.Task[None]
    ) -> AsyncIterator[Response]:
        """Yield the answers until the client has no more ticks."""
        announced = False
        while True:
            async for answer in self._take_commands():
                yield answer
            while self._ticks and not self._commanded:
                tick = self._ticks.popleft()
                async for answer in self._answer(tick, reader):
                    yield answer
                if not self._ticks or self._commanded or len(self._answers) >= _GROUP:
                    async for answer in self._flush():
                        yield answer
            if self._draining and not announced:
                announced = True
                yield self._drain_message()
            if reader.done():
                reader.result()
                if not self._ticks:
                    return
            if drainer.done():
                drainer.result()
            self._arrived.clear()
            idle = not self._ticks and not self._commanded
            if idle and not reader.done() and not self._news(announced):
                await self._arrived.wait()

    def _news(self, announced: bool) -> bool:  # noqa: FBT001 - private, one caller.
        return self._draining and not announced

    async def _take_commands(self) -> AsyncIterator[Response]:
        """Carry out what operators said; first come the answers that wait."""
        if self._commanded:
            self._commanded = False
            async for answer in self._flush():
                yield answer
            await self._writer.take_commands()

    async def _answer(
        self, tick: reid_pb2.AssociateTick, reader: asyncio.Task[None]
    ) -> AsyncIterator[Response]:
        """Decide one tick, asking for vectors if need be; its answer waits."""
        writer, begin_s = self._writer, time.perf_counter()
        try:
            repeated = writer.recall(tick.frame_set)
            if repeated is not None:
                TICKS.labels("repeated").inc()
                self._answers.append(Response.FromString(repeated))
                return
            known = tick_from_proto(tick, writer.lease.session_id, self._model)
            wanted = writer.wanted(known)
            vectors: dict[TrackKey, Vector] = {}
            if wanted:
                async for answer in self._flush():
                    yield answer
                EMBEDDINGS_WANTED.inc(len(wanted))
                self._asked_for = tick.frame_set
                yield wanted_to_proto(tick.frame_set, wanted)
                message = await self._await_vectors(tick.frame_set, reader)
                vectors = vectors_from_proto(message, wanted, self._model)
            await writer.recollect(known)
            answered = writer.associate(known, wanted, vectors)
        except (DeadlineExceeded, Unavailable):
            raise
        except SpotOnError as error:
            TICKS.labels("refused").inc()
            status = status_from_error(error)
            self._answers.append(Response(frame_set=tick.frame_set, status=status))
        else:
            TICKS.labels("associated").inc()
            self._answers.append(Response.FromString(answered))
            for camera in tick.cameras:
                record_span("reid.associate", camera.frame.traceparent, begin_s)

    async def _flush(self) -> AsyncIterator[Response]:
        """Store what is decided, then yield its answers."""
        await self._writer.commit()
        answers, self._answers = self._answers, []
        for answer in answers:
            self._unanswered -= 1
            yield answer

    async def _await_vectors(
        self, frame_set: int, reader: asyncio.Task[None]
    ) -> reid_pb2.AssociateEmbeddings:
        """Return the vectors of a tick."""
        try:
            async with asyncio.timeout(_VECTORS_PATIENCE_S):
                while frame_set not in self._vectors:
                    if reader.done():
                        reader.result()
                        raise Unavailable("the client left before it sent vectors")
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"no vectors for frame set {frame_set} in {_VECTORS_PATIENCE_S:.0f} s"
            ) from error
        self._asked_for = None
        return self._vectors.pop(frame_set)

    async def _read(self, requests: Requests) -> None:
        """Take messages as they come."""
        async for request in requests:
            kind = request.WhichOneof("request")
            if kind == "tick":
                if self._unanswered >= self._window:
                    raise Overloaded(f"more than {self._window} ticks unanswered")
                self._unanswered += 1
                self._ticks.append(request.tick)
            elif kind == "embeddings":
                # After a reopening, vectors may come for a tick that needs none.
                if request.embeddings.frame_set == self._asked_for:
                    self._vectors[self._asked_for] = request.embeddings
            else:
                raise InvalidInput("must be a tick or embeddings", field="request")
            self._arrived.set()

    async def _hold(self) -> None:
        """Keep the timeline, and listen to what operators say."""
        while True:
            try:
                if await self._writer.hold():
                    self._commanded = True
                    self._arrived.set()
            except Unavailable as error:
                _log.warning("operators are not heard", cause=str(error))
            await asyncio.sleep(_HOLD_EVERY_S)

    async def _announce_drain(self) -> None:
        """Ask the client to leave, and insist when the grace is over."""
        await self._drain.wait()
        self._draining = True
        self._arrived.set()
        await asyncio.sleep(self._drain.grace_s)
        raise Unavailable("the stream was asked to reopen elsewhere")

    def _drain_message(self) -> Response:
        grace = Duration()
        grace.FromNanoseconds(round(self._drain.grace_s * 1e9))
        return Response(drain=stream_pb2.Drain(grace=grace))
