"""Translate our errors to gRPC's and back; the only place that knows both."""

import uuid
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import grpc
import structlog
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc import aio

from services.common.errors import (
    AlreadyExists,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    InvalidInput,
    NotFound,
    NotReady,
    Overloaded,
    SpotOnError,
    Unauthenticated,
    Unavailable,
)
from services.common.interception import (
    Behaviour,
    BehaviourInterceptor,
    StreamBehaviour,
)

_CODES: dict[type[SpotOnError], grpc.StatusCode] = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    NotReady: grpc.StatusCode.FAILED_PRECONDITION,
    Conflict: grpc.StatusCode.ABORTED,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Forbidden: grpc.StatusCode.PERMISSION_DENIED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_FAULTS = ("INTERNAL", "UNKNOWN", "UNIMPLEMENTED", "DATA_LOSS")
_ERRORS = {code.value[0]: error for error, code in _CODES.items()}
Context = aio.ServicerContext[Any, Any]
_DETAILS_KEY = "grpc-status-details-bin"

_log = structlog.get_logger(__name__)


def status_from_error(error: SpotOnError) -> status_pb2.Status:
    """Return the status that tells `error` to a client, field violation included."""
    status = status_pb2.Status(code=code_of(error).value[0], message=error.message)
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=error.message
        )
        detail = error_details_pb2.BadRequest(field_violations=[violation])
        status.details.add().Pack(detail)
    return status


def code_of(error: SpotOnError) -> grpc.StatusCode:
    """Return the status of an error's class, or of the nearest base in the table."""
    known = (_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
    return next(known, grpc.StatusCode.INTERNAL)


def error_from_status(status: status_pb2.Status) -> SpotOnError:
    """Return the error that `status` tells.

    A fault of the peer itself, which it may show again, is a plain SpotOnError. Codes
    that are in no table become Unavailable.
    """
    field = ""
    for packed in status.details:
        detail = error_details_pb2.BadRequest()
        if packed.Unpack(detail) and detail.field_violations:
            field = detail.field_violations[0].field
    error = _ERRORS.get(status.code)
    if error is not None:
        return error(status.message, field=field)
    name = code_pb2.Code.Name(status.code) if 0 <= status.code <= 16 else "?"
    message = f"the peer failed with {name}: {status.message}"
    return SpotOnError(message) if name in _FAULTS else Unavailable(message)


def error_from_rpc(error: aio.AioRpcError) -> SpotOnError:
    """Return the error that a failed call tells."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            return error_from_status(status_pb2.Status.FromString(value))
    code = error.code().value[0]
    return error_from_status(
        status_pb2.Status(code=code, message=error.details() or "")
    )


class ErrorInterceptor(BehaviourInterceptor):
    """Ends calls that raise with the status of the error table."""

    def wrap_single(self, method: str, behaviour: Behaviour) -> Behaviour:
        """Translate what a behaviour with one answer raises."""

        async def guarded(request: Any, context: Context) -> Any:
            try:
                return await behaviour(request, context)
            except aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 - the boundary of the service.
                await _abort(method, context, error)

        return guarded

    def wrap_stream(self, method: str, behaviour: StreamBehaviour) -> StreamBehaviour:
        """Translate what a behaviour with many answers raises."""

        async def guarded(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                async for answer in behaviour(request, context):
                    yield answer
            except aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 - the boundary of the service.
                await _abort(method, context, error)

        return guarded


async def _abort(method: str, context: Context, error: Exception) -> NoReturn:
    """End the call with what `error` may tell, and log what it may not."""
    if isinstance(error, SpotOnError):
        status = status_from_error(error)
        details = ((_DETAILS_KEY, status.SerializeToString()),)
        await context.abort(code_of(error), status.message, details)
    request_id = uuid.uuid4().hex
    _log.error("call failed", method=method, request_id=request_id, exc_info=error)
    message = f"internal error, request {request_id}"
    await context.abort(grpc.StatusCode.INTERNAL, message)
