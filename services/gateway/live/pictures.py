"""Pictures of cameras, fetched once from the session's owner however many watch."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

import structlog
from prometheus_client import Gauge

from services.common.errors import NotFound, NotReady, SpotOnError, Unavailable
from services.common.tasks import end_tasks
from services.gateway.live.pipeline_source import PipelineSource
from spoton.pipeline.v1 import pipeline_pb2

PREVIEWS = Gauge("spoton_gateway_preview_upstreams", "Open streams of previews.")
BOUNDARY = "spoton-picture"

_FIRST_PICTURE_S = 10.0
_LINGER_S = 2.0
_PAUSE_S = 0.3
_TRIES = 20
_RUNNING = (pipeline_pb2.SESSION_STATE_RUNNING, pipeline_pb2.SESSION_STATE_PAUSED)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PictureWish:
    """Which pictures somebody wants; whoever wants the same gets the same bytes.

    Attributes:
        environment_id: Environment.
        session_id: Session; empty for the newest that shows the camera.
        camera_id: Camera.
        max_rate_hz: Pictures per second; 0 for the default.
        width_px: Width; 0 for the default.
        quality: Quality of the JPEG files; 0 for the default.
        overlays: Whether boxes and labels are drawn.
    """

    environment_id: str
    session_id: str
    camera_id: str
    max_rate_hz: float = 0.0
    width_px: int = 0
    quality: int = 0
    overlays: bool = False


class CameraPicture:
    """One picture, and how it is written to viewers.

    Attributes:
        response: As the owner sent it.
        part: As a part of a multipart answer.
        message: As protobuf.
    """

    __slots__ = ("message", "part", "response")

    def __init__(self, response: pipeline_pb2.WatchPreviewResponse) -> None:
        self.response = response
        self.message = response.SerializeToString()
        head = (
            f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
            f"Content-Length: {len(response.jpeg)}\r\n"
            f"X-Capture-Time: {response.capture_time.ToJsonString()}\r\n\r\n"
        )
        self.part = head.encode() + response.jpeg + b"\r\n"


class PictureFeed:
    """The newest picture of one wish, while somebody wants it."""

    def __init__(self, wish: PictureWish, source: PipelineSource) -> None:
        self.wish = wish
        self.users = 0
        self.has_ended = False
        self._source = source
        self._newest: CameraPicture | None = None
        self._failure: SpotOnError | None = None
        self._change = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def close(self) -> None:
        """Stop fetching."""
        await end_tasks(self._task)

    async def pictures(self) -> AsyncGenerator[CameraPicture, None]:
        """Yield the newest picture, then each newer one that there is time for.

        Raises:
            NotFound: No session shows the camera.
            Unavailable: The first picture did not come in time, or the owner is lost.
            SpotOnError: The owner refuses.
        """
        shown: CameraPicture | None = None
        while True:
            change = self._change
            if self._newest is not None and self._newest is not shown:
                shown = self._newest
                yield shown
            elif self.has_ended:
                if self._failure is not None:
                    raise self._failure
                return
            else:
                await self._until(change, None if shown else _FIRST_PICTURE_S)

    async def _until(self, change: asyncio.Event, limit_s: float | None) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await change.wait()
        except TimeoutError:
            raise Unavailable("no picture came in time") from None

    async def _read(self) -> None:
        try:
            with PREVIEWS.track_inprogress():
                await self._follow_session()
        except SpotOnError as error:
            self._failure = error
        except Exception:  # noqa: BLE001 - viewers are told, whatever it was.
            _log.exception("preview failed")
            self._failure = SpotOnError("the pictures failed")
        finally:
            self.has_ended = True
            self._wake()

    async def _follow_session(self) -> None:
        """Read from owner after owner until the session has ended.

        Raises:
            NotFound: No session shows the camera.
            Unavailable: Nobody showed it for too long.
        """
        failures = 0
        while True:
            try:
                session = await self._session()
                if session.owner_address:
                    async for response in self._responses(session):
                        failures = 0
                        self._newest = CameraPicture(response)
                        self._wake()
                failure: SpotOnError = Unavailable("nobody runs the session now")
            except NotFound:
                if self._newest is not None:
                    return  # What was shown has ended.
                raise
            except (Unavailable, NotReady) as error:
                failure = error
            failures += 1
            if failures > _TRIES:
                raise Unavailable(failure.message)
            await asyncio.sleep(_PAUSE_S)

    async def _responses(
        self, session: pipeline_pb2.Session
    ) -> AsyncGenerator[pipeline_pb2.WatchPreviewResponse, None]:
        wish = self.wish
        request = pipeline_pb2.WatchPreviewRequest(
            environment_id=wish.environment_id,
            session_id=session.session_id,
            camera_ids=[wish.camera_id],
            max_rate_hz=wish.max_rate_hz,
            width_px=wish.width_px,
            quality=wish.quality,
            overlays=wish.overlays,
        )
        responses = self._source.previews(session.owner_address, request)
        async with aclosing(responses):
            async for response in responses:
                yield response

    async def _session(self) -> pipeline_pb2.Session:
        """Return the session to show.

        Raises:
            NotFound: There is none that goes on.
            Unavailable: The pipeline is away.
        """
        wish = self.wish
        if wish.session_id:
            sessions = [
                await self._source.session(wish.environment_id, wish.session_id)
            ]
        else:
            sessions = await self._source.newest_sessions(wish.environment_id)
        for session in sessions:
            cameras = (camera.camera_id for camera in session.cameras)
            if session.state in _RUNNING and wish.camera_id in cameras:
                return session
        raise NotFound(f"no session shows camera {wish.camera_id} now")

    def _wake(self) -> None:
        self._change.set()
        self._change = asyncio.Event()


class PictureHub:
    """All feeds of pictures."""

    def __init__(self, source: PipelineSource, *, linger_s: float = _LINGER_S) -> None:
        self._source = source
        self._linger_s = linger_s
        self._feeds: dict[PictureWish, PictureFeed] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def feed(self, wish: PictureWish) -> Iterator[PictureFeed]:
        """Have pictures fetched while the context is open."""
        feed = self._feeds.get(wish)
        if feed is None or feed.has_ended:
            feed = self._feeds[wish] = PictureFeed(wish, self._source)
        feed.users += 1
        try:
            yield feed
        finally:
            feed.users -= 1
            if not feed.users:
                task = asyncio.create_task(self._end(feed))
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End every feed."""
        await end_tasks(*self._ending)
        await asyncio.gather(*(feed.close() for feed in self._feeds.values()))

    async def _end(self, feed: PictureFeed) -> None:
        """End a feed unless somebody comes back to it in time."""
        await asyncio.sleep(self._linger_s)
        if feed.users:
            return
        if self._feeds.get(feed.wish) is feed:
            del self._feeds[feed.wish]
        await feed.close()
