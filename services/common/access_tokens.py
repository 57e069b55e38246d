"""Access tokens: what they say, and the one way in which they are verified.

A token is a JWT as RFC 9068 describes it, signed by the gateway with Ed25519, and
verified as RFC 8725 asks: one algorithm, one type, one issuer and audience, keys from
our own set only, and nothing read from the header but which of them it was.
"""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.common.caller import EVERY_ENVIRONMENT, Caller, CallerKind
from services.common.errors import Unauthenticated
from services.common.roles import PERSONAL_SCOPES, Role, scopes_of

ALGORITHM = "EdDSA"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type.
AUDIENCE = "spoton"
DEFAULT_ISSUER = "spoton"
"""`iss` of the gateway's tokens, unless an operator names another."""

LIFETIME_S = 600
"""How long a token is valid at most, seconds."""

MAX_TOKEN_BYTES = 6 * 1024
"""Longest token: below what HTTP servers take as one header field."""

LEEWAY_S = 5
"""How far clocks may differ, seconds."""

_TOKEN_ID = re.compile(r"([a-z0-9-]{0,63})\.([0-9]{1,15})\.[0-9a-f]{32}")
_HEADER_FIELDS = {"alg", "typ", "kid"}
_REQUIRED = ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"]
_REFUSAL = "the access token is not valid"


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says.

    Attributes:
        subject: Id of the account.
        name: For people.
        kind: A user or a service account.
        token_id: The token's own id, as `new_token_id` makes it.
        expires_s: When it ends, seconds since 1970 UTC.
        roles: Of a user, by environment or `EVERY_ENVIRONMENT`.
        scopes: Of a service account, in each of `environments`.
        environments: Of a service account, or `EVERY_ENVIRONMENT` alone.
        key_id: Key that signed it; empty before it is signed.
    """

    subject: str
    name: str
    kind: CallerKind
    token_id: str
    expires_s: float
    roles: Mapping[str, Role] = field(default_factory=dict)
    scopes: Sequence[str] = ()
    environments: Sequence[str] = ()
    key_id: str = ""

    def grants(self) -> dict[str, frozenset[str]]:
        """Return the scopes held, by environment."""
        if self.kind is CallerKind.SERVICE_ACCOUNT:
            return {one: frozenset(self.scopes) for one in self.environments}
        grants = {one: scopes_of(role, one) for one, role in self.roles.items()}
        everywhere = grants.get(EVERY_ENVIRONMENT, frozenset())
        return grants | {EVERY_ENVIRONMENT: everywhere | PERSONAL_SCOPES}

    def caller(self, address: str = "") -> Caller:
        """Return who calls with this token."""
        return Caller(
            subject=self.subject,
            name=self.name,
            kind=self.kind,
            grants=self.grants(),
            expires_s=self.expires_s,
            token_id=self.token_id,
            address=address,
        )


class VerificationKeys(Protocol):
    """The public keys that sign access tokens now, or did until lately."""

    async def find(self, key_id: str) -> Ed25519PublicKey | None:
        """Return the key of an id, or None.

        Raises:
            Unavailable: The keys cannot be had.
        """


class Revocations(Protocol):
    """Which tokens ended before their time."""

    async def covers(self, claims: AccessClaims) -> bool:
        """Return whether a token is revoked.

        Raises:
            Unavailable: It cannot be told now.
        """


class AccessTokens:
    """Verifies access tokens.

    Args:
        issuer: Who must have issued them, as in their `iss`.
        keys: Of the issuer.
        revocations: Asked at each verification.
    """

    def __init__(
        self, issuer: str, keys: VerificationKeys, revocations: Revocations
    ) -> None:
        self._issuer = issuer
        self._keys = keys
        self._revocations = revocations

    async def caller(self, token: str, *, address: str = "") -> Caller:
        """Return who calls with a token.

        Args:
            token: As it came.
            address: Where it came from.

        Raises:
            Unauthenticated: The token is no valid one.
            Unavailable: Keys or revocations cannot be had: nobody is let in unseen.
        """
        return (await self.claims(token)).caller(address)

    async def claims(self, token: str) -> AccessClaims:
        """Return what a token says.

        Raises:
            Unauthenticated: The token is no valid one.
            Unavailable: Keys or revocations cannot be had.
        """
        key_id = _key_id(token)
        key = await self._keys.find(key_id)
        if key is None:
            raise Unauthenticated(_REFUSAL)
        claims = _claims(self._payload(token, key), key_id)
        if await self._revocations.covers(claims):
            raise Unauthenticated("the access token was revoked")
        return claims

    def _payload(self, token: str, key: Ed25519PublicKey) -> Mapping[str, Any]:
        """Return the payload once signature, times, issuer and audience fit."""
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=AUDIENCE,
                leeway=LEEWAY_S,
                options={"require": _REQUIRED, "strict_aud": True},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the access token has expired") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Unauthenticated(_REFUSAL) from None


@dataclass(frozen=True, slots=True)
class TokenOrigin:
    """Where a token came from.

    Attributes:
        login_session_id: Login session; empty if none.
        epoch: Of the account when the token was made: it grows when all earlier
            tokens of the account are revoked.
    """

    login_session_id: str
    epoch: int


def new_token_id(origin: TokenOrigin) -> str:
    """Return the id of a new token, which tells where it came from.

    So whoever knows a caller's token id can ask whether the token is revoked, without
    keeping the token.
    """
    return f"{origin.login_session_id}.{origin.epoch}.{uuid.uuid4().hex}"


def origin_of(token_id: str) -> TokenOrigin:
    """Return where a token came from.

    Raises:
        Unauthenticated: The id is none that we make.
    """
    found = _TOKEN_ID.fullmatch(token_id)
    if found is None:
        raise Unauthenticated(_REFUSAL)
    return TokenOrigin(found[1], int(found[2]))


def claims_payload(
    claims: AccessClaims, *, issuer: str, issued_s: float
) -> dict[str, Any]:
    """Return the payload of a token that says `claims`."""
    payload: dict[str, Any] = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": claims.subject,
        "iat": int(issued_s),
        "nbf": int(issued_s),
        "exp": int(claims.expires_s),
        "jti": claims.token_id,
        "name": claims.name,
        "kind": claims.kind.value,
    }
    if claims.kind is CallerKind.SERVICE_ACCOUNT:
        payload |= {
            "scopes": sorted(claims.scopes),
            "environments": sorted(claims.environments),
        }
    else:
        roles = {one: role.value for one, role in claims.roles.items()}
        payload["roles"] = roles
    return payload


def _key_id(token: str) -> str:
    """Return the id of the key in the header, once the header is one of ours."""
    if len(token) > MAX_TOKEN_BYTES or not token.isascii() or token.count(".") != 2:
        raise Unauthenticated(_REFUSAL)
    encoded = token.partition(".")[0]
    try:
        header = json.loads(jwt.utils.base64url_decode(encoded))
    except (ValueError, RecursionError):
        raise Unauthenticated(_REFUSAL) from None
    if (
        not isinstance(header, dict)
        # A key, an address of one or an extension in the header is never followed.
        or set(header) != _HEADER_FIELDS
        or header["alg"] != ALGORITHM
        or header["typ"] != TOKEN_TYPE
        or not isinstance(header["kid"], str)
        or not 1 <= len(header["kid"]) <= 128
    ):
        raise Unauthenticated(_REFUSAL)
    return str(header["kid"])


def _claims(payload: Mapping[str, Any], key_id: str) -> AccessClaims:
    """Return the claims of a payload whose signature fits."""
    try:
        kind = CallerKind(payload["kind"])
        if kind is CallerKind.SERVICE or payload["exp"] - payload["iat"] > LIFETIME_S:
            raise Unauthenticated(_REFUSAL)
        origin_of(payload["jti"])
        return AccessClaims(
            subject=payload["sub"],
            name=str(payload["name"]),
            kind=kind,
            token_id=payload["jti"],
            expires_s=float(payload["exp"]),
            roles={
                str(one): Role(role) for one, role in payload.get("roles", {}).items()
            },
            scopes=tuple(map(str, payload.get("scopes", ()))),
            environments=tuple(map(str, payload.get("environments", ()))),
            key_id=key_id,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unauthenticated(_REFUSAL) from None
