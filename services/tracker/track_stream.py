"""The protocol of one Track stream: order, credit, the second step, drain."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from prometheus_client import Counter, Histogram

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
from services.tracker.convert import (
    detections_from_proto,
    result_to_proto,
    vectors_from_proto,
)
from services.tracker.domain.frame import Detections
from services.tracker.domain.tracker import Proposal
from services.tracker.service import CameraTracking
from spoton.common.v1 import frame_pb2, stream_pb2
from spoton.tracker.v1 import tracker_pb2

FRAMES = Counter("spoton_tracker_frames_total", "Frames answered.", ("outcome",))
STEP_SECONDS = Histogram(
    "spoton_tracker_step_seconds",
    "Computation for one frame, in two steps.",
    ("step",),
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5),
)
WANTED = Counter("spoton_tracker_embeddings_wanted_total", "Vectors asked for.")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What a client may take.

    Attributes:
        window: Frames that may be unanswered at any time.
        opening_timeout_s: Time for the first message.
        vectors_timeout_s: Time for the vectors of a frame.
    """

    window: int
    opening_timeout_s: float
    vectors_timeout_s: float


@dataclass(frozen=True, slots=True)
class _Question:
    """Vectors that the client was asked for."""

    frame: frame_pb2.FrameRef
    reply: "asyncio.Future[tracker_pb2.TrackEmbeddings]"


@dataclass(frozen=True, slots=True)
class _Begun:
    """A frame whose vectors may be awaited."""

    detections: Detections
    proposal: Proposal


class TrackStream:
    """Answers the frames of one camera, one after the other.

    A reader takes in what the client sends while a frame is computed or waits for its
    vectors. The inbox holds frames; None in it means that something else happened.
    """

    def __init__(
        self,
        requests: AsyncIterator[tracker_pb2.TrackRequest],
        tracking: CameraTracking,
        limits: StreamLimits,
        drain: DrainSignal,
    ) -> None:
        self._requests = requests
        self._tracking = tracking
        self._limits = limits
        self._drain = drain
        self._inbox: asyncio.Queue[tracker_pb2.TrackFrame | None] = asyncio.Queue()
        self._question: _Question | None = None
        self._half_closed = False
        self._must_drain = False
        self._unanswered = 0
        self._last: frame_pb2.FrameRef | None = None

    async def answers(self) -> AsyncGenerator[tracker_pb2.TrackResponse, None]:
        """Yield everything that the client is told.

        Raises:
            InvalidInput: The client broke the protocol.
            Overloaded: It exceeded the credit window.
            DeadlineExceeded: It did not send vectors in time.
            Unavailable: It did not leave within the grace.
        """
        window = stream_pb2.CreditWindow(max_in_flight=self._limits.window)
        yield tracker_pb2.TrackResponse(window=window)
        reader = asyncio.create_task(self._read())
        drainer = asyncio.create_task(self._leave())
        reader.add_done_callback(self._reading_ended)
        drainer.add_done_callback(lambda _: self._inbox.put_nowait(None))
        try:
            while True:
                frame = await self._inbox.get()
                if self._must_drain:
                    self._must_drain = False
                    yield self._drain_message()
                if frame is not None:
                    async with contextlib.aclosing(self._answer(frame)) as responses:
                        async for response in responses:
                            yield response
                if drainer.done():
                    drainer.result()
                if reader.done() and self._inbox.empty():
                    reader.result()
                    return
        finally:
            reader.cancel()
            drainer.cancel()
            await asyncio.gather(reader, drainer, return_exceptions=True)

    async def _read(self) -> None:
        """Take in what the client sends."""
        async for request in self._requests:
            match request.WhichOneof("request"):
                case "frame":
                    self._take_frame(request.frame)
                case "embeddings":
                    self._take_vectors(request.embeddings)
                case "open":
                    raise InvalidInput("the stream is already open", field="open")
                case _:
                    raise InvalidInput("must be set", field="request")

    def _take_frame(self, frame: tracker_pb2.TrackFrame) -> None:
        """Put a frame into the inbox."""
        owner = self._tracking.owner
        for name in ("session_id", "camera_id"):
            if getattr(frame.frame, name) != getattr(owner, name):
                raise InvalidInput(
                    f"must be {getattr(owner, name)!r}, as the stream was opened",
                    field=f"frame.frame.{name}",
                )
        if self._unanswered >= self._limits.window:
            raise Overloaded(f"more than {self._limits.window} frames unanswered")
        self._unanswered += 1
        self._inbox.put_nowait(frame)

    def _take_vectors(self, vectors: tracker_pb2.TrackEmbeddings) -> None:
        """Hand vectors to the frame that waits for them."""
        question, self._question = self._question, None
        index = vectors.frame.frame_index
        if question is None or question.frame.frame_index != index:
            raise InvalidInput(
                f"no vectors are wanted for frame {index}", field="embeddings.frame"
            )
        question.reply.set_result(vectors)

    def _reading_ended(self, reader: "asyncio.Task[None]") -> None:
        """Let nobody wait for a client that says no more."""
        self._half_closed = True
        question, self._question = self._question, None
        if question is not None and not reader.cancelled():
            error = reader.exception()
            if error is None:
                question.reply.set_result(tracker_pb2.TrackEmbeddings())
            else:
                question.reply.set_exception(error)
        self._inbox.put_nowait(None)

    async def _leave(self) -> None:
        """Wait until the client has to go, and until it should have gone."""
        await self._drain.wait()
        self._must_drain = True
        self._inbox.put_nowait(None)
        await asyncio.sleep(self._drain.grace_s)
        raise Unavailable("the stream was asked to reopen elsewhere")

    def _drain_message(self) -> tracker_pb2.TrackResponse:
        """Return what asks the client to reopen."""
        grace = Duration()
        grace.FromMilliseconds(int(1000 * self._drain.grace_s))
        drain = stream_pb2.Drain(grace=grace)
        checkpoint = b"" if self._last is None else self._tracking.checkpoint()
        return tracker_pb2.TrackResponse(
            drain=tracker_pb2.TrackDrain(
                drain=drain, checkpoint=checkpoint, checkpoint_frame=self._last
            )
        )

    async def _answer(
        self, frame: tracker_pb2.TrackFrame
    ) -> AsyncGenerator[tracker_pb2.TrackResponse, None]:
        """Yield what answers one frame: tracks or a refusal, a question before it.

        An error of the frame itself is told to the client and the stream goes on; one
        while waiting for vectors is an error of the stream.
        """
        begin_s = time.perf_counter()
        try:
            begun = await self._begin(frame)
        except SpotOnError as error:
            yield self._refusal(frame, error)
            return
        wanted, vectors = begun.proposal.wanted, tracker_pb2.TrackEmbeddings()
        if len(wanted) and not self._half_closed:
            WANTED.inc(len(wanted))
            question = _Question(
                frame.frame, asyncio.get_running_loop().create_future()
            )
            self._question = question
            yield tracker_pb2.TrackResponse(
                frame=frame.frame,
                embeddings_wanted=tracker_pb2.EmbeddingsWanted(
                    detection_indices=wanted.tolist()
                ),
            )
            vectors = await self._reply(question)
        try:
            response = await self._settle(frame, begun, vectors)
        except SpotOnError as error:
            response = self._refusal(frame, error)
        record_span("tracker.track", frame.frame.traceparent, begin_s)
        yield response

    async def _begin(self, frame: tracker_pb2.TrackFrame) -> _Begun:
        """Return how to take a frame."""

        def begin() -> _Begun:
            with STEP_SECONDS.labels("begin").time():
                detections = detections_from_proto(frame)
                return _Begun(detections, self._tracking.begin(detections))

        return await self._compute(begin, frame)

    async def _settle(
        self,
        frame: tracker_pb2.TrackFrame,
        begun: _Begun,
        message: tracker_pb2.TrackEmbeddings,
    ) -> tracker_pb2.TrackResponse:
        """Return the tracks of a frame."""

        def settle() -> tracker_pb2.TrackResult:
            with STEP_SECONDS.labels("settle").time():
                vectors = vectors_from_proto(message, begun.proposal.wanted)
                answer = self._tracking.settle(
                    begun.detections, frame.frame.frame_index, begun.proposal, vectors
                )
                return result_to_proto(answer)

        result = await self._compute(settle, frame)
        self._last = frame.frame
        self._unanswered -= 1
        FRAMES.labels("tracked").inc()
        return tracker_pb2.TrackResponse(frame=frame.frame, result=result)

    def _refusal(
        self, frame: tracker_pb2.TrackFrame, error: SpotOnError
    ) -> tracker_pb2.TrackResponse:
        """Return why a frame was not used."""
        self._unanswered -= 1
        FRAMES.labels("refused").inc()
        status = status_from_error(error)
        return tracker_pb2.TrackResponse(frame=frame.frame, status=status)

    async def _reply(self, question: _Question) -> tracker_pb2.TrackEmbeddings:
        """Return the vectors that were asked for."""
        try:
            async with asyncio.timeout(self._limits.vectors_timeout_s):
                return await question.reply
        except TimeoutError:
            raise DeadlineExceeded(
                f"no vectors for frame {question.frame.frame_index} within "
                f"{self._limits.vectors_timeout_s:g} s"
            ) from None

    async def _compute(
        self, step: Callable[[], Result], frame: tracker_pb2.TrackFrame
    ) -> Result:
        """Return what a step returns; a slow one is computed beside the event loop."""
        if len(frame.detections) < self._tracking.slow_from:
            return step()
        return await asyncio.to_thread(step)
