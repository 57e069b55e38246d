"""The client's side of a hot stream against a call that is seen through."""

import asyncio
from typing import Any

import grpc
from grpc import aio

from services.common.item_stream import ItemStream, StatelessDialect
from spoton.common.v1 import stream_pb2
from spoton.detector.v1 import detector_pb2

Response = detector_pb2.DetectResponse


class SlowCall:
    """A call in two steps on which every message takes a while to be sent.

    Attributes:
        most_at_once: Most messages that were being sent at a time.
    """

    def __init__(self) -> None:
        self.most_at_once = 0
        self._sending = 0
        self._answers: asyncio.Queue[Any] = asyncio.Queue()
        window = stream_pb2.CreditWindow(max_in_flight=4)
        self._answers.put_nowait(Response(window=window))

    async def write(self, request: detector_pb2.DetectRequest) -> None:
        """Send a message, whose answer comes while the next one is being sent."""
        self._sending += 1
        self.most_at_once = max(self.most_at_once, self._sending)
        answer = Response(frame=request.frame)
        if request.tiles:
            answer.result.model_id = "whole"
        self._answers.put_nowait(answer)
        for _ in range(10):
            await asyncio.sleep(0)
        self._sending -= 1

    async def read(self) -> Any:
        return await self._answers.get()

    async def done_writing(self) -> None:
        self._answers.put_nowait(aio.EOF)

    def cancel(self) -> bool:
        return True

    async def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.OK


class TwoSteps(StatelessDialect):
    """Every item is completed by a second message."""

    def asks_more(self, answer: Response) -> bool:
        return answer.WhichOneof("outcome") is None


async def test_one_message_is_sent_at_a_time() -> None:
    """The message that completes an item waits for the one that is being sent."""
    call = SlowCall()
    stream = ItemStream(lambda: call, TwoSteps(), name="slow")

    async def complete(answer: Response) -> detector_pb2.DetectRequest:
        request = detector_pb2.DetectRequest(frame=answer.frame)
        request.tiles.add()
        return request

    requests = [detector_pb2.DetectRequest() for _ in range(4)]
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*(stream.ask(one, complete) for one in requests))
    await stream.close()
    assert [one.result.model_id for one in answers] == ["whole"] * 4
    assert call.most_at_once == 1
