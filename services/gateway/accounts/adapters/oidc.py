"""Tokens of an external OIDC issuer: discovery, keys, checks, and roles from claims."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jwt

from services.common.errors import Unauthenticated, Unavailable
from services.common.key_sets import RemoteKeySet, fetch_json
from services.common.roles import Role
from services.gateway.accounts.domain.checks import MAX_GRANTS, MAX_TEXT
from services.gateway.accounts.service.ports import ExternalIdentity

SAFE_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Algorithms that an issuer may be configured with: none with a shared secret."""

MAX_TOKEN_BYTES = 16 * 1024
_LEEWAY_S = 30
_DISCOVERY_FRESH_S = 3600.0
_DISCOVERY_RETRY_S = 5.0
_TYPES = (None, "JWT", "at+jwt", "application/at+jwt")
_REFUSAL = "the token of the external issuer is not valid"
_RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class RoleRule:
    """What one value of the role claim gives.

    Attributes:
        role: The role.
        environment_ids: Where, or `*` for everywhere.
    """

    role: Role
    environment_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """What an operator says about the issuer.

    Attributes:
        issuer: Its address, as in `iss`.
        audiences: Client ids or audiences that its tokens must be for.
        algorithms: That it signs with.
        role_claim: Path of the claim with roles or groups, its parts divided by `.`.
        name_claim: Claim with the name of the user.
        roles: By value of the role claim: what it gives.
    """

    issuer: str
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...]
    role_claim: str
    name_claim: str
    roles: Mapping[str, RoleRule]


class OidcIssuer:
    """An external issuer that is trusted to say who somebody is."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: OidcSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._settings = settings
        self._clock = clock
        self._keys: RemoteKeySet | None = None
        self._jwks_uri = ""
        self._discovered_s = self._tried_s = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def identity(self, token: str) -> ExternalIdentity:
        """Return whom a token is about.

        Raises:
            Unauthenticated: The token is no valid one of the issuer for us.
            Unavailable: The issuer's keys cannot be had.
        """
        algorithm, key_id = self._header(token)
        key = await (await self._key_set()).key(key_id)
        if key is None:
            raise Unauthenticated(_REFUSAL)
        claims = self._claims(token, key, algorithm)
        return ExternalIdentity(
            issuer=self._settings.issuer,
            subject=claims["sub"],
            name=_name(claims, self._settings.name_claim),
            roles=roles_from_claims(claims, self._settings),
            expires_s=float(claims["exp"]),
        )

    def _header(self, token: str) -> tuple[str, str]:
        """Return algorithm and key id, once the header is one to go on with."""
        if len(token) > MAX_TOKEN_BYTES or token.count(".") != 2:
            raise Unauthenticated(_REFUSAL)
        try:
            header = json.loads(jwt.utils.base64url_decode(token.partition(".")[0]))
        except (ValueError, RecursionError):
            header = None
        match header:
            case {"alg": str(algorithm), "kid": str(key_id)} if (
                algorithm in self._settings.algorithms
                and header.get("typ") in _TYPES
                and "crit" not in header
            ):
                return algorithm, key_id
        raise Unauthenticated(_REFUSAL)

    def _claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        """Return the claims once signature, times, issuer and audience fit."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                # A key that is meant for another algorithm is refused.
                key,
                algorithms=[algorithm],
                issuer=self._settings.issuer,
                audience=self._settings.audiences,
                leeway=_LEEWAY_S,
                options={"require": ["iss", "aud", "exp", "iat", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the token of the issuer has expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise Unauthenticated(_REFUSAL) from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if several and claims.get("azp") not in self._settings.audiences:
            raise Unauthenticated(_REFUSAL)
        if not 1 <= len(claims["sub"]) <= 255 or "\0" in claims["sub"]:
            raise Unauthenticated(_REFUSAL)
        return claims

    async def _key_set(self) -> RemoteKeySet:
        """Return the issuer's keys, found by discovery.

        Raises:
            Unavailable: The issuer is away, or says what it must not.
        """
        async with self._one_at_a_time:
            now_s = self._clock()
            stale = now_s - self._discovered_s > _DISCOVERY_FRESH_S
            if stale and now_s - self._tried_s > _DISCOVERY_RETRY_S:
                self._tried_s = now_s
                try:
                    await self._discover()
                except Unavailable:
                    if self._keys is None:
                        raise
        if self._keys is None:
            raise Unavailable("the external issuer is away")
        return self._keys

    async def _discover(self) -> None:
        """Read where the issuer's keys are."""
        issuer = self._settings.issuer
        url = issuer.rstrip("/") + "/.well-known/openid-configuration"
        document = await fetch_json(self._session, url)
        jwks_uri = document.get("jwks_uri")
        if document.get("issuer") != issuer:
            raise Unavailable(f"{url} names another issuer")
        if not isinstance(jwks_uri, str) or (
            urlsplit(jwks_uri).scheme not in ("https", urlsplit(issuer).scheme)
        ):
            raise Unavailable(f"{url} names no address of keys that can be trusted")
        if jwks_uri != self._jwks_uri:
            self._keys = RemoteKeySet(self._session, jwks_uri, clock=self._clock)
            self._jwks_uri = jwks_uri
        self._discovered_s = self._clock()


def roles_from_claims(
    claims: Mapping[str, Any], settings: OidcSettings
) -> dict[str, Role]:
    """Return the highest role in each environment that the claims give."""
    found: Any = claims
    for part in settings.role_claim.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    values = [found] if isinstance(found, str) else found
    roles: dict[str, Role] = {}
    for value in values if isinstance(values, list) else ():
        rule = settings.roles.get(value) if isinstance(value, str) else None
        for environment_id in rule.environment_ids if rule else ():
            before = roles.get(environment_id)
            if rule and (before is None or _RANKS[before] < _RANKS[rule.role]):
                roles[environment_id] = rule.role
    if len(roles) > MAX_GRANTS:
        raise Unauthenticated("the issuer's claims give more roles than a token holds")
    return roles


def _name(claims: Mapping[str, Any], name_claim: str) -> str:
    """Return a name to show: the claim, or the subject."""
    name = claims.get(name_claim)
    text = name if isinstance(name, str) and name.strip() else claims["sub"]
    return "".join(one for one in text if one.isprintable())[:MAX_TEXT]
