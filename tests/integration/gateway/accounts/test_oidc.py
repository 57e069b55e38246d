"""Users of an external issuer, which is started here."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from services.common.errors import Unauthenticated
from services.common.roles import Role
from services.gateway.accounts.adapters.oidc import OidcSettings, RoleRule
from services.gateway.http_server import serving
from spoton.accounts.v1 import account_pb2
from spoton.accounts.v1 import accounts_pb2 as pb
from tests.fakes.accounts import AccountsServer, running_accounts
from tests.integration.refusals import failure

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105


@dataclass
class Issuer:
    """An OIDC issuer.

    Attributes:
        url: Its address.
        keys: By id: what it signs with, and the algorithm.
        fetches: Of its keys.
        away: Whether it answers with errors.
        names: Issuer that its discovery document names; empty for its own.
    """

    url: str = ""
    keys: dict[str, tuple[Any, str]] = field(default_factory=dict)
    fetches: int = 0
    away: bool = False
    names: str = ""

    def token(self, key_id: str = "rsa", **claims: object) -> str:
        """Return a token for a guard called eve, with other claims where given."""
        key, algorithm = self.keys[key_id]
        now = int(time.time())
        payload = {
            "iss": self.url,
            "aud": "spoton-client",
            "sub": "subject-1",
            "iat": now,
            "exp": now + 300,
            "preferred_username": "eve",
            "realm": {"roles": ["guards"]},
        } | claims
        kept = {name: one for name, one in payload.items() if one is not None}
        return jwt.encode(kept, key, algorithm, headers={"kid": key_id})

    async def discovery(self, _request: web.Request) -> web.Response:
        """Answer where the keys are."""
        if self.away:
            return web.Response(status=500)
        issuer = self.names or self.url
        return web.json_response({"issuer": issuer, "jwks_uri": f"{self.url}/keys"})

    async def jwks(self, _request: web.Request) -> web.Response:
        """Answer with the keys."""
        self.fetches += 1
        if self.away:
            return web.Response(status=500)
        keys = []
        for key_id, (key, algorithm) in self.keys.items():
            converter = jwt.get_algorithm_by_name(algorithm)
            jwk = json.loads(converter.to_jwk(key.public_key()))
            keys.append(jwk | {"kid": key_id, "alg": algorithm, "use": "sig"})
        return web.json_response({"keys": keys})


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """Give an issuer with an RSA and an EC key."""
    issuer = Issuer()
    issuer.keys["rsa"] = (rsa.generate_private_key(65537, 2048), "RS256")
    issuer.keys["ec"] = (ec.generate_private_key(ec.SECP256R1()), "ES256")
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", issuer.discovery)
    app.router.add_get("/keys", issuer.jwks)
    async with serving(app, "127.0.0.1:0") as address:
        issuer.url = f"http://{address}"
        yield issuer


def settings(issuer: Issuer) -> OidcSettings:
    """Return what an operator says about the issuer."""
    return OidcSettings(
        issuer=issuer.url,
        audiences=("spoton-client",),
        algorithms=("RS256", "ES256"),
        role_claim="realm.roles",
        name_claim="preferred_username",
        roles={
            "guards": RoleRule(Role.OPERATOR, ("plaza",)),
            "visitors": RoleRule(Role.VIEWER, ("plaza", "studio")),
            "chiefs": RoleRule(Role.ADMIN, ("*",)),
        },
    )


@pytest.fixture
async def server(
    postgres_dsn: str, valkey_url: str, issuer: Issuer
) -> AsyncIterator[AccountsServer]:
    """Give accounts that trust the issuer."""
    async with running_accounts(
        postgres_dsn, valkey_url, oidc=settings(issuer)
    ) as server:
        yield server


async def exchange(server: AccountsServer, token: str) -> tuple[int, dict[str, Any]]:
    """Return status and body of an exchange."""
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ID_TOKEN,
    }
    async with server.http.post("/v1/auth/token", data=form) as answer:
        return answer.status, await answer.json(content_type=None)


@pytest.mark.parametrize("key_id", ["rsa", "ec"])
async def test_a_token_of_the_issuer_is_exchanged(
    server: AccountsServer, issuer: Issuer, key_id: str
) -> None:
    """The roles follow the claims, and the token lasts no longer than the issuer's."""
    status, body = await exchange(server, issuer.token(key_id))
    assert status == 200, body
    assert "refresh_token" not in body
    assert 290 <= body["expires_in"] <= 300
    caller = await server.accounts.tokens.caller(body["access_token"])
    assert caller.name == "eve"
    assert caller.holds("sessions:write", "plaza")
    assert not caller.holds("sessions:write", "studio")


async def test_the_same_person_stays_the_same_account(
    server: AccountsServer, issuer: Issuer
) -> None:
    """Changed claims change the roles, and refuse what was given before at once."""
    _, before = await exchange(server, issuer.token(sub="subject-2"))
    roles = {"roles": ["guards", "visitors"]}
    _, after = await exchange(server, issuer.token(sub="subject-2", realm=roles))
    with pytest.raises(Unauthenticated):
        await server.accounts.tokens.caller(before["access_token"])
    caller = await server.accounts.tokens.caller(after["access_token"])
    assert caller.holds("sessions:write", "plaza"), "the higher of two roles"
    assert caller.holds("tracking:read", "studio")
    admin = await server.admin()
    get = pb.GetUserRequest(user_id=caller.subject)
    user = (await server.stub.GetUser(get, metadata=admin)).user
    assert user.external_issuer == issuer.url
    reset = pb.ResetUserPasswordRequest(user_id=caller.subject)
    refused = await failure(server.stub.ResetUserPassword(reset, metadata=admin))
    assert "vouches" in refused.message


async def test_a_disabled_user_of_the_issuer_stays_out(
    server: AccountsServer, issuer: Issuer
) -> None:
    """What the issuer says does not overrule the administrator."""
    _, body = await exchange(server, issuer.token(sub="subject-3"))
    caller = await server.accounts.tokens.caller(body["access_token"])
    admin = await server.admin()
    user = account_pb2.User(user_id=caller.subject, disabled=True)
    user.grants.add(environment_id="plaza", role=account_pb2.ROLE_OPERATOR)
    update = pb.UpdateUserRequest(user=user)
    await server.stub.UpdateUser(update, metadata=admin)
    with pytest.raises(Unauthenticated):
        await server.accounts.tokens.caller(body["access_token"])
    assert (await exchange(server, issuer.token(sub="subject-3")))[0] == 401


async def test_claims_without_a_role_are_forbidden(
    server: AccountsServer, issuer: Issuer
) -> None:
    """Whoever the issuer knows is not let in for that alone."""
    for realm in ({"roles": ["strangers"]}, {"roles": 7}, {}, None):
        status, _ = await exchange(server, issuer.token(realm=realm))
        assert status == 403


NOW = int(time.time())
BAD_CLAIMS: dict[str, dict[str, object]] = {
    "foreign audience": {"aud": "another"},
    "no audience": {"aud": None},
    "several audiences, another party": {
        "aud": ["spoton-client", "another"],
        "azp": "another",
    },
    "foreign issuer": {"iss": "https://another.example"},
    "expired": {"exp": NOW - 120},
    "not yet": {"nbf": NOW + 86_400},
    "no expiry": {"exp": None},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
}


@pytest.mark.parametrize("attack", BAD_CLAIMS)
async def test_bad_claims_are_refused(
    server: AccountsServer, issuer: Issuer, attack: str
) -> None:
    """The answer is 401."""
    assert (await exchange(server, issuer.token(**BAD_CLAIMS[attack])))[0] == 401


async def test_forged_tokens_are_refused(
    server: AccountsServer, issuer: Issuer
) -> None:
    """Neither a public key as secret, nor another key, algorithm or type is taken."""
    other = rsa.generate_private_key(65537, 2048)
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    good = {"kid": "rsa"}
    forged = {
        "own key": jwt.encode(claims, other, "RS256", headers=good),
        "unknown key": jwt.encode(claims, other, "RS256", headers={"kid": "x"}),
        "no key id": jwt.encode(claims, other, "RS256"),
        "secret": jwt.encode(claims, "k" * 64, "HS256", headers=good),
        "none": jwt.encode(claims, None, "none", headers=good),
        "algorithm not configured": jwt.encode(
            claims, issuer.keys["rsa"][0], "PS256", headers=good
        ),
        "key of another algorithm": jwt.encode(
            claims, issuer.keys["ec"][0], "ES256", headers=good
        ),
        "logout token": jwt.encode(
            claims,
            issuer.keys["rsa"][0],
            "RS256",
            headers=good | {"typ": "logout+jwt"},
        ),
        "oversized": issuer.token(more="x" * 20_000),
        "nonsense": "a.b.c",
    }
    for name, token in forged.items():
        assert (await exchange(server, token))[0] == 401, name


async def test_a_new_key_of_the_issuer_is_found_within_bounds(
    server: AccountsServer, issuer: Issuer
) -> None:
    """Unknown ids cause one fetch in five seconds, however many come."""
    assert (await exchange(server, issuer.token()))[0] == 200
    other = rsa.generate_private_key(65537, 2048)
    for number in range(20):
        token = jwt.encode({}, other, "RS256", headers={"kid": f"key-{number}"})
        assert (await exchange(server, token))[0] == 401
    assert issuer.fetches == 1


async def test_an_issuer_that_is_away_or_lies(
    postgres_dsn: str, valkey_url: str, issuer: Issuer
) -> None:
    """The answer is 503; known keys are used on while it is away."""
    for trouble in ("away", "names"):
        setattr(issuer, trouble, "https://another.example")
        async with running_accounts(
            postgres_dsn, valkey_url, oidc=settings(issuer)
        ) as server:
            assert (await exchange(server, issuer.token()))[0] == 503
        setattr(issuer, trouble, "")
    async with running_accounts(
        postgres_dsn, valkey_url, oidc=settings(issuer)
    ) as server:
        assert (await exchange(server, issuer.token()))[0] == 200
        issuer.away = True
        assert (await exchange(server, issuer.token()))[0] == 200


async def test_without_an_issuer(postgres_dsn: str, valkey_url: str) -> None:
    """An exchange is refused where none is configured."""
    async with running_accounts(postgres_dsn, valkey_url) as server:
        assert (await exchange(server, "a.b.c"))[0] == 400
