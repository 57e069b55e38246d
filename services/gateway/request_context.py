"""What every request has: an id, safe headers, and a failure that is told well."""

import asyncio
import re
import time
import uuid
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from prometheus_client import Counter, Histogram

from services.common.errors import InvalidInput
from services.gateway.cors import cors_headers
from services.gateway.http_errors import HttpProblem, problem_response

REQUEST_ID_HEADER = "X-Request-Id"
PURPOSE_HEADER = "X-Purpose"
TIMEOUT_HEADER = "Request-Timeout"
LEAST_TIMEOUT_S = 0.01
OPERATION: web.RequestKey[str] = web.RequestKey("operation", str)
"""What is asked for, in metrics: the RPC, or the name of a route written by hand."""
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST_PURPOSE = 500
BODY_S = 60.0
"""How long the body of a request may take, seconds."""

REQUESTS = Counter(
    "spoton_http_requests_total",
    "Requests answered, streams counted once when they end.",
    ("operation", "status"),
)
SECONDS = Histogram(
    "spoton_http_request_seconds",
    "Duration of requests; WebSockets left out.",
    ("operation",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)

_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


@web.middleware
async def tell_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, count it, and answer what it raises as a problem."""
    request_id = _request_id(request)
    request[REQUEST_ID] = request_id
    begin_s = time.perf_counter()
    try:
        response = await handler(request)
    except Exception as error:  # noqa: BLE001 - the boundary of the service.
        response = problem_response(error, request_id)
    operation = request.get(OPERATION, "")
    REQUESTS.labels(operation, response.status).inc()
    if operation and response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        SECONDS.labels(operation).observe(time.perf_counter() - begin_s)
    return response


def new_request_id() -> str:
    """Return an id that no other request has."""
    return uuid.uuid4().hex


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the request's id and the headers that browsers go by."""
    add_safe_headers(response, request.get(REQUEST_ID, ""))
    response.headers.update(cors_headers(request))


def add_safe_headers(response: web.StreamResponse, request_id: str) -> None:
    """Add the headers that every answer has, whoever asks."""
    response.headers[REQUEST_ID_HEADER] = request_id
    response.headers[hdrs.SERVER] = "spoton"
    for name, value in _SAFE_HEADERS.items():
        response.headers.setdefault(name, value)


def purpose(request: web.Request) -> str:
    """Return why the caller asks, or an empty string.

    Raises:
        InvalidInput: It is too long, or cannot be written down.
    """
    text = request.headers.get(PURPOSE_HEADER, "").strip()
    if len(text) > _LONGEST_PURPOSE or not (text.isascii() and text.isprintable()):
        raise InvalidInput(
            f"must be at most {_LONGEST_PURPOSE} printable ASCII characters",
            field=PURPOSE_HEADER,
        )
    return text


def traceparent(request: web.Request) -> str:
    """Return the request's W3C trace context, or an empty string."""
    text = request.headers.get("traceparent", "")
    return text if _TRACEPARENT.fullmatch(text) else ""


def timeout_s(request: web.Request, usual_s: float, most_s: float) -> float:
    """Return how long the answer may take, as the caller says, seconds.

    Raises:
        InvalidInput: The header is no number of seconds from LEAST_TIMEOUT_S to most_s.
    """
    text = request.headers.get(TIMEOUT_HEADER)
    if text is None:
        return usual_s
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not LEAST_TIMEOUT_S <= value <= most_s:
        raise InvalidInput(
            f"must be seconds, from {LEAST_TIMEOUT_S:g} to {most_s:g}",
            field=TIMEOUT_HEADER,
        )
    return value


async def read_body(request: web.Request, most_bytes: int) -> bytes:
    """Return the body of a request; a large, compressed or foreign one is refused.

    Raises:
        HttpProblem: It is larger than `most_bytes`, compressed, too slow, or no JSON by
            its type.
    """
    body = await read_any_body(request, most_bytes)
    if body and not _is_json(request.content_type):
        raise HttpProblem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "the body must have the Content-Type application/json",
        )
    return body


async def read_any_body(request: web.Request, most_bytes: int) -> bytes:
    """Return the body of a request, whatever its type.

    Raises:
        HttpProblem: It is larger than `most_bytes`, compressed, or too slow.
    """
    if not request.can_read_body:
        return b""
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise HttpProblem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "bodies are not decompressed: send them as they are",
        )
    if (request.content_length or 0) > most_bytes:
        raise _too_large(most_bytes)
    try:
        async with asyncio.timeout(BODY_S):
            body = await _read_all(request, most_bytes)
    except TimeoutError:
        problem = f"the body did not come within {BODY_S:.0f} s"
        raise HttpProblem(HTTPStatus.REQUEST_TIMEOUT, problem) from None
    return bytes(body)


async def _read_all(request: web.Request, most_bytes: int) -> bytearray:
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > most_bytes:
            raise _too_large(most_bytes)
    return body


def _is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")


def _too_large(most_bytes: int) -> HttpProblem:
    return HttpProblem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body has more than {most_bytes} bytes",
    )


def _request_id(request: web.Request) -> str:
    """Return the id that the caller chose if it can be logged, or a new one."""
    chosen = request.headers.get(REQUEST_ID_HEADER, "")
    return chosen if _REQUEST_ID.fullmatch(chosen) else new_request_id()
