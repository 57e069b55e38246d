"""Answer requests to streams with one JSON object a line, for programs and curl.

A failure after the first line is told by a last line whose only key is `@error`, which
is no field's name, and the connection is cut, so that no reader takes the rest for all.
"""

import asyncio
import contextlib
from typing import Any

from aiohttp import hdrs, web
from google.protobuf.message import Message

from services.common.caller import Caller
from services.gateway.authentication import Validity, valid_while
from services.gateway.http_errors import known_status, status_body
from services.gateway.json_text import json_bytes
from services.gateway.transcoder.admission import Recorder, Visit
from services.gateway.transcoder.messages import message_to_json
from services.gateway.transcoder.peers import Peers
from services.gateway.transcoder.streams import running_call

LINES_TYPE = "application/x-ndjson"
WRITE_S = 30.0
"""How long a reader may take for one line before it is cut off, seconds."""


class Lines:
    """Answers streams as lines."""

    def __init__(self, peers: Peers, validity: Validity, audit: Recorder) -> None:
        self._peers = peers
        self._validity = validity
        self._audit = audit

    async def answer(self, visit: Visit, caller: Caller) -> web.StreamResponse:
        """Answer a visit until the stream, the client or the caller's right ends."""
        message = await visit.admit(caller)
        await self._audit.record(visit, "OK")
        async with running_call(self._peers, visit, caller, message) as call:
            return await self._tell(visit, caller, call)

    async def _tell(
        self, visit: Visit, caller: Caller, call: Any
    ) -> web.StreamResponse:
        """Write lines until the stream ends, or may not go on."""
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: LINES_TYPE})
        answers = aiter(call)
        # A call that is refused at once has a status of its own.
        async with valid_while(caller, self._validity):
            first = await anext(answers, None)
        await response.prepare(visit.request)
        try:
            async with valid_while(caller, self._validity):
                if first is not None:
                    await _write(response, visit, first)
                async for answer in answers:
                    await _write(response, visit, answer)
        except Exception as error:  # noqa: BLE001 - told in the stream: it has begun.
            await _tell_failure(response, visit, error)
            return response
        await response.write_eof()
        return response


async def _write(response: web.StreamResponse, visit: Visit, answer: Message) -> None:
    """Write one line; a reader that does not take it is cut off."""
    line = message_to_json(answer, visit.route.requests.writer) + b"\n"
    async with asyncio.timeout(WRITE_S):
        await response.write(line)


async def _tell_failure(
    response: web.StreamResponse, visit: Visit, error: Exception
) -> None:
    """Write the last line, and cut the connection."""
    status = known_status(error, visit.request_id)
    line = json_bytes({"@error": status_body(status, visit.request_id)}) + b"\n"
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(WRITE_S):
            await response.write(line)
    if visit.request.transport is not None:
        visit.request.transport.close()
