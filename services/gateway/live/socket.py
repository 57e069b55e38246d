"""The WebSocket on which a viewer sees what happens in an environment."""

import asyncio
import time

import structlog
from aiohttp import WSMsgType, web
from prometheus_client import Counter, Gauge

from services.common.errors import (
    Forbidden,
    NotFound,
    SpotOnError,
    Unauthenticated,
)
from services.common.grpc_errors import status_from_error
from services.common.ids import require_resource_id
from services.common.tasks import end_tasks
from services.gateway.cors import require_known_origin
from services.gateway.limits.policy import RouteClass
from services.gateway.live.closing import (
    FAULT,
    STOPPING,
    bound_send_buffer,
    close_code,
    close_for_certain,
    cut_off_later,
    needs_upgrade,
)
from services.gateway.live.fanout import subscribed
from services.gateway.live.feed import EnvironmentFeed, LiveHub
from services.gateway.live.first_message import first_proof, proof_of
from services.gateway.live.form import Form
from services.gateway.live.pipeline_source import PipelineSource
from services.gateway.live.quota import ViewerQuota
from services.gateway.live.requests import (
    MOST_BYTES,
    RequestBudget,
    read_request,
    trail_s,
    view_of,
)
from services.gateway.live.standing import Doorkeeper, Proof, require_scope
from services.gateway.live.tickets import Purpose
from services.gateway.live.update import Update
from services.gateway.live.viewer import Viewer
from services.gateway.sockets import wants_socket
from spoton.live.v1 import live_pb2

SCOPE = "tracking:read"
HEARTBEAT_S = 20.0

VIEWERS = Gauge("spoton_gateway_live_viewers", "Open WebSockets of viewers.")
CLOSED = Counter(
    "spoton_gateway_live_closed", "WebSockets that the gateway closed.", ["code"]
)

_log = structlog.get_logger(__name__)


class LiveSockets:
    """All WebSockets of viewers."""

    def __init__(
        self,
        hub: LiveHub,
        source: PipelineSource,
        doorkeeper: Doorkeeper,
        quota: ViewerQuota,
    ) -> None:
        """Keep the collaborators.

        Args:
            hub: Reads events.
            source: Knows sessions.
            doorkeeper: Knows who may watch.
            quota: Bounds how many do.
        """
        self.hub = hub
        self.source = source
        self.doorkeeper = doorkeeper
        self.quota = quota
        self._open: set[_Connection] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer the opening of a WebSocket.

        Raises:
            HttpProblem: It is none, or a page of a foreign origin opens it.
            SpotOnError: The caller is not known or may not watch.
        """
        require_known_origin(request)
        socket = web.WebSocketResponse(
            protocols=[form.value for form in Form],
            heartbeat=HEARTBEAT_S,
            max_msg_size=MOST_BYTES,
            compress=False,
        )
        proof = await self.doorkeeper.by_request(
            request, Purpose.WATCH, RouteClass.STREAM
        )
        is_opening = wants_socket(request)
        if proof is None and not is_opening:
            raise Unauthenticated("an access token or a ticket is needed")
        environment_id = require_resource_id(
            request.match_info["environment_id"], "environment_id"
        )
        if proof is not None:
            require_scope(proof.caller, SCOPE, environment_id)
        if not is_opening:
            raise needs_upgrade()
        await socket.prepare(request)
        connection = _Connection(self, request, socket, environment_id)
        self._open.add(connection)
        try:
            with VIEWERS.track_inprogress():
                await connection.run(proof)
        finally:
            self._open.discard(connection)
        return socket

    async def stop(self, _app: web.Application) -> None:
        """Tell every viewer to come back later."""
        for connection in self._open:
            connection.end(STOPPING, "the gateway is about to stop; resume")


class _Connection:
    """One viewer's WebSocket."""

    def __init__(
        self,
        sockets: LiveSockets,
        request: web.Request,
        socket: web.WebSocketResponse,
        environment_id: str,
    ) -> None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the viewer is gone")
        bound_send_buffer(transport)
        self._sockets = sockets
        self._request = request
        self._socket = socket
        self._environment_id = environment_id
        self._transport = transport
        self._end: asyncio.Future[tuple[int, str]] = (
            asyncio.get_running_loop().create_future()
        )
        self._budget = RequestBudget()
        form = Form(socket.ws_protocol) if socket.ws_protocol else Form.JSON
        self._viewer = Viewer(_SocketWire(transport), form, self._end_with)
        self._proof: Proof

    def end(self, code: int, reason: str) -> None:
        """Close the WebSocket soon, with the first reason that is given."""
        if not self._end.done():
            self._end.set_result((code, reason))

    async def run(self, proof: Proof | None) -> None:
        """Serve until either side ends it."""
        watching = asyncio.ensure_future(self._watch(proof))
        try:
            await asyncio.wait(
                (watching, self._end), return_when=asyncio.FIRST_COMPLETED
            )
            await end_tasks(watching)
            await self._close(watching)
        finally:
            await end_tasks(watching)
            cut_off_later(self._transport)

    async def _close(self, watching: "asyncio.Future[None]") -> None:
        """Say why it ends, unless the viewer ended it."""
        if not self._end.done():
            error = None if watching.cancelled() else watching.exception()
            if error is None:
                return
            if isinstance(error, SpotOnError):
                self._end_with(error)
            else:
                _log.error("live connection failed", exc_info=error)
                self.end(FAULT, "internal error")
        code, reason = self._end.result()
        CLOSED.labels(code).inc()
        await close_for_certain(self._socket, self._transport, code, reason)

    def _end_with(self, error: SpotOnError) -> None:
        self.end(close_code(error), error.message)

    async def _watch(self, proof: Proof | None) -> None:
        """Let the viewer in, then do what it asks for.

        Raises:
            SpotOnError: It may not watch, or not go on.
        """
        sockets = self._sockets
        self._proof = proof or await first_proof(
            self._request, self._socket, sockets.doorkeeper, Purpose.WATCH
        )
        caller = self._proof.caller
        require_scope(caller, SCOPE, self._environment_id)
        async with sockets.quota.watching(self._environment_id):
            with sockets.hub.feed(self._environment_id) as feed:
                await feed.primed()
                self._welcome()
                standing = asyncio.ensure_future(self._until_not_allowed())
                try:
                    await self._receive(feed)
                finally:
                    feed.fanout.leave(self._viewer)
                    await end_tasks(standing)

    async def _until_not_allowed(self) -> None:
        """End the connection once its viewer may no longer watch."""
        self._end_with(
            await self._sockets.doorkeeper.until_ended(
                self._request, lambda: self._proof, SCOPE, self._environment_id
            )
        )

    async def _receive(self, feed: EnvironmentFeed) -> None:
        """Do what the viewer asks for, until it leaves."""
        async for message in self._socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            self._budget.spend()
            try:
                request = read_request(message)
                if request.HasField("subscribe"):
                    await self._subscribe(feed, request.subscribe)
                else:
                    await self._renew(request)
            except (Unauthenticated, Forbidden):
                raise
            except SpotOnError as error:
                status = status_from_error(error)
                self._tell(live_pb2.LiveMessage(error=status))

    async def _renew(self, request: live_pb2.LiveRequest) -> None:
        """Take a newer proof of the same caller.

        Raises:
            Unauthenticated: It proves nothing.
            Forbidden: It is another caller's.
        """
        proof = await proof_of(
            self._request, request, self._sockets.doorkeeper, Purpose.WATCH
        )
        if proof.caller.subject != self._proof.caller.subject:
            raise Forbidden("a connection keeps its caller")
        require_scope(proof.caller, SCOPE, self._environment_id)
        self._proof = proof
        self._welcome()

    async def _subscribe(
        self, feed: EnvironmentFeed, subscription: live_pb2.Subscribe
    ) -> None:
        """Show the viewer something else from here on.

        Raises:
            InvalidInput: A field is out of its range.
            NotFound: There is no such session.
            Unavailable: The pipeline is away.
        """
        seconds = trail_s(subscription)
        timeline_id = ""
        if subscription.session_id:
            session = await self._sockets.source.session(
                self._environment_id, subscription.session_id
            )
            timeline_id = session.timeline_id
        view = view_of(subscription, timeline_id)
        missed, gap = await self._missed(feed, subscription.resume_token)
        # Nothing is awaited from here on, so nothing is missed or told twice.
        self._viewer.begin_again()
        feed.fanout.join(self._viewer, view)
        self._tell(subscribed(self._environment_id, view))
        if gap is not None:
            self._tell(live_pb2.LiveMessage(gap=gap))
        if seconds:
            trails = feed.fanout.trails.trails(view, seconds)
            self._tell(live_pb2.LiveMessage(trails=trails))
        self._viewer.catch_up(missed, time.monotonic())

    async def _missed(
        self, feed: EnvironmentFeed, resume_token: str
    ) -> tuple[list[Update], live_pb2.Gap | None]:
        """Return what the viewer is to get first, and whether something is missing."""
        if not resume_token:
            return feed.fanout.latest(), None
        try:
            return await feed.missed(resume_token), None
        except NotFound:
            gap = live_pb2.Gap(reason="what followed is no longer kept")
            return feed.fanout.latest(), gap

    def _welcome(self) -> None:
        caller = self._proof.caller
        welcome = live_pb2.Welcome(subject=caller.subject)
        if caller.expires_s < float("inf"):
            welcome.expire_time.FromSeconds(int(caller.expires_s))
        self._tell(live_pb2.LiveMessage(welcome=welcome))

    def _tell(self, message: live_pb2.LiveMessage) -> None:
        self._viewer.tell(message, time.monotonic())


class _SocketWire:
    """A WebSocket's connection, past what would wait for the peer."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self.backlog = transport.get_write_buffer_size

    def write(self, frame: bytes, /) -> None:
        """Send a frame, unless the connection is closing."""
        if not self._transport.is_closing():
            self._transport.write(frame)
