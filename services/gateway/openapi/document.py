"""The OpenAPI document."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from services.gateway.idempotency import KEPT_S, KEY_HEADER, REPLAYED_HEADER
from services.gateway.openapi.operations import (
    BODY_FAILURES,
    FAILURES,
    operation,
    path_and_names,
)
from services.gateway.openapi.schemas import Schemas
from services.gateway.request_context import (
    LEAST_TIMEOUT_S,
    PURPOSE_HEADER,
    REQUEST_ID_HEADER,
    TIMEOUT_HEADER,
)
from services.gateway.transcoder.api import Api
from services.gateway.transcoder.routes import Route
from services.gateway.transcoder.unary import Deadlines

PathItems = Mapping[str, Mapping[str, Any]]

_DESCRIPTION = """\
Tracks people across many cameras.

Every route answers one RPC of the protos; names, units and ranges are theirs.
JSON is that of protobuf: 64-bit integers are strings, bytes are base64, fields have \
the names of the protos, and fields without presence are always written. Lower camel \
case is read too. Unknown fields and null are refused.

A failure is `application/problem+json` with `code`, the gRPC status, and `details`, \
in which a `BadRequest` names the field at fault.

A stream is a WebSocket, opened on the same address: see `x-spoton-stream`. It closes \
with 1000 at its end, and with 4000 plus the HTTP status when it fails. Lines of JSON \
are answered where `Accept` asks for them; a last line with the only key `@error` \
tells a failure.

A request may name itself by `X-Request-Id`: up to 64 letters, digits, dots, hyphens \
and underscores, which logs and answers repeat. `X-Purpose` says why it is made; where \
it is required, the audit log keeps it.

Lists come in pages: pass `next_page_token` as `page_token`.
"""


def document(
    api: Api, routes: Sequence[Route], deadlines: Deadlines, extra: PathItems
) -> dict[str, Any]:
    """Return the document.

    Args:
        api: Has the comments.
        routes: Those of the protos.
        deadlines: Of unary calls.
        extra: Path items of routes that are written by hand.
    """
    schemas = Schemas(api)
    paths = _paths(api, routes, schemas)
    for path, item in extra.items():
        paths.setdefault(path, {}).update(item)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SpotOn",
            "version": "v1",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": _tags(api, routes),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token, or the key of a service account. "
                    "Never in the address.",
                }
            },
            "parameters": _parameters(deadlines),
            "headers": _HEADERS,
            "responses": _responses(),
            "schemas": {**schemas.components, "Problem": _PROBLEM},
        },
    }


def _paths(
    api: Api, routes: Sequence[Route], schemas: Schemas
) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    names_by_shape: dict[tuple[tuple[str, ...], str], tuple[str, list[str]]] = {}
    numbers: dict[str, int] = {}
    for route in routes:
        path, names = path_and_names(route)
        shape = (route.template.segments, route.template.verb)
        # Routes of one shape have one path, with the names of the first of them.
        path, first = names_by_shape.setdefault(shape, (path, list(names)))
        named = dict(zip(first, names.values(), strict=True))
        number = numbers.get(route.rpc.full_name, 0)
        numbers[route.rpc.full_name] = number + 1
        item = paths.setdefault(path, {})
        item[route.method.lower()] = operation(api, route, number, schemas, named)
    return paths


def _tags(api: Api, routes: Sequence[Route]) -> list[dict[str, str]]:
    services = dict.fromkeys(route.rpc.service for route in routes)
    return [
        {
            "name": service.rpartition(".")[2],
            "description": api.comments.get(service, ""),
        }
        for service in services
    ]


def _parameters(deadlines: Deadlines) -> dict[str, Any]:
    return {
        PURPOSE_HEADER: {
            "in": "header",
            "name": PURPOSE_HEADER,
            "description": "Why this is asked; kept in the audit log.",
            "required": True,
            "schema": {"type": "string", "maxLength": 500, "pattern": "^[!-~][ -~]*$"},
        },
        TIMEOUT_HEADER: {
            "in": "header",
            "name": TIMEOUT_HEADER,
            "description": f"Seconds that the answer may take, {deadlines.usual_s:g} "
            "if absent. Streams have no deadline.",
            "schema": {
                "type": "number",
                "minimum": LEAST_TIMEOUT_S,
                "maximum": deadlines.most_s,
            },
        },
        KEY_HEADER: {
            "in": "header",
            "name": KEY_HEADER,
            "description": "Chosen by the caller: the same request under the same key "
            f"happens once, and is answered the same for {KEPT_S // 3600} hours.",
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "pattern": "^[!-~]([ -~]*[!-~])?$",
            },
        },
    }


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


_HEADERS = {
    REQUEST_ID_HEADER: _header("Id of the request in logs."),
    REPLAYED_HEADER: _header("`true` when the answer is that of an earlier request."),
    "RateLimit": _header(
        "What is left of the quota, and after how many seconds it is whole again, such "
        'as `"read";r=599;t=60`. Absent where the caller is not known.'
    ),
    "RateLimit-Policy": _header(
        "The quota that this route belongs to, such as "
        '`"read";q=600;w=60`: 600 requests in 60 seconds. Absent as `RateLimit` is.'
    ),
    "Retry-After": _header("Seconds after which to try again."),
}

_PROBLEM = {
    "description": "A failure, RFC 9457.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "description": "Always about:blank."},
        "title": {"type": "string", "description": "What the status means."},
        "status": {"type": "integer", "description": "HTTP status."},
        "detail": {"type": "string", "description": "One sentence for the caller."},
        "request_id": {"type": "string", "description": "Id of the request in logs."},
        "code": {
            "type": "string",
            "description": "gRPC status; absent where only HTTP knows the failure.",
        },
        "details": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Any"},
            "description": "Details of google.rpc, such as BadRequest.",
        },
    },
    "required": ["type", "title", "status", "detail", "request_id"],
}


def _responses() -> dict[str, Any]:
    """Return the failures, by their status."""
    codes = {*FAILURES, *BODY_FAILURES, 422, 426}
    return {str(code): _failure(HTTPStatus(code)) for code in sorted(codes)}


def _failure(status: HTTPStatus) -> dict[str, Any]:
    headers = [REQUEST_ID_HEADER]
    if status is not HTTPStatus.UNAUTHORIZED:
        headers += ["RateLimit", "RateLimit-Policy"]
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers.append("Retry-After")
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": status.phrase,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {"application/problem+json": {"schema": schema}},
    }
