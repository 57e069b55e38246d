"""Tell failures over HTTP: application/problem+json (RFC 9457) with google.rpc details.

The only place that knows both our errors and HTTP's statuses.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import hdrs, web
from google.protobuf import duration_pb2, json_format
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc import aio

from services.common.errors import SpotOnError
from services.common.grpc_errors import status_from_error
from services.gateway.json_text import json_bytes
from services.gateway.limits.policy import LimitReached

PROBLEM_TYPE = "application/problem+json"

CODES: Mapping[int, HTTPStatus] = {
    code_pb2.CANCELLED: HTTPStatus.SERVICE_UNAVAILABLE,
    code_pb2.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    code_pb2.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
    code_pb2.NOT_FOUND: HTTPStatus.NOT_FOUND,
    code_pb2.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    code_pb2.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    code_pb2.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    code_pb2.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    code_pb2.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    code_pb2.ABORTED: HTTPStatus.CONFLICT,
    code_pb2.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    code_pb2.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    code_pb2.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Statuses that a caller may see; every other is an internal error."""

_DETAILS_KEY = "grpc-status-details-bin"
_CORE_MESSAGES = {
    code_pb2.UNAVAILABLE: "the service is away",
    code_pb2.DEADLINE_EXCEEDED: "the answer did not come in time",
    code_pb2.RESOURCE_EXHAUSTED: "a message is larger than the mesh carries",
    code_pb2.UNIMPLEMENTED: "the service does not know this call yet",
}
"""For failures that gRPC itself reports: its own words name addresses."""

_log = structlog.get_logger(__name__)


class HttpProblem(Exception):
    """A failure that only HTTP knows.

    Attributes:
        status: HTTP status.
        detail: One sentence for the caller.
        headers: To send with it.
    """

    def __init__(
        self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


def status_from_rpc(error: aio.AioRpcError) -> status_pb2.Status:
    """Return what a failed call tells a caller.

    A message that no service of ours wrote is replaced: it would name addresses. That
    a service refused the gateway's own credentials is no fault of the caller.
    """
    code = error.code().value[0]
    status = _sent_status(error)
    if code == code_pb2.UNAUTHENTICATED:
        _log.error("a service refused the gateway", details=error.details())
        return status_pb2.Status(
            code=code_pb2.UNAVAILABLE, message="the service refused the gateway"
        )
    if status is not None and status.code == code:
        return status
    return status_pb2.Status(
        code=code, message=_CORE_MESSAGES.get(code, error.details() or "")
    )


def _sent_status(error: aio.AioRpcError) -> status_pb2.Status | None:
    """Return the status with details that the service attached, if it can be read."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except ValueError:
                return None
    return None


def problem_response(error: Exception, request_id: str) -> web.Response:
    """Return the answer that tells `error`; what it may not tell is logged."""
    if isinstance(error, HttpProblem):
        return _plain_problem(error.status, error.detail, request_id, error.headers)
    if isinstance(error, web.HTTPException):
        status = HTTPStatus(error.status)
        return _plain_problem(status, status.description, request_id, {})
    response = status_problem(known_status(error, request_id), request_id)
    if isinstance(error, LimitReached):
        response.headers.update(error.fields())
    return response


def known_status(error: Exception, request_id: str) -> status_pb2.Status:
    """Return the status of an error, with a fixed text where it is a fault of ours."""
    status = _status(error)
    if status.code in CODES:
        return status
    if isinstance(error, aio.AioRpcError):
        details = error.details()
        _log.error("a service failed", request_id=request_id, details=details)
    else:
        _log.error("request failed", request_id=request_id, exc_info=error)
    message = f"internal error, request {request_id}"
    return status_pb2.Status(code=code_pb2.INTERNAL, message=message)


def outcome(error: Exception) -> str:
    """Return the name of the status that tells an error, for the audit log."""
    if isinstance(error, HttpProblem):
        return "INVALID_ARGUMENT"
    code = _status(error).code
    return str(code_pb2.Code.Name(code)) if code in CODES else "INTERNAL"


def _status(error: Exception) -> status_pb2.Status:
    if isinstance(error, aio.AioRpcError):
        return status_from_rpc(error)
    if isinstance(error, SpotOnError):
        return status_from_error(error)
    return status_pb2.Status(code=code_pb2.INTERNAL)


def status_problem(status: status_pb2.Status, request_id: str) -> web.Response:
    """Return the answer that tells a status."""
    http = http_status(status)
    headers: dict[str, str] = {}
    if http in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers[hdrs.RETRY_AFTER] = str(_retry_after_s(status))
    if http is HTTPStatus.UNAUTHORIZED:
        headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="spoton"'
    return _response(http, status_body(status, request_id), headers)


def http_status(status: status_pb2.Status) -> HTTPStatus:
    """Return the HTTP status of a status."""
    return CODES.get(status.code, HTTPStatus.INTERNAL_SERVER_ERROR)


def status_body(status: status_pb2.Status, request_id: str) -> dict[str, Any]:
    """Return the problem that tells a status, its code and details included."""
    members = _problem_body(http_status(status), status.message, request_id)
    members["code"] = code_pb2.Code.Name(status.code)
    details = []
    for packed in status.details:
        try:
            details.append(
                json_format.MessageToDict(packed, preserving_proto_field_name=True)
            )
        except (TypeError, ValueError):
            # A type that we do not know, or bytes that are none of it.
            details.append({"@type": packed.type_url})
    if details:
        members["details"] = details
    return members


def _problem_body(http: HTTPStatus, detail: str, request_id: str) -> dict[str, Any]:
    """Return the members that every problem has."""
    return {
        "type": "about:blank",
        "title": http.phrase,
        "status": http.value,
        "detail": detail,
        "request_id": request_id,
    }


def _retry_after_s(status: status_pb2.Status) -> int:
    """Return after how many seconds to try again, as the details say, or 1."""
    for packed in status.details:
        info = error_details_pb2.RetryInfo()
        if packed.Is(info.DESCRIPTOR) and packed.Unpack(info):
            delay: duration_pb2.Duration = info.retry_delay
            return max(1, delay.seconds + (delay.nanos > 0))
    return 1


def _plain_problem(
    status: HTTPStatus, detail: str, request_id: str, headers: Mapping[str, str]
) -> web.Response:
    return _response(status, _problem_body(status, detail, request_id), headers)


def _response(
    status: HTTPStatus, body: dict[str, Any], headers: Mapping[str, str]
) -> web.Response:
    return web.Response(
        status=status.value,
        body=json_bytes(body),
        content_type=PROBLEM_TYPE,
        headers=dict(headers),
    )
