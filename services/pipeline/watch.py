"""What `WatchTracking` streams, from its request to its last message."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Protocol

from services.common.drain import DrainSignal
from services.common.errors import InvalidInput, Unavailable
from services.common.ids import EnvironmentId, SessionId
from services.common.tasks import end_tasks
from services.pipeline.convert import environment_id_from_proto
from services.pipeline.domain.coalescing import Delivery
from services.pipeline.domain.resume import resume_token, sequence_from_token
from services.pipeline.domain.session import SessionScope
from services.pipeline.service import CameraCatalog, SessionStore
from spoton.common.v1 import events_pb2
from spoton.pipeline.v1 import pipeline_pb2

MOST_RECENT_EVENTS = 10_000
"""Most events of before that a watcher may begin with."""

Deliveries = AsyncGenerator[Delivery[events_pb2.EnvironmentEvent], None]


class EventSource(Protocol):
    """Delivers events; raises Unavailable while the event log is away."""

    async def newest(self, environment_id: EnvironmentId) -> int:
        """Return the sequence of the newest event; 0 before the first."""

    async def before_oldest(self, environment_id: EnvironmentId) -> int:
        """Return the sequence after which everything that is kept follows."""

    def deliveries(
        self,
        environment_id: EnvironmentId,
        after: int,
        only: SessionScope | None = None,
    ) -> Deliveries:
        """Yield what follows, the latest state alone where the caller is slow."""

    def every_delivery(
        self,
        environment_id: EnvironmentId,
        after: int,
        only: SessionScope | None = None,
    ) -> Deliveries:
        """Yield all that follows, however slow the caller is."""


class TrackingWatch:
    """Streams events to watchers until the server drains."""

    def __init__(
        self,
        events: EventSource,
        catalog: CameraCatalog,
        sessions: SessionStore,
        drain: DrainSignal,
    ) -> None:
        self._events = events
        self._catalog = catalog
        self._sessions = sessions
        self._drain = drain

    async def responses(
        self, request: pipeline_pb2.WatchTrackingRequest
    ) -> AsyncIterator[pipeline_pb2.WatchTrackingResponse]:
        """Yield the answers to a request.

        Raises:
            InvalidInput: The token is not one of the environment.
            NotFound: The environment, the session or the token's events are gone.
            Overloaded: The watcher stayed behind.
            Unavailable: A store is away, or the server drains.
        """
        environment_id = environment_id_from_proto(request.environment_id)
        await self._catalog.cameras(environment_id)
        scope = await self._scope(environment_id, request.session_id)
        after = await self._start(environment_id, request)
        deliver = (
            self._events.every_delivery if request.lossless else self._events.deliveries
        )
        recent_until = 0
        if request.recent_events:
            recent_until = await self._events.newest(environment_id)
            if after >= recent_until:
                recent_until = 0
                yield _sign_of_life(environment_id, after)
        deliveries = deliver(environment_id, after, scope)
        async with aclosing(_until_drained(deliveries, self._drain)) as until_drained:
            async for delivery in until_drained:
                yield pipeline_pb2.WatchTrackingResponse(
                    event=delivery.message,
                    resume_token=resume_token(environment_id, delivery.sequence),
                    coalesced=delivery.coalesced,
                )
                if 0 < recent_until <= delivery.sequence:
                    recent_until = 0
                    yield _sign_of_life(environment_id, delivery.sequence)

    async def _scope(
        self, environment_id: EnvironmentId, session_id: str
    ) -> SessionScope | None:
        if not session_id:
            return None
        session = await self._sessions.get(environment_id, SessionId(session_id))
        return SessionScope(session.session_id, session.timeline_id)

    async def _start(
        self,
        environment_id: EnvironmentId,
        request: pipeline_pb2.WatchTrackingRequest,
    ) -> int:
        """Return the sequence after which to begin."""
        if request.resume_token and request.from_start:
            raise InvalidInput("not together with resume_token", field="from_start")
        if request.recent_events:
            return await self._before_recent(environment_id, request)
        if request.resume_token:
            return sequence_from_token(request.resume_token, environment_id)
        if request.from_start:
            return await self._events.before_oldest(environment_id)
        return await self._events.newest(environment_id)

    async def _before_recent(
        self,
        environment_id: EnvironmentId,
        request: pipeline_pb2.WatchTrackingRequest,
    ) -> int:
        """Return the sequence after which the newest events follow."""
        if request.resume_token or request.from_start:
            raise InvalidInput(
                "not together with resume_token or from_start", field="recent_events"
            )
        if request.recent_events > MOST_RECENT_EVENTS:
            raise InvalidInput(
                f"must be at most {MOST_RECENT_EVENTS}", field="recent_events"
            )
        newest = await self._events.newest(environment_id)
        oldest = await self._events.before_oldest(environment_id)
        return max(oldest, newest - request.recent_events)


def _sign_of_life(
    environment_id: EnvironmentId, sequence: int
) -> pipeline_pb2.WatchTrackingResponse:
    """Return a message without event."""
    token = resume_token(environment_id, sequence)
    return pipeline_pb2.WatchTrackingResponse(resume_token=token)


async def _until_drained(deliveries: Deliveries, drain: DrainSignal) -> Deliveries:
    """Yield `deliveries` until the server asks its streams to move.

    Raises:
        Unavailable: It does; the caller resumes elsewhere.
    """
    draining = asyncio.ensure_future(drain.wait())
    following: asyncio.Future[Delivery[events_pb2.EnvironmentEvent]] | None = None
    try:
        while True:
            following = asyncio.ensure_future(anext(deliveries))
            await asyncio.wait(
                (draining, following), return_when=asyncio.FIRST_COMPLETED
            )
            if not following.done():
                raise Unavailable("the server is about to stop; resume elsewhere")
            try:
                delivery = following.result()
            except StopAsyncIteration:
                return
            yield delivery
    finally:
        await end_tasks(draining, *([] if following is None else [following]))
        await deliveries.aclose()
