"""What has no RPC: logging in and out, tokens, and the public keys."""

import json
from base64 import b64decode
from collections.abc import Awaitable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

from aiohttp import hdrs, web

from services.common.access_tokens import AccessTokens
from services.common.errors import Forbidden, InvalidInput, Unauthenticated
from services.gateway.accounts.domain.accounts import Device
from services.gateway.accounts.domain.throttling import LoginThrottled
from services.gateway.accounts.service.exchanges import Exchanges
from services.gateway.accounts.service.logins import Logins, Tokens
from services.gateway.accounts.service.signing import SigningKeys
from services.gateway.http_errors import HttpProblem
from services.gateway.limits.client_address import remote_address
from services.gateway.request_context import read_any_body

REFRESH_COOKIE = "__Secure-spoton_refresh"
DEVICE_COOKIE = "__Secure-spoton_device"
MAX_BODY_BYTES = 32 * 1024
KEYS_FRESH_S = 30
"""How long others may keep the public keys, seconds."""

AUTH_PATHS = ("/v1/auth/login", "/v1/auth/refresh", "/v1/auth/logout", "/v1/auth/token")
"""Where callers say who they are."""

_COOKIE_PATH = "/v1/auth"
_DEVICE_S = 180 * 24 * 3600
_MOST_AGENT = 200
_BEARER = "bearer "
_BASIC = "basic "
_CLIENT_CREDENTIALS = "client_credentials"
_TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105
_SUBJECT_TYPES = (
    "urn:ietf:params:oauth:token-type:id_token",
    "urn:ietf:params:oauth:token-type:access_token",
    "urn:ietf:params:oauth:token-type:jwt",
)


@dataclass(frozen=True, slots=True)
class AuthRoutes:
    """The routes, and what they call.

    Attributes:
        logins: Of people with passwords.
        exchanges: Of service accounts and of an external issuer's users.
        keys: That sign.
        tokens: Verifies access tokens.
        origins: Origins of pages, beside the gateway's own, that may use cookies.
        session_s: How long a login lasts, seconds: cookies end with it.
    """

    logins: Logins
    exchanges: Exchanges
    keys: SigningKeys
    tokens: AccessTokens
    origins: Collection[str]
    session_s: float

    async def log_in(self, request: web.Request) -> web.Response:
        """Begin a login session: `{"name", "password", "refresh_token_in"}`."""
        said = await _json_object(request)
        in_cookie = _wants_cookie(said)
        if in_cookie:
            self._require_own_page(request)
        tokens = await _slowed(
            self.logins.log_in(
                _text(said, "name"),
                _text(said, "password"),
                _device(request),
                request.cookies.get(DEVICE_COOKIE, ""),
            )
        )
        response = self._answer(tokens, in_cookie=in_cookie)
        _set_cookie(response, DEVICE_COOKIE, tokens.device_proof, _DEVICE_S)
        return response

    async def refresh(self, request: web.Request) -> web.Response:
        """Go on: `{"refresh_token"}`, or the cookie and an empty object."""
        said = await _json_object(request)
        token, in_cookie = self._refresh_token(request, said)
        if not token:
            raise Unauthenticated("there is no refresh token")
        tokens = await self.logins.refresh(token, _device(request))
        return self._answer(tokens, in_cookie=in_cookie)

    async def log_out(self, request: web.Request) -> web.Response:
        """End the session of the refresh token, or of the access token."""
        said = await _json_object(request)
        token, _ = self._refresh_token(request, said)
        authorization = request.headers.get(hdrs.AUTHORIZATION, "")
        if token:
            await self.logins.log_out(token, _device(request))
        elif authorization.lower().startswith(_BEARER):
            claims = await self.tokens.claims(authorization[len(_BEARER) :].strip())
            await self.logins.revoke(claims, _device(request))
        else:
            raise Unauthenticated("there is no token to end")
        response = web.Response(status=HTTPStatus.NO_CONTENT)
        _set_cookie(response, REFRESH_COOKIE, "", 0)
        return response

    async def token(self, request: web.Request) -> web.Response:
        """Exchange a client secret (RFC 6749) or an issuer's token (RFC 8693)."""
        said = await _form_or_json(request)
        grant = _text(said, "grant_type")
        device = _device(request)
        if grant == _CLIENT_CREDENTIALS:
            client_id, secret = _client(request, said)
            tokens = await self.exchanges.client_credentials(client_id, secret, device)
        elif grant == _TOKEN_EXCHANGE:
            if _text(said, "subject_token_type") not in _SUBJECT_TYPES:
                message = f"must be one of {', '.join(_SUBJECT_TYPES)}"
                raise InvalidInput(message, field="subject_token_type")
            subject_token = _text(said, "subject_token")
            tokens = await self.exchanges.external_token(subject_token, device)
        else:
            message = f"must be {_CLIENT_CREDENTIALS} or {_TOKEN_EXCHANGE}"
            raise InvalidInput(message, field="grant_type")
        return self._answer(tokens, in_cookie=False)

    async def jwks(self, _request: web.Request) -> web.Response:
        """Show the public keys (RFC 7517)."""
        return web.json_response(
            await self.keys.jwks(),
            content_type="application/jwk-set+json",
            headers={hdrs.CACHE_CONTROL: f"public, max-age={KEYS_FRESH_S}"},
        )

    def _refresh_token(
        self, request: web.Request, said: Mapping[str, Any]
    ) -> tuple[str, bool]:
        """Return the refresh token, empty if none, and whether it is a cookie's."""
        if "refresh_token" in said:
            return _text(said, "refresh_token"), False
        token = request.cookies.get(REFRESH_COOKIE, "")
        if token:
            self._require_own_page(request)
        return token, bool(token)

    def _require_own_page(self, request: web.Request) -> None:
        """Return if a request with a cookie comes from a page of ours, or of no page.

        The cookie is SameSite=Strict already; this also keeps out other pages of the
        same site.

        Raises:
            Forbidden: It comes from a foreign page.
        """
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None and site in ("same-origin", "none"):
            return
        if origin in self.origins or (
            origin is not None and urlsplit(origin).netloc == request.host
        ):
            return
        raise Forbidden("cookies are taken from the gateway's own pages only")

    def _answer(self, tokens: Tokens, *, in_cookie: bool) -> web.Response:
        """Return the answer with tokens (RFC 6749, section 5.1)."""
        body: dict[str, Any] = {
            "access_token": tokens.access_token,
            "token_type": "Bearer",
            "expires_in": tokens.expires_in_s,
        }
        if tokens.refresh_token and not in_cookie:
            body["refresh_token"] = tokens.refresh_token
        response = web.json_response(body, headers={hdrs.CACHE_CONTROL: "no-store"})
        if in_cookie:
            most_s = int(self.session_s)
            _set_cookie(response, REFRESH_COOKIE, tokens.refresh_token, most_s)
        return response


def add_routes(app: web.Application, routes: AuthRoutes) -> None:
    """Add the routes to an application."""
    post = app.router.add_post
    for path, answer in zip(
        AUTH_PATHS,
        (routes.log_in, routes.refresh, routes.log_out, routes.token),
        strict=True,
    ):
        post(path, answer)
    app.router.add_get("/.well-known/jwks.json", routes.jwks)


async def _slowed(login: Awaitable[Tokens]) -> Tokens:
    """Tell a caller who must wait for how long."""
    try:
        return await login
    except LoginThrottled as error:
        raise HttpProblem(
            HTTPStatus.TOO_MANY_REQUESTS,
            error.message,
            {hdrs.RETRY_AFTER: str(int(error.retry_after_s) + 1)},
        ) from None


async def _json_object(request: web.Request) -> Mapping[str, Any]:
    """Return the JSON object in the body.

    The type is required: a form of a foreign page cannot send it without asking first.
    """
    if request.content_type != "application/json":
        message = "the body must have the Content-Type application/json"
        raise HttpProblem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message)
    try:
        said = json.loads(await read_any_body(request, MAX_BODY_BYTES) or b"{}")
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise InvalidInput("the body must be a JSON object")
    return said


async def _form_or_json(request: web.Request) -> Mapping[str, Any]:
    """Return the fields of a form, as OAuth has it, or of a JSON object."""
    if request.content_type != "application/x-www-form-urlencoded":
        return await _json_object(request)
    try:
        text = (await read_any_body(request, MAX_BODY_BYTES)).decode("utf-8")
        fields = parse_qs(text, strict_parsing=True, max_num_fields=20)
    except ValueError:
        raise InvalidInput("the body is no form") from None
    twice = [name for name, values in fields.items() if len(values) > 1]
    if twice:
        raise InvalidInput("is there more than once", field=twice[0][:80])
    return {name: values[0] for name, values in fields.items()}


def _text(said: Mapping[str, Any], name: str) -> str:
    """Return a text that must be there.

    Raises:
        InvalidInput: It is missing, or no text.
    """
    value = said.get(name)
    if value is None:
        raise InvalidInput("is required", field=name)
    if not isinstance(value, str) or "\0" in value or not _is_unicode(value):
        raise InvalidInput("must be a text", field=name)
    return value


def _is_unicode(text: str) -> bool:
    """Return whether a text can be encoded: JSON may hold half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wants_cookie(said: Mapping[str, Any]) -> bool:
    wish = said.get("refresh_token_in", "body")
    if wish not in ("body", "cookie"):
        raise InvalidInput('must be "body" or "cookie"', field="refresh_token_in")
    return bool(wish == "cookie")


def _client(request: web.Request, said: Mapping[str, Any]) -> tuple[str, str]:
    """Return client id and secret, from Basic authentication or the body."""
    authorization = request.headers.get(hdrs.AUTHORIZATION, "")
    if not authorization.lower().startswith(_BASIC):
        return _text(said, "client_id"), _text(said, "client_secret")
    try:
        decoded = b64decode(authorization[len(_BASIC) :], validate=True).decode()
    except ValueError:
        decoded = ""
    client_id, divider, secret = decoded.partition(":")
    if not divider:
        raise Unauthenticated("the Authorization header holds no client id and secret")
    # RFC 6749, section 2.3.1: both are encoded as in a form.
    return unquote_plus(client_id), unquote_plus(secret)


def _device(request: web.Request) -> Device:
    agent = request.headers.get(hdrs.USER_AGENT, "")
    shown = "".join(one for one in agent if one.isprintable())
    return Device(remote_address(request), shown[:_MOST_AGENT])


def _set_cookie(response: web.Response, name: str, value: str, max_age_s: int) -> None:
    """Set a cookie that scripts cannot read and foreign pages cannot send."""
    response.set_cookie(
        name,
        value,
        max_age=max_age_s,
        path=_COOKIE_PATH,
        secure=True,
        httponly=True,
        samesite="Strict",
    )
