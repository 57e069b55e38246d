"""Answer requests to streams by WebSocket, one message for each of the stream's."""

import asyncio
import contextlib
from typing import Any

from aiohttp import hdrs, web
from google.protobuf.message import Message

from services.common.caller import Caller
from services.common.tasks import end_tasks
from services.gateway.authentication import (
    Validity,
    authenticate_request,
    authenticate_websocket,
    valid_while,
)
from services.gateway.http_errors import known_status, outcome, status_body
from services.gateway.json_text import json_bytes
from services.gateway.sockets import close_failed, new_socket, send, until_closed
from services.gateway.transcoder.admission import Recorder, Visit
from services.gateway.transcoder.messages import message_to_json
from services.gateway.transcoder.peers import Peers
from services.gateway.transcoder.streams import running_call

JSON_PROTOCOL = "spoton.json.v1"
PROTOBUF_PROTOCOL = "spoton.protobuf.v1"


class SocketStreams:
    """Answers streams by WebSocket."""

    def __init__(self, peers: Peers, validity: Validity, audit: Recorder) -> None:
        self._peers = peers
        self._validity = validity
        self._audit = audit

    async def answer(self, visit: Visit) -> web.StreamResponse:
        """Answer a visit until the stream, the client or the caller's right ends.

        A client that proves who it is with the opening is refused in HTTP. One that
        does so by its first message is refused by the code that closes the socket.
        """
        request = visit.request
        socket = new_socket(request, (JSON_PROTOCOL, PROTOBUF_PROTOCOL))
        if hdrs.AUTHORIZATION in request.headers:
            caller = await authenticate_request(request)
            message = await visit.admit(caller)
            await self._audit.record(visit, "OK")
            await socket.prepare(request)
            await self._stream(visit, socket, caller, message)
            return socket
        await socket.prepare(request)
        try:
            caller = await authenticate_websocket(request, socket)
            message = await visit.admit(caller)
            await self._audit.record(visit, "OK")
        except Exception as error:  # noqa: BLE001 - told by the socket: it is open.
            await self._fail(visit, socket, error)
        else:
            await self._stream(visit, socket, caller, message)
        return socket

    async def _stream(
        self,
        visit: Visit,
        socket: web.WebSocketResponse,
        caller: Caller,
        message: Message,
    ) -> None:
        """Send what the service answers, then close."""
        try:
            async with (
                valid_while(caller, self._validity),
                running_call(self._peers, visit, caller, message) as call,
            ):
                await _until_first(_pump(visit, socket, call), until_closed(socket))
        except ConnectionError:
            return
        except Exception as error:  # noqa: BLE001 - told by the socket: it is open.
            await self._fail(visit, socket, error)
        else:
            await socket.close()

    async def _fail(
        self, visit: Visit, socket: web.WebSocketResponse, error: Exception
    ) -> None:
        """Tell why the socket cannot go on, and close it."""
        status = known_status(error, visit.request_id)
        with contextlib.suppress(ConnectionError):
            if socket.ws_protocol != PROTOBUF_PROTOCOL:
                problem = {"@error": status_body(status, visit.request_id)}
                await send(visit.request, socket, json_bytes(problem).decode())
            await close_failed(socket, status)
        await self._audit.record(visit, outcome(error))


async def _pump(visit: Visit, socket: web.WebSocketResponse, call: Any) -> None:
    """Send each answer of a call."""
    writer = visit.route.requests.writer
    binary = socket.ws_protocol == PROTOBUF_PROTOCOL
    async for answer in call:
        if binary:
            await send(visit.request, socket, answer.SerializeToString())
        else:
            text = message_to_json(answer, writer).decode()
            await send(visit.request, socket, text)


async def _until_first(*coroutines: Any) -> None:
    """Run coroutines until one ends, end the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end_tasks(*tasks)
    for task in done:
        task.result()
