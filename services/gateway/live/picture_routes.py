"""Pictures over HTTP: MJPEG, binary WebSocket, snapshot, and a person's best crop."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import structlog
from aiohttp import WSCloseCode, hdrs, web

from services.common.errors import NotFound, SpotOnError, Unauthenticated
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
from services.gateway.live.first_message import first_proof
from services.gateway.live.person_crops import PersonCrops
from services.gateway.live.picture_audit import PictureAudit
from services.gateway.live.picture_query import picture_wish
from services.gateway.live.pictures import (
    BOUNDARY,
    CameraPicture,
    PictureHub,
    PictureWish,
)
from services.gateway.live.quota import ViewerQuota
from services.gateway.live.requests import MOST_BYTES
from services.gateway.live.standing import Doorkeeper, Proof, has_proof, require_scope
from services.gateway.live.tickets import Purpose
from services.gateway.request_context import REQUEST_ID
from services.gateway.sockets import wants_socket

PICTURE_SCOPE = "pictures:read"
PREVIEW_ACTION = "spoton.pipeline.v1.PipelineService.WatchPreview"
CROP_SCOPE = "identities:read"
CROP_ACTION = "spoton.reid.v1.ReidService.GetIdentityCrop"
JPEG_PROTOCOL, PROTOBUF_PROTOCOL = "spoton.jpeg.v1", "spoton.protobuf.v1"

_log = structlog.get_logger(__name__)

_WRITE_S = 10.0
_HEARTBEAT_S = 20.0

Pictures = AsyncGenerator[CameraPicture, None]


class PictureRoutes:
    """Shows pictures to whoever may see them."""

    def __init__(
        self,
        hub: PictureHub,
        crops: PersonCrops,
        doorkeeper: Doorkeeper,
        audit: PictureAudit,
        quota: ViewerQuota,
    ) -> None:
        """Keep the collaborators.

        Args:
            hub: Fetches pictures of cameras.
            crops: Fetches pictures of persons.
            doorkeeper: Knows who may see what.
            audit: Records every look.
            quota: Bounds how many watch; one picture is no watching.
        """
        self._hub = hub
        self._crops = crops
        self._doorkeeper = doorkeeper
        self._audit = audit
        self._quota = quota
        self._stopping = asyncio.Event()

    async def stop(self, _app: web.Application) -> None:
        """End every stream of pictures."""
        self._stopping.set()

    async def snapshot(self, request: web.Request) -> web.StreamResponse:
        """Answer one picture of a camera."""
        proof = await self._admit(
            request, PREVIEW_ACTION, PICTURE_SCOPE, RouteClass.PICTURE
        )
        wish = picture_wish(request.match_info, request.query)
        with self._hub.feed(wish) as feed:
            async with aclosing(feed.pictures()) as pictures:
                picture = await self._first(request, proof, pictures)
        return _jpeg(
            picture.response.jpeg, picture.response.capture_time.ToJsonString()
        )

    async def crop(self, request: web.Request) -> web.StreamResponse:
        """Answer the best picture of a person."""
        proof = await self._admit(request, CROP_ACTION, CROP_SCOPE, RouteClass.PICTURE)
        try:
            found = await self._crops.best(request, proof.caller)
        except Exception as error:
            await self._audit.refused(request, CROP_ACTION, proof.caller, error)
            raise
        await self._audit.shown(request, CROP_ACTION, proof.caller)
        return _jpeg(found.jpeg, found.capture_time.ToJsonString())

    async def mjpeg(self, request: web.Request) -> web.StreamResponse:
        """Answer pictures for as long as they are wanted, each replacing the last."""
        proof = await self._admit(request, PREVIEW_ACTION, PICTURE_SCOPE)
        wish = picture_wish(request.match_info, request.query)
        response = web.StreamResponse()
        response.content_type = "multipart/x-mixed-replace"
        response.headers[hdrs.CONTENT_TYPE] += f"; boundary={BOUNDARY}"
        response.force_close()
        async with self._watched(wish) as pictures:
            first = await self._first(request, proof, pictures)
            await response.prepare(request)
            transport = request.transport
            if transport is not None:
                bound_send_buffer(transport)
                try:
                    await self._until_over(
                        request,
                        proof,
                        _showing(lambda one: response.write(one.part), first, pictures),
                    )
                except SpotOnError:
                    pass  # The connection ends, which is all that can be said.
                finally:
                    cut_off_later(transport)
        return response

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """Send pictures over a WebSocket, as JPEG files or as protobuf."""
        require_known_origin(request)
        socket = web.WebSocketResponse(
            protocols=(JPEG_PROTOCOL, PROTOBUF_PROTOCOL),
            heartbeat=_HEARTBEAT_S,
            max_msg_size=MOST_BYTES,
            compress=False,
        )
        proof = None
        is_opening = wants_socket(request)
        if has_proof(request) or not is_opening:
            proof = await self._admit(request, PREVIEW_ACTION, PICTURE_SCOPE)
        wish = picture_wish(request.match_info, request.query)
        if not is_opening:
            raise needs_upgrade()
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        bound_send_buffer(transport)

        async def show() -> None:
            allowed = proof or await self._admit_by_message(request, socket)
            async with self._watched(wish) as pictures:
                first = await self._first(request, allowed, pictures)
                await self._until_over(
                    request,
                    allowed,
                    _showing(_sender(socket), first, pictures),
                    _leaving(socket),
                )

        code, reason = FAULT, "internal error"
        try:
            await show()
            ended = STOPPING if self._stopping.is_set() else WSCloseCode.OK
            code, reason = int(ended), "the pictures have ended"
        except SpotOnError as error:
            code, reason = close_code(error), error.message
        except Exception:  # noqa: BLE001 - told by the socket: it is open.
            _log.exception("pictures failed", request_id=request[REQUEST_ID])
        finally:
            if not socket.closed:
                await close_for_certain(socket, transport, code, reason)
            cut_off_later(transport)
        return socket

    @asynccontextmanager
    async def _watched(self, wish: PictureWish) -> AsyncIterator[Pictures]:
        """Give pictures for as long as they are wanted, to one who counts as a viewer.

        Raises:
            Overloaded: Too many watch the environment already.
        """
        async with self._quota.watching(wish.environment_id):
            with self._hub.feed(wish) as feed:
                async with aclosing(feed.pictures()) as pictures:
                    yield pictures

    async def _admit(
        self,
        request: web.Request,
        action: str,
        scope: str,
        route: RouteClass = RouteClass.STREAM,
    ) -> Proof:
        """Return who asks, if they may see the pictures; a refusal is recorded."""
        proof = None
        try:
            proof = await self._doorkeeper.by_request(request, Purpose.PICTURE, route)
            if proof is None:
                raise Unauthenticated("an access token or a ticket is needed")
            require_scope(proof.caller, scope, request.match_info["environment_id"])
        except SpotOnError as error:
            caller = proof.caller if proof else None
            await self._audit.refused(request, action, caller, error)
            raise
        return proof

    async def _admit_by_message(
        self, request: web.Request, socket: web.WebSocketResponse
    ) -> Proof:
        """Do the same for who says it in the first message."""
        proof = None
        try:
            proof = await first_proof(
                request, socket, self._doorkeeper, Purpose.PICTURE
            )
            require_scope(
                proof.caller, PICTURE_SCOPE, request.match_info["environment_id"]
            )
        except SpotOnError as error:
            caller = proof.caller if proof else None
            await self._audit.refused(request, PREVIEW_ACTION, caller, error)
            raise
        return proof

    async def _first(
        self, request: web.Request, proof: Proof, pictures: Pictures
    ) -> CameraPicture:
        """Return the first picture, once it is written down who sees it."""
        try:
            picture = await anext(pictures, None)
            if picture is None:
                raise NotFound("the session has ended")
        except SpotOnError as error:
            await self._audit.refused(request, PREVIEW_ACTION, proof.caller, error)
            raise
        await self._audit.shown(request, PREVIEW_ACTION, proof.caller)
        return picture

    async def _until_over(
        self, request: web.Request, proof: Proof, *ends: "asyncio.Future[None]"
    ) -> None:
        """Wait until any of `ends` is done, the caller may see no more, or we stop.

        Raises:
            SpotOnError: The pictures failed, or the caller may not go on.
        """
        environment_id = request.match_info["environment_id"]
        standing = asyncio.ensure_future(
            self._doorkeeper.until_ended(
                request, lambda: proof, PICTURE_SCOPE, environment_id
            )
        )
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            waits: set[asyncio.Future[Any]] = {standing, stopping, *ends}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if standing.done():
                raise standing.result()
            for end in ends:
                if end.done():
                    end.result()
        except (ConnectionError, TimeoutError):
            return  # The viewer is gone, or takes nothing.
        finally:
            await end_tasks(standing, stopping, *ends)


def _showing(
    send: Callable[[CameraPicture], Awaitable[object]],
    first: CameraPicture,
    pictures: Pictures,
) -> "asyncio.Future[None]":
    """Send picture after picture; to whom is slow the newest one next."""

    async def show() -> None:
        picture: CameraPicture | None = first
        while picture is not None:
            async with asyncio.timeout(_WRITE_S):
                await send(picture)
            picture = await anext(pictures, None)

    return asyncio.ensure_future(show())


def _sender(
    socket: web.WebSocketResponse,
) -> Callable[[CameraPicture], Awaitable[None]]:
    """Return what sends a picture in the form that the viewer chose."""
    if socket.ws_protocol == PROTOBUF_PROTOCOL:
        return lambda picture: socket.send_bytes(picture.message)
    return lambda picture: socket.send_bytes(picture.response.jpeg)


def _leaving(socket: web.WebSocketResponse) -> "asyncio.Future[None]":
    """Read what the viewer sends, which is nothing, until it leaves."""

    async def leave() -> None:
        async for _ in socket:
            return

    return asyncio.ensure_future(leave())


def _jpeg(content: bytes, capture_time: str) -> web.Response:
    headers = {"X-Capture-Time": capture_time}
    return web.Response(body=content, content_type="image/jpeg", headers=headers)
