"""The routes of live events and pictures, as OpenAPI describes them."""

from typing import Any

from services.gateway.live.form import Form
from services.gateway.live.picture_query import QUALITY, RATE_HZ, WIDTH_PX

_ID = {"type": "string", "pattern": "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"}
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_HEADERS = {
    name: {"$ref": f"#/components/headers/{name}"}
    for name in ("X-Request-Id", "RateLimit", "RateLimit-Policy")
}
_TICKET = {"description": "Good for 30 seconds and once; in place of a header."}
_FAILURES = {
    "400": "A parameter cannot be used.",
    "401": "The token or the ticket is missing or not valid.",
    "403": "The scope is missing there, or a page of a foreign origin asks.",
    "404": "There is no such thing, or nobody shows it now.",
    "500": "A fault of the server.",
    "501": "The service does not know this call yet.",
    "503": "A service or a store is away.",
    "504": "The answer did not come in time.",
}
_UPGRADE = "The request opens no WebSocket."


def path_items(environment: str, camera: str) -> dict[str, dict[str, Any]]:
    """Return the path items.

    Args:
        environment: Path of an environment.
        camera: Path of a camera.
    """
    jpeg: dict[str, dict[str, Any]] = {"image/jpeg": {}}
    return {
        "/v1/auth/tickets": {"post": _ticket()},
        f"{environment}/live": {"get": _live()},
        f"{environment}/identities/{{global_id}}/crop.jpg": {
            "get": _operation(
                "Shows the best picture of a person.",
                [_path("environment_id", _ID), _path("global_id", _number(1, None))],
                {"200": _answer("The picture.", jpeg)},
            )
        },
        f"{camera}/preview.mjpeg": {
            "get": _picture(
                "Shows pictures of a camera, each replacing the last.",
                {"200": _answer("Pictures.", {"multipart/x-mixed-replace": {}})},
            )
        },
        f"{camera}/preview": {
            "get": _picture(
                "Shows pictures of a camera by WebSocket.",
                {"101": _answer("Pictures follow."), "426": _refusal(_UPGRADE)},
            )
        },
        f"{camera}/snapshot.jpg": {
            "get": _picture(
                "Shows one picture of a camera.",
                {"200": _answer("The picture.", jpeg)},
            )
        },
    }


def _ticket() -> dict[str, Any]:
    request = {
        "type": "object",
        "required": ["purpose"],
        "properties": {"purpose": {"enum": ["watch", "picture"]}},
        "additionalProperties": False,
    }
    answer = {
        "type": "object",
        "required": ["ticket", "expires_in_s"],
        "properties": {
            "ticket": {"type": "string"},
            "expires_in_s": {"type": "integer"},
        },
    }
    operation = _operation(
        "Gives a ticket that stands for the token in an address, once.",
        [],
        {
            "200": _answer("The ticket.", {"application/json": {"schema": answer}}),
            "408": _refusal("The body did not come in time."),
            "413": _refusal("The body is too large."),
            "415": _refusal("The body is no JSON."),
        },
    )
    operation["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": request}},
    }
    return operation


def _live() -> dict[str, Any]:
    operation = _operation(
        "Tells what happens in an environment by WebSocket.",
        [_path("environment_id", _ID), _query("ticket", {"type": "string"}, _TICKET)],
        {"101": _answer("Messages follow."), "426": _refusal(_UPGRADE)},
    )
    operation["x-spoton-subprotocols"] = [form.value for form in Form]
    return operation


def _picture(summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    rate = {"type": "number", "exclusiveMinimum": RATE_HZ[0], "maximum": RATE_HZ[1]}
    return _operation(
        summary,
        [
            _path("environment_id", _ID),
            _path("camera_id", _ID),
            _query("rate", rate, {"description": "Pictures per second."}),
            _query("width", _number(*WIDTH_PX), {"description": "Pixels."}),
            _query("quality", _number(*QUALITY), {"description": "Of the JPEG."}),
            _query(
                "overlays",
                {"type": "boolean"},
                {"description": "Whether boxes and labels are drawn."},
            ),
            _query(
                "session_id",
                {"type": "string", "maxLength": 100},
                {"description": "The newest that shows the camera if absent."},
            ),
            _query("ticket", {"type": "string"}, _TICKET),
        ],
        answers,
    )


def _operation(
    summary: str, parameters: list[dict[str, Any]], answers: dict[str, Any]
) -> dict[str, Any]:
    failures = {status: _refusal(text) for status, text in _FAILURES.items()}
    failures["429"] = {"$ref": "#/components/responses/429"}
    for answer in answers.values():
        answer["headers"] = _HEADERS
    return {
        "tags": ["Live"],
        "summary": summary,
        "parameters": parameters,
        "responses": {**failures, **answers},
    }


def _answer(
    description: str, content: dict[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {"description": description, **({"content": content} if content else {})}


def _refusal(description: str) -> dict[str, Any]:
    return _answer(description, {"application/problem+json": {"schema": _PROBLEM}})


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"in": "path", "name": name, "required": True, "schema": schema}


def _query(name: str, schema: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return {"in": "query", "name": name, "schema": schema, **more}


def _number(least: int, most: int | None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer", "minimum": least}
    return schema if most is None else schema | {"maximum": most}
