"""The upstream of an environment, through absences of the pipeline."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from services.common.errors import NotFound, SpotOnError, Unavailable
from services.gateway.live.feed import LiveHub
from services.gateway.live.view import Response, View
from spoton.pipeline.v1 import pipeline_pb2
from tests.fakes.live_viewers import Reader, tracked

LIMIT_S = 10.0
NOW = Response(resume_token="token-0")  # noqa: S106


class Pipeline:
    """Answers each stream by a script: messages, then what it ends with.

    Attributes:
        requests: Those that opened the streams so far.
    """

    def __init__(self, *scripts: tuple[Sequence[Response], SpotOnError | None]) -> None:
        self.requests: list[pipeline_pb2.WatchTrackingRequest] = []
        self._scripts = list(scripts)

    async def watch(
        self, request: pipeline_pb2.WatchTrackingRequest
    ) -> AsyncGenerator[Response, None]:
        """Yield the next script's messages."""
        self.requests.append(request)
        if not self._scripts:
            await asyncio.Event().wait()
        messages, error = self._scripts.pop(0)
        for message in messages:
            await asyncio.sleep(0)
            yield message
        if error is not None:
            raise error


async def read(reader: Reader, count: int) -> list[int]:
    """Return the sequences that a reader has once they are so many."""
    async with asyncio.timeout(LIMIT_S):
        while len(reader.sequences) < count:
            await asyncio.sleep(0.01)
            reader.read_all(0.0)
    return reader.sequences


async def test_the_upstream_resumes_where_it_broke() -> None:
    """Whether it ends or fails, viewers miss nothing and get nothing twice."""
    pipeline = Pipeline(
        ([NOW, *(tracked(n, {}) for n in (1, 2, 3))], Unavailable("restarting")),
        ([tracked(4, {})], None),
        ([tracked(5, {})], Unavailable("again")),
    )
    hub, reader = LiveHub(pipeline.watch), Reader(patience_s=1e9)
    with hub.feed("plaza") as feed:
        feed.fanout.join(reader.viewer, View())
        assert await read(reader, 5) == [1, 2, 3, 4, 5]
    await hub.close()
    tokens = [request.resume_token for request in pipeline.requests]
    assert tokens[:3] == ["", "token-3", "token-4"]
    recent = [request.recent_events for request in pipeline.requests]
    assert recent[0] > 0
    assert recent[1:3] == [0, 0]


async def test_what_was_before_is_kept_and_not_told() -> None:
    """Recent events fill what viewers may resume from."""
    before = [tracked(n, {1: 0.0}) for n in (1, 2)]
    pipeline = Pipeline(([*before, NOW, tracked(3, {})], None))
    hub, reader = LiveHub(pipeline.watch), Reader(patience_s=1e9)
    with hub.feed("plaza") as feed:
        await feed.primed()
        feed.fanout.join(reader.viewer, View())
        assert await read(reader, 1) == [3]
        assert [one.sequence for one in await feed.missed("token-1")] == [2, 3]
    await hub.close()


async def test_an_absence_is_told_once() -> None:
    """After a few failures viewers hear that events are away."""
    failures = [([], Unavailable("away"))] * 4
    pipeline = Pipeline(([NOW], None), *failures)
    hub, reader = LiveHub(pipeline.watch), Reader(patience_s=1e9)
    with hub.feed("plaza") as feed:
        feed.fanout.join(reader.viewer, View())
        async with asyncio.timeout(LIMIT_S):
            while not reader.read:
                await asyncio.sleep(0.01)
                reader.read_all(0.0)
    await hub.close()
    errors = [message.error.code for message in reader.read]
    assert errors == [14]


async def test_an_environment_that_is_gone_ends_its_viewers() -> None:
    """There is nothing to try again for."""
    pipeline = Pipeline(([], NotFound("no such environment")))
    hub = LiveHub(pipeline.watch)
    with hub.feed("plaza") as feed, pytest.raises(NotFound):
        await feed.primed()
    with hub.feed("plaza") as other:
        assert other is not feed
    await hub.close()
