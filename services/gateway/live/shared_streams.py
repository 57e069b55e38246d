"""Streams of the protos, answered from what the gateway reads once for all viewers."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from google.protobuf.message import Message

from services.common.errors import NotReady, SpotOnError, Unavailable
from services.gateway.live.feed import LiveHub
from services.gateway.live.form import Form
from services.gateway.live.pipeline_source import PipelineSource
from services.gateway.live.quota import ViewerQuota
from services.gateway.live.update import Note, Update
from services.gateway.live.view import Response, View
from services.gateway.live.viewer import MOST_BACKLOG_BYTES, Viewer
from spoton.pipeline.v1 import pipeline_pb2

WATCH_TRACKING = "spoton.pipeline.v1.PipelineService.WatchTracking"
WATCH_PREVIEW = "spoton.pipeline.v1.PipelineService.WatchPreview"


class SharedCall:
    """A running call, as gRPC has it, over answers that are made here."""

    def __init__(self, answers: AsyncGenerator[Any, None]) -> None:
        self._answers = answers
        self._closing: asyncio.Future[None] | None = None

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._answers

    def cancel(self) -> None:
        """End the call."""
        self._closing = asyncio.ensure_future(self._answers.aclose())


class SharedTracking:
    """Answers `WatchTracking` by the environment's feed."""

    def __init__(
        self, hub: LiveHub, source: PipelineSource, quota: ViewerQuota
    ) -> None:
        self._hub = hub
        self._source = source
        self._quota = quota

    def call(self, request: Message) -> SharedCall | None:
        """Return the running call; None for one that needs a stream of its own.

        A reader that wants everything, or to begin in the past, is none of many.
        """
        wish = pipeline_pb2.WatchTrackingRequest.FromString(request.SerializeToString())
        if wish.lossless or wish.from_start or wish.recent_events:
            return None
        return SharedCall(self._responses(wish))

    async def _responses(
        self, wish: pipeline_pb2.WatchTrackingRequest
    ) -> AsyncGenerator[Response, None]:
        timeline_id = ""
        if wish.session_id:
            session = await self._source.session(wish.environment_id, wish.session_id)
            timeline_id = session.timeline_id
        view = View(session_id=wish.session_id, timeline_id=timeline_id)
        async with self._quota.watching(wish.environment_id):
            async for response in self._seen(wish, view):
                yield response

    async def _seen(
        self, wish: pipeline_pb2.WatchTrackingRequest, view: View
    ) -> AsyncGenerator[Response, None]:
        """Yield what a view shows of the environment's feed."""
        with self._hub.feed(wish.environment_id) as feed:
            await feed.primed()
            token = wish.resume_token
            missed = await feed.missed(token) if token else []
            viewer = _PulledViewer()
            feed.fanout.join(viewer, view)
            viewer.catch_up(missed, time.monotonic())
            try:
                while True:
                    update, left_out = await viewer.pull()
                    response = update.seen(view)
                    if left_out and response is not None:
                        told = Response()
                        told.CopyFrom(response)
                        told.coalesced += left_out
                        response = told
                    if response is not None:
                        yield response
            finally:
                feed.fanout.leave(viewer)


class SharedPreviews:
    """Answers `WatchPreview` by the session's owner, who alone has the pictures."""

    def __init__(self, source: PipelineSource, quota: ViewerQuota) -> None:
        self._source = source
        self._quota = quota

    def call(self, request: Message) -> SharedCall:
        """Return the running call."""
        wish = pipeline_pb2.WatchPreviewRequest.FromString(request.SerializeToString())
        return SharedCall(self._responses(wish))

    async def _responses(
        self, wish: pipeline_pb2.WatchPreviewRequest
    ) -> AsyncGenerator[pipeline_pb2.WatchPreviewResponse, None]:
        session = await self._source.session(wish.environment_id, wish.session_id)
        if not session.owner_address:
            raise NotReady("nobody runs the session now")
        async with self._quota.watching(wish.environment_id):
            async for response in self._source.previews(session.owner_address, wish):
                yield response


class _PulledViewer(Viewer):
    """A viewer who fetches what waits, one message at a time."""

    def __init__(self) -> None:
        super().__init__(self, Form.PROTOBUF, self._fail)
        self._arrived = asyncio.Event()
        self._failure: SpotOnError | None = None

    def backlog(self) -> int:
        """Return that nothing is ever written at once."""
        return MOST_BACKLOG_BYTES

    def write(self, frame: bytes, /) -> None:
        """Never called, see `backlog`."""
        raise NotImplementedError

    def offer(self, item: Update | Note, frame: bytes, now_s: float) -> None:
        """Take the next item."""
        super().offer(item, frame, now_s)
        self._arrived.set()

    async def pull(self) -> tuple[Update, int]:
        """Return the next update, and how many states were left out before it.

        Raises:
            Overloaded: Nothing was pulled for too long.
            Unavailable: Events were lost on the way here.
        """
        while True:
            self._arrived.clear()
            if self._failure is not None:
                raise self._failure
            item = self._queue.take(now_s=time.monotonic())
            if isinstance(item, Update):
                left_out, self._queue.left_out = self._queue.left_out, 0
                return item, left_out
            if item is not None and item.breaks:
                raise Unavailable("events were lost; resume, or begin again")
            if item is None:
                await self._arrived.wait()

    def _fail(self, error: SpotOnError) -> None:
        self._failure = error
        self._arrived.set()
