"""The tokens of the mesh: short JSON Web Tokens, signed with Ed25519, for one reader.

A *service token* says which service calls. A *caller claim* says on whose behalf the
gateway calls. An *operator token* lets whoever owns a stack's folder call its services.
Each kind has its own `typ`, so that none passes for another (RFC 8725, 3.11).
"""

from collections.abc import Mapping
from typing import Any

import jwt

from services.common.caller import EVERY_ENVIRONMENT, Caller, CallerKind
from services.common.errors import Unauthenticated
from services.common.mesh.keys import SigningKey, Trust
from services.common.roles import SCOPES, Role

SERVICE_TYPE = "spoton-service+jwt"
CALLER_TYPE = "spoton-caller+jwt"
OPERATOR_TYPE = "spoton-operator+jwt"

SERVICE_LIFE_S = 300.0
CALLER_LIFE_S = 60.0
OPERATOR_LIFE_S = 3600.0

OPERATOR = "operator"
"""Member whose key makes operator tokens; only a stack on one machine has it."""

OPERATOR_AUDIENCE = "mesh"
"""Audience of operator tokens, which hold at every service of a stack."""

_ALGORITHM = "EdDSA"
_SKEW_S = 10.0


def sign_service(key: SigningKey, audience: str, now_s: float) -> str:
    """Return a token that says which service calls."""
    return _signed(key, SERVICE_TYPE, audience, now_s, now_s + SERVICE_LIFE_S, {})


def sign_caller(key: SigningKey, audience: str, caller: Caller, now_s: float) -> str:
    """Return a claim that says on whose behalf a service calls.

    It holds for a minute at most, and never longer than what it tells.
    """
    until_s = min(now_s + CALLER_LIFE_S, caller.expires_s)
    claims = {
        "sub": caller.subject,
        "name": caller.name,
        "kind": caller.kind.value,
        "grants": {
            environment: sorted(scopes) for environment, scopes in caller.grants.items()
        },
        "until": caller.expires_s,
        "tid": caller.token_id,
        "addr": caller.address,
    }
    return _signed(key, CALLER_TYPE, audience, now_s, until_s, claims)


def sign_operator(key: SigningKey, name: str, now_s: float) -> str:
    """Return a token of an administrator at every service of a stack."""
    until_s = now_s + OPERATOR_LIFE_S
    claims = {"sub": OPERATOR, "name": name}
    return _signed(key, OPERATOR_TYPE, OPERATOR_AUDIENCE, now_s, until_s, claims)


def token_type(token: str) -> str:
    """Return what kind of token it says to be; empty when it says nothing."""
    try:
        return str(jwt.get_unverified_header(token).get("typ", ""))
    except jwt.InvalidTokenError:
        return ""


def read_service(token: str, trust: Trust, audience: str) -> tuple[str, float]:
    """Return which service calls, and when its token ends, seconds since 1970 UTC.

    Raises:
        Unauthenticated: The token does not prove it.
    """
    claims = _verified(token, trust, SERVICE_TYPE, audience)
    return str(claims["iss"]), float(claims["exp"])


def read_caller(
    token: str, trust: Trust, audience: str
) -> tuple[tuple[str, Caller], float]:
    """Return a caller with who claims it, and when the claim ends.

    Raises:
        Unauthenticated: The claim cannot be believed.
    """
    claims = _verified(token, trust, CALLER_TYPE, audience)
    try:
        caller = Caller(
            subject=_text(claims["sub"]),
            name=_text(claims["name"]),
            kind=CallerKind(claims["kind"]),
            grants=_grants(claims["grants"]),
            expires_s=float(claims["until"]),
            token_id=_text(claims["tid"]),
            address=_text(claims["addr"]),
        )
        return (str(claims["iss"]), caller), float(claims["exp"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unauthenticated("the caller claim says too little") from None


def read_operator(token: str, trust: Trust) -> Caller:
    """Return the operator of a stack.

    Raises:
        Unauthenticated: The token is not of the stack's operator.
    """
    claims = _verified(token, trust, OPERATOR_TYPE, OPERATOR_AUDIENCE)
    if claims["iss"] != OPERATOR:
        raise Unauthenticated("the operator token is not of the operator")
    return Caller(
        subject=OPERATOR,
        name=str(claims.get("name", "")),
        kind=CallerKind.SERVICE_ACCOUNT,
        grants={EVERY_ENVIRONMENT: SCOPES[Role.ADMIN]},
        expires_s=float(claims["exp"]),
    )


def _signed(
    key: SigningKey,
    kind: str,
    audience: str,
    now_s: float,
    until_s: float,
    claims: Mapping[str, Any],
) -> str:
    times = {"iat": now_s, "exp": until_s}
    return jwt.encode(
        {"sub": key.member, **claims, "iss": key.member, "aud": audience, **times},
        key.private_key,
        algorithm=_ALGORITHM,
        headers={"kid": key.key_id, "typ": kind},
    )


def _verified(token: str, trust: Trust, kind: str, audience: str) -> dict[str, Any]:
    """Return the claims of a token of one kind for one audience.

    Raises:
        Unauthenticated: Its form, key, signature, audience or time is wrong.
    """
    try:
        header = jwt.get_unverified_header(token)
        if header.get("typ") != kind:
            raise Unauthenticated(f"the token is no {kind}")
        key = trust.key(str(header.get("kid", "")))
        claims: dict[str, Any] = jwt.decode(
            token,
            key.public_key,
            algorithms=[_ALGORITHM],
            audience=audience,
            issuer=key.member,
            leeway=_SKEW_S,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.InvalidTokenError as error:
        raise Unauthenticated(f"the token is refused: {error}") from None
    return claims


def _grants(claimed: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    return {
        _text(environment): frozenset(map(_text, scopes))
        for environment, scopes in claimed.items()
    }


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a claim is no text")
    return value
