"""The two sides of a hot stream against each other, over real gRPC."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc import aio

from services.common.answer_stream import answer_in_order
from services.common.auth import ScopeInterceptor
from services.common.drain import DrainSignal
from services.common.errors import (
    InvalidInput,
    Overloaded,
    SpotOnError,
    Unavailable,
)
from services.common.grpc_client import open_channel
from services.common.grpc_errors import status_from_error
from services.common.grpc_server import running_server, start_server
from services.common.item_stream import ItemStream, StatelessDialect
from services.common.mesh.policy import LoopbackPolicy
from spoton.common.v1 import frame_pb2, stream_pb2
from spoton.detector.v1 import detector_pb2, detector_pb2_grpc


class Echo:
    """Answers each frame by itself; refuses index 13, is slow where told."""

    def __init__(self) -> None:
        self.slow = asyncio.Event()
        self.slow.set()
        self.seen: list[int] = []

    def opening(self, window: int) -> detector_pb2.DetectResponse:
        return detector_pb2.DetectResponse(
            window=stream_pb2.CreditWindow(max_in_flight=window)
        )

    async def answer(
        self, request: detector_pb2.DetectRequest
    ) -> detector_pb2.DetectResponse:
        index = request.frame.frame_index
        self.seen.append(index)
        if index % 3 == 0:
            await self.slow.wait()
            await asyncio.sleep(0)
        if index == 13:
            raise InvalidInput("is unlucky", field="frame.frame_index")
        result = detector_pb2.DetectResult(model_id="echo")
        return detector_pb2.DetectResponse(frame=request.frame, result=result)

    def refusal(
        self, request: detector_pb2.DetectRequest, error: SpotOnError
    ) -> detector_pb2.DetectResponse:
        return detector_pb2.DetectResponse(
            frame=request.frame, status=status_from_error(error)
        )

    def draining(self, grace_s: float) -> detector_pb2.DetectResponse:
        drain = stream_pb2.Drain()
        drain.grace.FromMilliseconds(int(grace_s * 1000))
        return detector_pb2.DetectResponse(drain=drain)


class EchoServicer(detector_pb2_grpc.DetectorServiceServicer):
    """Serves `Detect` with an echo."""

    def __init__(self, echo: Echo, window: int, drain: DrainSignal) -> None:
        self._echo, self._window, self._drain = echo, window, drain
        self.streams = 0

    def Detect(self, request_iterator, context):
        self.streams += 1
        return answer_in_order(
            request_iterator, self._echo, window=self._window, drain=self._drain
        )


@asynccontextmanager
async def echo_server(
    servicer: EchoServicer,
) -> AsyncIterator["detector_pb2_grpc.DetectorServiceAsyncStub"]:
    """Serve a servicer and give a stub to call it with."""

    def register(server: aio.Server) -> Sequence[str]:
        detector_pb2_grpc.add_DetectorServiceServicer_to_server(servicer, server)
        return ("spoton.detector.v1.DetectorService",)

    async with running_server(register) as address, open_channel(address) as channel:
        yield detector_pb2_grpc.DetectorServiceStub(channel)


def frame(index: int) -> detector_pb2.DetectRequest:
    """Return a request about one frame, without tiles."""
    return detector_pb2.DetectRequest(frame=frame_pb2.FrameRef(frame_index=index))


async def ask_all(stream: ItemStream, count: int) -> list[int]:
    """Return the frame indices of the answers to `count` frames asked at once."""
    answers = await asyncio.gather(*(stream.ask(frame(i)) for i in range(count)))
    return [answer.frame.frame_index for answer in answers]


async def test_answers_come_in_order_within_the_window() -> None:
    """Many items, some slow, are answered each with its own answer."""
    echo = Echo()
    async with echo_server(EchoServicer(echo, 4, DrainSignal())) as stub:
        stream = ItemStream(stub.Detect, StatelessDialect(), name="echo")
        assert await ask_all(stream, 12) == list(range(12))
        await stream.close()


async def test_a_bad_item_costs_one_item() -> None:
    """An item that cannot be used is answered with a status, and the stream goes on."""
    async with echo_server(EchoServicer(Echo(), 4, DrainSignal())) as stub:
        stream = ItemStream(stub.Detect, StatelessDialect(), name="echo")
        refused = await stream.ask(frame(13))
        assert refused.status.code == 3
        assert (await stream.ask(frame(14))).WhichOneof("outcome") == "result"
        assert stream.reopened == 0
        await stream.close()


async def test_a_client_beyond_the_window_is_ended() -> None:
    """Sending more than the window ends the stream with RESOURCE_EXHAUSTED."""
    echo = Echo()
    echo.slow.clear()
    async with echo_server(EchoServicer(echo, 2, DrainSignal())) as stub:
        call = stub.Detect()
        for index in (0, 3, 6):
            await call.write(frame(index))
        assert (await call.read()).window.max_in_flight == 2
        with pytest.raises(aio.AioRpcError) as failure:
            await call.read()
        assert failure.value.code().name == "RESOURCE_EXHAUSTED"


async def test_a_draining_server_loses_nothing() -> None:
    """A stream that is asked to move reopens, and every item has its answer."""
    echo = Echo()
    servicer = EchoServicer(echo, 4, DrainSignal(max_stream_age_s=0.05))
    async with echo_server(servicer) as stub:
        stream = ItemStream(stub.Detect, StatelessDialect(), name="echo")
        async with asyncio.timeout(20):
            index = 0
            while stream.reopened < 3:
                answer = await stream.ask(frame(1 + 3 * index))
                assert answer.frame.frame_index == 1 + 3 * index
                index += 1
        assert servicer.streams >= 3
        await stream.close()


async def test_an_empty_stream_ends_well() -> None:
    """A client that half-closes without an item gets the window and a clean end."""
    async with echo_server(EchoServicer(Echo(), 4, DrainSignal())) as stub:
        call = stub.Detect()
        await call.done_writing()
        assert [answer.WhichOneof("outcome") async for answer in call] == ["window"]


async def test_a_cancelled_stream_cancels_its_work() -> None:
    """Work for a client that has gone is cancelled, and the server serves others."""
    echo = Echo()
    echo.slow.clear()
    async with echo_server(EchoServicer(echo, 4, DrainSignal())) as stub:
        call = stub.Detect()
        await call.write(frame(0))
        await call.read()
        call.cancel()
        stream = ItemStream(stub.Detect, StatelessDialect(), name="echo")
        assert (await stream.ask(frame(1))).frame.frame_index == 1
        await stream.close()


async def test_items_survive_a_server_that_dies_and_returns() -> None:
    """Items in flight are sent again to the replica that comes next."""
    echo = Echo()
    echo.slow.clear()
    servicer = EchoServicer(echo, 8, DrainSignal())

    def register(server: aio.Server) -> Sequence[str]:
        detector_pb2_grpc.add_DetectorServiceServicer_to_server(servicer, server)
        return ("spoton.detector.v1.DetectorService",)

    guard = ScopeInterceptor(LoopbackPolicy())
    first, port, health = await start_server("127.0.0.1:0", register, guard)
    await health.set_serving(True)
    async with open_channel(f"127.0.0.1:{port}") as channel:
        stub = detector_pb2_grpc.DetectorServiceStub(channel)
        stream = ItemStream(stub.Detect, StatelessDialect(), name="echo")
        asking = asyncio.create_task(ask_all(stream, 6))
        async with asyncio.timeout(10):
            while not echo.seen:
                await asyncio.sleep(0.01)
        await first.stop(None)
        echo.slow.set()
        second, _, health = await start_server(f"127.0.0.1:{port}", register, guard)
        await health.set_serving(True)
        async with asyncio.timeout(20):
            assert await asking == list(range(6))
        await stream.close()
        await second.stop(None)


async def test_a_stream_without_server_gives_up_when_told() -> None:
    """Asking fails with Unavailable once the time to give up has passed."""
    async with open_channel("127.0.0.1:1") as channel:
        stub = detector_pb2_grpc.DetectorServiceStub(channel)
        stream = ItemStream(
            stub.Detect, StatelessDialect(), name="nobody", give_up_after_s=0.2
        )
        with pytest.raises(Unavailable):
            await stream.ask(frame(0))
        await stream.close()


async def test_overload_is_not_retried() -> None:
    """A status that another replica would give too fails whoever asks."""

    class Refusing(detector_pb2_grpc.DetectorServiceServicer):
        async def Detect(self, request_iterator, context):
            raise Overloaded("full")
            yield

    async with echo_server(Refusing()) as stub:
        stream = ItemStream(stub.Detect, StatelessDialect(), name="full")
        with pytest.raises(Overloaded, match="full"):
            await stream.ask(frame(0))
        await stream.close()


async def test_a_closed_stream_lets_the_server_finish() -> None:
    """A server learns that no more will come, and is not cut off."""
    finished = asyncio.Event()

    class Finishing(EchoServicer):
        async def Detect(self, request_iterator, context):
            answers = answer_in_order(
                request_iterator, self._echo, window=4, drain=self._drain
            )
            async for answer in answers:
                yield answer
            finished.set()

    async with echo_server(Finishing(Echo(), 4, DrainSignal())) as stub:
        stream = ItemStream(stub.Detect, StatelessDialect(), name="echo")
        await stream.ask(frame(1))
        await stream.close()
        assert finished.is_set()


async def test_a_server_that_dies_while_the_client_completes_an_item() -> None:
    """A second request that meets a dead call is sent again to the next replica."""
    asked = 0

    class TwoSteps(detector_pb2_grpc.DetectorServiceServicer):
        async def Detect(self, request_iterator, context):
            nonlocal asked
            asked += 1
            yield detector_pb2.DetectResponse(
                window=stream_pb2.CreditWindow(max_in_flight=1)
            )
            async for request in request_iterator:
                if not request.tiles:
                    yield detector_pb2.DetectResponse(frame=request.frame)
                    if asked == 1:
                        await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
                else:
                    result = detector_pb2.DetectResult(model_id="whole")
                    yield detector_pb2.DetectResponse(
                        frame=request.frame, result=result
                    )

    class Asking(StatelessDialect):
        def asks_more(self, answer) -> bool:
            return answer.WhichOneof("outcome") is None

    async with echo_server(TwoSteps()) as stub:
        calls = 0

        async def complete(answer):
            nonlocal calls
            calls += 1
            await asyncio.sleep(0.3)  # The call ends meanwhile.
            request = detector_pb2.DetectRequest(frame=answer.frame)
            request.tiles.add()
            return request

        stream = ItemStream(stub.Detect, Asking(), name="two steps")
        async with asyncio.timeout(10):
            answer = await stream.ask(frame(5), complete)
        assert answer.result.model_id == "whole"
        assert (asked, calls) == (2, 1)
        await stream.close()
