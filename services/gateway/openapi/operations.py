"""One operation for each route of the protos."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from google.protobuf.descriptor import Descriptor

from services.gateway.idempotency import KEY_HEADER, REPLAYED_HEADER
from services.gateway.openapi.schemas import Schema, Schemas
from services.gateway.request_context import (
    PURPOSE_HEADER,
    REQUEST_ID_HEADER,
    TIMEOUT_HEADER,
)
from services.gateway.transcoder.api import Api
from services.gateway.transcoder.fields import message_of
from services.gateway.transcoder.lines import LINES_TYPE
from services.gateway.transcoder.requests import WHOLE
from services.gateway.transcoder.routes import Route
from services.gateway.transcoder.socket_streams import (
    JSON_PROTOCOL,
    PROTOBUF_PROTOCOL,
)

FAILURES = (400, 401, 403, 404, 409, 429, 500, 501, 503, 504)
BODY_FAILURES = (408, 413, 415)

_SENTENCE = re.compile(r"(?<=[.!?])\s")


def path_and_names(route: Route) -> tuple[str, dict[str, str]]:
    """Return a route's path as OpenAPI writes it, and by parameter its field's path.

    A parameter has the last part of its field's path as its name, so that the routes
    of one resource have one path.
    """
    segments = list(route.template.segments)
    names: dict[str, str] = {}
    for variable in route.template.variables:
        name = variable.field_path.rpartition(".")[2]
        if name in names:
            name = variable.field_path.replace(".", "_")
        names[name] = variable.field_path
        for place in range(variable.begin, variable.end):
            if segments[place] in ("*", "**"):
                segments[place] = f"{{{name}}}"
    verb = f":{route.template.verb}" if route.template.verb else ""
    return "/" + "/".join(segments) + verb, names


def operation(
    api: Api, route: Route, number: int, schemas: Schemas, names: Mapping[str, str]
) -> dict[str, Any]:
    """Return the operation of a route.

    Args:
        api: Has the comments.
        route: The route.
        number: Of the route among those of its RPC; the first has the RPC's name.
        schemas: Takes what the operation refers to.
        names: By name of a path parameter: the path of its field.
    """
    rpc = route.rpc
    service = rpc.service.rpartition(".")[2]
    comment = api.comments.get(rpc.full_name, "")
    said: dict[str, Any] = {
        "operationId": f"{service}_{rpc.name}" + (f"_{number + 1}" if number else ""),
        "tags": [service],
        "summary": " ".join(_SENTENCE.split(comment, maxsplit=1)[0].split()),
        "description": f"{comment}\n\nScope: `{rpc.required_scope}`.".strip(),
        "parameters": [
            *_path_parameters(route, schemas, names),
            *_query_parameters(route, schemas),
            *_header_parameters(route),
        ],
        "responses": _responses(route, schemas),
        "x-spoton-scope": rpc.required_scope,
    }
    body = _body(route, schemas)
    if body is not None:
        said["requestBody"] = body
    if rpc.response_streaming:
        said["x-spoton-stream"] = {
            "message": schemas.reference(rpc.response_type),
            "websocket": route.method == "GET",
            "subprotocols": [JSON_PROTOCOL, PROTOBUF_PROTOCOL],
            "firstMessage": {
                "description": "From clients that cannot send Authorization.",
                "oneOf": [
                    {"type": "object", "required": [kind]}
                    for kind in ("access_token", "ticket")
                ],
            },
        }
    return said


def _path_parameters(
    route: Route, schemas: Schemas, names: Mapping[str, str]
) -> list[dict[str, Any]]:
    plans = {plan.path: plan for _, plan in route.requests.variables}
    parameters = []
    for name, path in names.items():
        schema = schemas.field(plans[path].field)
        if schema.get("type") == "string":
            schema["minLength"] = 1
        parameters.append(_parameter("path", name, schema, required=True))
    return parameters


def _query_parameters(route: Route, schemas: Schemas) -> list[dict[str, Any]]:
    return [
        _parameter("query", name, schemas.field(plan.field))
        for name, plan in route.requests.query.items()
        if name == plan.path
    ]


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    references = [] if route.rpc.response_streaming else [TIMEOUT_HEADER]
    if route.creates:
        references.append(KEY_HEADER)
    if route.rpc.purpose_required:
        references.append(PURPOSE_HEADER)
    return [{"$ref": f"#/components/parameters/{name}"} for name in references]


def _parameter(
    where: str, name: str, schema: Schema, *, required: bool = False
) -> dict[str, Any]:
    description = schema.pop("description", "")
    parameter: dict[str, Any] = {"in": where, "name": name, "schema": schema}
    if description:
        parameter["description"] = description
    if required:
        parameter["required"] = True
    return parameter


def _body(route: Route, schemas: Schemas) -> dict[str, Any] | None:
    """Return what the body is, without the fields that the path gives."""
    name = route.requests.body
    if not name:
        return None
    message: Descriptor = route.rpc.request_type
    prefix = ""
    if name != WHOLE:
        message, prefix = message_of(message.fields_by_name[name]), f"{name}."
    bound = {
        variable.field_path.removeprefix(prefix)
        for variable in route.template.variables
        if variable.field_path.startswith(prefix)
    }
    schema = schemas.object(message, bound) if bound else schemas.reference(message)
    return {
        "description": f"At most {route.max_body_bytes} bytes.",
        "content": {"application/json": {"schema": schema}},
        "required": name != WHOLE,
    }


def _responses(route: Route, schemas: Schemas) -> dict[str, Any]:
    """Return every answer that a client may see."""
    message = schemas.reference(route.rpc.response_type)
    media = LINES_TYPE if route.rpc.response_streaming else "application/json"
    # The lines of a stream are no JSON document together.
    schema = {"type": "string"} if route.rpc.response_streaming else message
    headers = [REQUEST_ID_HEADER, "RateLimit", "RateLimit-Policy"]
    if route.creates:
        headers.append(REPLAYED_HEADER)
    answers: dict[str, Any] = {
        "200": {
            "description": "One message a line."
            if route.rpc.response_streaming
            else ("The answer."),
            "headers": {
                name: {"$ref": f"#/components/headers/{name}"} for name in headers
            },
            "content": {media: {"schema": schema}},
        }
    }
    codes = [*FAILURES]
    if route.requests.body:
        codes += BODY_FAILURES
    if route.creates:
        codes.append(HTTPStatus.UNPROCESSABLE_ENTITY)
    if route.rpc.response_streaming and route.method == "GET":
        answers["101"] = {"description": "A WebSocket is open; see x-spoton-stream."}
        codes.append(HTTPStatus.UPGRADE_REQUIRED)
    for code in sorted(codes):
        answers[str(int(code))] = {"$ref": f"#/components/responses/{int(code)}"}
    return answers
