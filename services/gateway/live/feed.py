"""One upstream of an environment's events, kept up while somebody watches."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing

import structlog
from prometheus_client import Counter, Gauge

from services.common.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    SpotOnError,
    Unavailable,
)
from services.common.grpc_errors import status_from_error
from services.common.tasks import end_tasks
from services.gateway.live.fanout import Fanout
from services.gateway.live.update import Update
from services.gateway.live.view import Response
from spoton.live.v1 import live_pb2
from spoton.pipeline.v1 import pipeline_pb2

Watch = Callable[[pipeline_pb2.WatchTrackingRequest], AsyncGenerator[Response, None]]
"""Opens a stream of events; what it raises is one of our errors."""

UPSTREAMS = Gauge("spoton_gateway_live_upstreams", "Open streams of events.")
GAPS = Counter("spoton_gateway_live_gaps", "Times that events could not be resumed.")

_RECENT = 600
_TICK_S = 0.02
_PRIMING_S = 5.0
_CATCH_UP_S = 10.0
_QUIET_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_FAILURES_UNTIL_TOLD = 3

_log = structlog.get_logger(__name__)


class EnvironmentFeed:
    """Reads an environment's events once and gives them to all its viewers.

    Attributes:
        fanout: The viewers.
        failure: Why there will never be events; None while there may be.
        users: Contexts in which it is used.
    """

    def __init__(self, environment_id: str, watch: Watch) -> None:
        self.environment_id = environment_id
        self.fanout = Fanout(most_kept=_RECENT)
        self.failure: SpotOnError | None = None
        self.users = 0
        self._watch = watch
        self._token = ""
        self._primed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to read."""
        self._tasks = [
            asyncio.create_task(self._read(), name=f"live {self.environment_id}"),
            asyncio.create_task(self._tick()),
        ]

    async def close(self) -> None:
        """Stop reading."""
        await end_tasks(*self._tasks)

    async def primed(self) -> None:
        """Return once the events of before are there.

        Raises:
            SpotOnError: There will be none.
            Unavailable: They did not come in time.
        """
        try:
            async with asyncio.timeout(_PRIMING_S):
                await self._primed.wait()
        except TimeoutError:
            raise Unavailable("the events are away") from None
        if self.failure is not None:
            raise self.failure

    async def missed(self, resume_token: str) -> list[Update]:
        """Return what followed a token, up to the newest event.

        Raises:
            InvalidInput: The token is not one of the environment.
            NotFound: What followed it is no longer kept.
            Unavailable: It cannot be read now.
        """
        kept = self.fanout.following(resume_token)
        if kept is not None:
            return kept
        older: list[Update] = []
        newest = self.fanout.newest
        request = pipeline_pb2.WatchTrackingRequest(
            environment_id=self.environment_id, resume_token=resume_token
        )
        try:
            async with asyncio.timeout(_CATCH_UP_S):
                await self._read_up(request, older)
        except TimeoutError:
            raise Unavailable("too much was missed to catch up with") from None
        rest = self.fanout.after(older[-1].sequence if older else newest)
        if rest is None and self.fanout.newest:
            raise Unavailable("the events moved on; resume again")
        return older + (rest or [])

    async def _read_up(
        self, request: pipeline_pb2.WatchTrackingRequest, older: list[Update]
    ) -> None:
        """Read into `older` until what is kept here goes on from there."""
        async with aclosing(self._watch(request)) as stream:
            while True:
                try:
                    async with asyncio.timeout(_QUIET_S):
                        response = await anext(stream)
                except (TimeoutError, StopAsyncIteration):
                    return  # Nothing follows.
                if not response.HasField("event"):
                    return
                older.append(Update(response))
                if self.fanout.after(response.event.sequence) is not None:
                    return

    async def _read(self) -> None:
        """Read for ever, through every absence of the source."""
        failures = 0
        with UPSTREAMS.track_inprogress():
            while self.failure is None:
                try:
                    async with aclosing(self._watch(self._request())) as responses:
                        async for response in responses:
                            failures = 0
                            self._take(response)
                except SpotOnError as error:
                    failures += 1
                    if not self._goes_on_after(error):
                        break
                    if failures == _FAILURES_UNTIL_TOLD:
                        self._tell_away()
                else:
                    failures += 1
                await asyncio.sleep(_pause_s(failures))
        self._primed.set()

    def _request(self) -> pipeline_pb2.WatchTrackingRequest:
        return pipeline_pb2.WatchTrackingRequest(
            environment_id=self.environment_id,
            resume_token=self._token,
            recent_events=0 if self._token else _RECENT,
        )

    def _take(self, response: Response) -> None:
        """Keep a message, and give it on unless it is of before."""
        self._token = response.resume_token
        if self._primed.is_set():
            self.fanout.publish(response, time.monotonic())
        elif response.HasField("event"):
            self.fanout.remember(response)
        else:
            self._primed.set()
            self.fanout.show_latest(time.monotonic())  # To those who saw a gap.

    def _goes_on_after(self, error: SpotOnError) -> bool:
        """Return whether to try again after a failure."""
        if isinstance(error, NotFound | InvalidInput) and self._token:
            self._begin_again(error)
            return True
        if isinstance(error, NotFound | InvalidInput | Forbidden):
            self.failure = error
            for viewer in list(self.fanout.viewers()):
                viewer.lose(error)
            return False
        _log.warning(
            "events are away", environment_id=self.environment_id, cause=error.message
        )
        return True

    def _begin_again(self, error: SpotOnError) -> None:
        """Go on with what comes next, and say that something is missing."""
        GAPS.inc()
        _log.warning("gap", environment_id=self.environment_id, cause=error.message)
        self._token = ""
        self.fanout.break_off()
        self._primed.clear()
        gap = live_pb2.Gap(reason="what followed is no longer kept")
        self.fanout.tell_all(live_pb2.LiveMessage(gap=gap), time.monotonic())

    def _tell_away(self) -> None:
        error = Unavailable("the events are away; they follow once they are back")
        self.fanout.tell_all(_failed(error), time.monotonic())

    async def _tick(self) -> None:
        """Look after viewers who have not taken everything."""
        while True:
            await asyncio.sleep(_TICK_S)
            self.fanout.flush(time.monotonic())


class LiveHub:
    """The feeds of all environments that somebody watches."""

    def __init__(self, watch: Watch, *, linger_s: float = 10.0) -> None:
        """Begin with nobody.

        Args:
            watch: Opens upstreams.
            linger_s: How long an upstream goes on without viewers, seconds.
        """
        self._watch = watch
        self._linger_s = linger_s
        self._feeds: dict[str, EnvironmentFeed] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def feed(self, environment_id: str) -> Iterator[EnvironmentFeed]:
        """Have an environment's events read while the context is open."""
        feed = self._feeds.get(environment_id)
        if feed is None or feed.failure is not None:
            feed = EnvironmentFeed(environment_id, self._watch)
            feed.start()
            self._feeds[environment_id] = feed
        feed.users += 1
        try:
            yield feed
        finally:
            feed.users -= 1
            if not feed.users:
                self._end_later(feed)

    async def close(self) -> None:
        """End every upstream."""
        await end_tasks(*self._ending)
        feeds = list(self._feeds.values())
        await asyncio.gather(*(feed.close() for feed in feeds))

    def _end_later(self, feed: EnvironmentFeed) -> None:
        task = asyncio.create_task(self._end(feed))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, feed: EnvironmentFeed) -> None:
        """End a feed unless somebody comes back to it in time."""
        await asyncio.sleep(self._linger_s)
        if feed.users:
            return
        if self._feeds.get(feed.environment_id) is feed:
            del self._feeds[feed.environment_id]
        await feed.close()


def _pause_s(failures: int) -> float:
    """Return how long to wait after so many failures, not all gateways at once."""
    longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(failures, 10))
    return random.uniform(0.5, 1.0) * longest_s  # noqa: S311 - no secret.


def _failed(error: SpotOnError) -> live_pb2.LiveMessage:
    return live_pb2.LiveMessage(error=status_from_error(error))
