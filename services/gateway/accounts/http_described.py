"""The OpenAPI path items of `http.py`."""

from collections.abc import Iterable, Mapping
from typing import Any

_TEXT = {"type": "string"}
_REFRESH = {
    **_TEXT,
    "description": "As it was given last. Absent when it is in the cookie.",
}
_TOKENS = {
    "type": "object",
    "required": ["access_token", "token_type", "expires_in"],
    "properties": {
        "access_token": {**_TEXT, "description": "For the Authorization header."},
        "token_type": {"const": "Bearer"},
        "expires_in": {"type": "integer", "description": "Seconds."},
        "refresh_token": {
            **_TEXT,
            "description": "For the next pair; holds once. Absent when it is in the "
            "cookie, and for programs and users of an external issuer.",
        },
    },
}
_LOGIN = {
    "name": _TEXT,
    "password": {**_TEXT, "maxLength": 128},
    "refresh_token_in": {"enum": ["body", "cookie"], "default": "body"},
}
_GRANT = {
    "grant_type": {
        "enum": [
            "client_credentials",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ]
    },
    "client_id": {**_TEXT, "description": "Of a service account."},
    "client_secret": _TEXT,
    "subject_token": {**_TEXT, "description": "Of the external issuer."},
    "subject_token_type": _TEXT,
}
_REFUSALS = (400, 408, 413, 415, 429, 503)
_SHOWN = {
    name: {"$ref": f"#/components/headers/{name}"}
    for name in ("X-Request-Id", "RateLimit", "RateLimit-Policy")
}


def _operation(
    name: str,
    summary: str,
    fields: Mapping[str, Any],
    required: Iterable[str],
    *,
    answer: Mapping[str, Any] | None = _TOKENS,
    refusals: Iterable[int] = (),
) -> dict[str, Any]:
    """Return a path item with one POST that needs no access token."""
    schema = {
        "type": "object",
        "properties": dict(fields),
        "required": list(required),
    }
    content = {"application/json": {"schema": schema}}
    if "grant_type" in fields:
        content["application/x-www-form-urlencoded"] = {"schema": schema}
    responses: dict[str, Any] = {
        str(status): {"$ref": f"#/components/responses/{status}"}
        for status in sorted({401, *_REFUSALS, *refusals})
    }
    if answer is None:
        responses["204"] = {"description": "Done.", "headers": _SHOWN}
    else:
        shown = {"application/json": {"schema": answer}}
        responses["200"] = {
            "description": "Tokens.",
            "headers": _SHOWN,
            "content": shown,
        }
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "tags": ["Authentication"],
            "security": [],
            "requestBody": {"required": True, "content": content},
            "responses": responses,
        }
    }


PATH_ITEMS: Mapping[str, dict[str, Any]] = {
    "/v1/auth/login": _operation(
        "LogIn",
        "Begins a login session.",
        _LOGIN,
        ("name", "password"),
        refusals=(403,),
    ),
    "/v1/auth/refresh": _operation(
        "Refresh",
        "Goes on with a login session: gives new tokens for a refresh token.",
        {"refresh_token": _REFRESH},
        (),
        refusals=(403,),
    ),
    "/v1/auth/logout": _operation(
        "LogOut",
        "Ends a login session, by its refresh token or its access token.",
        {"refresh_token": _REFRESH},
        (),
        answer=None,
        refusals=(403,),
    ),
    "/v1/auth/token": _operation(
        "ExchangeToken",
        "Gives an access token for a service account's secret (RFC 6749), or for a "
        "token of the external issuer (RFC 8693).",
        _GRANT,
        ("grant_type",),
        refusals=(403,),
    ),
    "/.well-known/jwks.json": {
        "get": {
            "operationId": "GetPublicKeys",
            "summary": "The public keys that access tokens are signed with (RFC 7517).",
            "tags": ["Authentication"],
            "security": [],
            "responses": {
                "200": {
                    "description": "A JSON Web Key Set.",
                    "content": {
                        "application/jwk-set+json": {"schema": {"type": "object"}}
                    },
                },
                "503": {"$ref": "#/components/responses/503"},
            },
        }
    },
}
