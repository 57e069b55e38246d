"""Forged, stolen and outdated access tokens, each refused by every kind of verifier."""

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.common.access_tokens import MAX_TOKEN_BYTES, AccessTokens
from services.common.errors import Unauthenticated
from services.common.key_sets import OwnKeySet, RemoteKeySet
from spoton.accounts.v1 import accounts_pb2 as pb
from tests.fakes.accounts import ADMIN, AccountsServer, bearer, running_accounts
from tests.integration.refusals import failure


@pytest.fixture
async def server(postgres_dsn: str, valkey_url: str) -> AsyncIterator[AccountsServer]:
    """Give accounts that are served."""
    async with running_accounts(postgres_dsn, valkey_url) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Loot:
    """What an attacker may have.

    Attributes:
        token: A valid token.
        public_key: Of the issuer, from its JWKS.
        forge: Signs a header and a payload with the issuer's own key: what only a
            mistake of the issuer could bring about.
    """

    token: str
    public_key: bytes
    forge: Callable[[dict[str, object], dict[str, object]], str]

    @property
    def header(self) -> dict[str, object]:
        """The token's header."""
        return dict(json.loads(decoded(self.token.split(".")[0])))

    @property
    def payload(self) -> dict[str, object]:
        """The token's payload."""
        return dict(json.loads(decoded(self.token.split(".")[1])))


def decoded(text: str) -> bytes:
    """Return what base64url text holds."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(content: bytes | dict[str, object]) -> str:
    """Return base64url text of bytes, or of an object as JSON."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(
    key: Ed25519PrivateKey, header: dict[str, object], payload: dict[str, object]
) -> str:
    """Return a token signed by a key."""
    body = f"{encoded(header)}.{encoded(payload)}"
    return f"{body}.{encoded(key.sign(body.encode()))}"


@pytest.fixture
async def loot(server: AccountsServer) -> Loot:
    """Give what an attacker may have."""
    tokens = await server.log_in(await server.person(ADMIN))
    keys = server.accounts.use_cases.keys
    async with keys._store.transaction() as transaction:
        ((key, sealed),) = await transaction.signing_keys.all()
    private = keys._opened(key, sealed)
    assert private is not None
    return Loot(
        tokens["access_token"],
        key.public_key,
        lambda header, payload: signed(private, header, payload),
    )


def without_algorithm(loot: Loot) -> str:
    """Say that no signature is needed."""
    header = loot.header | {"alg": "none"}
    return f"{encoded(header)}.{encoded(loot.payload)}."


def without_algorithm_but_signed(loot: Loot) -> str:
    """Say so, and sign all the same."""
    return loot.forge(loot.header | {"alg": "none"}, loot.payload)


def by_public_key_as_secret(loot: Loot) -> str:
    """Sign with HMAC, the published key as the secret, in PEM as libraries take it."""
    key = Ed25519PublicKey.from_public_bytes(loot.public_key)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = f"{encoded(loot.header | {'alg': 'HS256'})}.{encoded(loot.payload)}"
    return f"{body}.{encoded(hmac.digest(pem, body.encode(), 'sha256'))}"


def by_raw_public_key_as_secret(loot: Loot) -> str:
    """Sign with HMAC, the bytes of the published key as the secret."""
    body = f"{encoded(loot.header | {'alg': 'HS256'})}.{encoded(loot.payload)}"
    return f"{body}.{encoded(hmac.digest(loot.public_key, body.encode(), 'sha256'))}"


def by_own_key(loot: Loot) -> str:
    """Sign with another key under the id of the right one."""
    return signed(Ed25519PrivateKey.generate(), loot.header, loot.payload)


def by_unknown_key(loot: Loot) -> str:
    """Sign with another key under an id of its own."""
    header = loot.header | {"kid": "key-of-nobody"}
    return signed(Ed25519PrivateKey.generate(), header, loot.payload)


def by_key_in_header(loot: Loot) -> str:
    """Bring the key along."""
    key = Ed25519PrivateKey.generate()
    point = encoded(key.public_key().public_bytes_raw())
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": point, "kid": loot.header["kid"]}
    return signed(key, loot.header | {"jwk": jwk}, loot.payload)


def with_header(**fields: object) -> Callable[[Loot], str]:
    """Return an attack that changes the header."""
    return lambda loot: loot.forge(loot.header | fields, loot.payload)


def with_payload(**fields: object) -> Callable[[Loot], str]:
    """Return an attack that changes the payload."""
    return lambda loot: loot.forge(loot.header, loot.payload | fields)


def without(name: str) -> Callable[[Loot], str]:
    """Return an attack that leaves a claim out."""

    def forge(loot: Loot) -> str:
        payload = {key: one for key, one in loot.payload.items() if key != name}
        return loot.forge(loot.header, payload)

    return forge


def tampered(loot: Loot) -> str:
    """Change the payload under the old signature."""
    head, _, signature = loot.token.split(".")
    payload = loot.payload | {"sub": "user-of-somebody-else"}
    return f"{head}.{encoded(payload)}.{signature}"


def truncated(loot: Loot) -> str:
    """Leave the signature out."""
    return loot.token.rpartition(".")[0] + "."


NOW = time.time()
"""When the tests are collected, long before the last of them runs."""

TOMORROW = int(NOW) + 86_400
ATTACKS: dict[str, Callable[[Loot], str]] = {
    "alg none": without_algorithm,
    "alg none, signed": without_algorithm_but_signed,
    "key confusion": by_public_key_as_secret,
    "key confusion, raw key": by_raw_public_key_as_secret,
    "own key": by_own_key,
    "unknown kid": by_unknown_key,
    "kid of a path": with_header(kid="../../dev/null"),
    "kid that is no text": with_header(kid=["key"]),
    "jwk": by_key_in_header,
    "jku": with_header(jku="http://127.0.0.1:9/keys"),
    "x5u": with_header(x5u="http://127.0.0.1:9/chain"),
    "x5c": with_header(x5c=["MIIB"]),
    "crit": with_header(crit=["exp"]),
    "b64": with_header(b64=False),
    "typ of another kind": with_header(typ="JWT"),
    "alg of another case": with_header(alg="eddsa"),
    "expired": with_payload(iat=int(NOW) - 900, nbf=int(NOW) - 900, exp=int(NOW) - 300),
    "future nbf": with_payload(nbf=TOMORROW),
    "future iat": with_payload(iat=TOMORROW, exp=TOMORROW + 500),
    "longer than ours": with_payload(exp=int(NOW) + 86_400),
    "foreign audience": with_payload(aud="another"),
    "one of several audiences": with_payload(aud=["spoton", "another"]),
    "foreign issuer": with_payload(iss="another"),
    "kind of a service": with_payload(kind="service"),
    "role of nobody": with_payload(roles={"*": "god"}),
    "roles that are a list": with_payload(roles=["admin"]),
    "jti of another form": with_payload(jti="x"),
    "epoch beyond": with_payload(jti="login-1.-1." + "0" * 32),
    "no exp": without("exp"),
    "no nbf": without("nbf"),
    "no jti": without("jti"),
    "no aud": without("aud"),
    "no iss": without("iss"),
    "no sub": without("sub"),
    "tampered": tampered,
    "no signature": truncated,
    "empty": lambda _: "",
    "no token": lambda _: "a.b.c",
    "oversized": lambda loot: loot.token + "A" * MAX_TOKEN_BYTES,
    "oversized payload": with_payload(name="x" * MAX_TOKEN_BYTES),
    "nested header": lambda _: f"{encoded(b'[' * 4000)}.e30.e30",
    "header that is a list": lambda _: f"{encoded(b'[]')}.e30.e30",
    "five parts": lambda loot: loot.token + ".e30.e30",
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_bad_token_is_refused(
    server: AccountsServer, loot: Loot, attack: str
) -> None:
    """The verifier, an RPC and a service that fetches the keys all refuse it."""
    token = ATTACKS[attack](loot)
    with pytest.raises(Unauthenticated):
        await server.accounts.tokens.caller(token)
    if token.isascii() and len(token) < 8192:
        call = server.stub.GetOwnAccount(
            pb.GetOwnAccountRequest(), metadata=bearer(token)
        )
        assert isinstance(await failure(call), Unauthenticated)


async def test_the_token_itself_is_good(server: AccountsServer, loot: Loot) -> None:
    """So are the same claims signed anew: the forgeries fail for what they change."""
    await server.accounts.tokens.caller(loot.token)
    await server.accounts.tokens.caller(loot.forge(loot.header, loot.payload))


async def test_other_services_refuse_the_same(
    server: AccountsServer, loot: Loot
) -> None:
    """A service that knows the keys from the JWKS believes good tokens only."""
    async with aiohttp.ClientSession() as session:
        url = f"{server.url}/.well-known/jwks.json"
        keys = OwnKeySet(RemoteKeySet(session, url))
        tokens = AccessTokens("spoton", keys, server.accounts.revocations)
        assert (await tokens.caller(loot.token)).grants
        for name, attack in ATTACKS.items():
            with pytest.raises(Unauthenticated):
                pytest.fail(f"{name}: {await tokens.caller(attack(loot))}")


async def test_many_unknown_keys_cause_one_fetch(
    server: AccountsServer, loot: Loot
) -> None:
    """Made-up key ids do not turn a service into a flood upon the gateway."""
    fetched: list[str] = []

    async def count(
        _session: object, _context: object, parameters: aiohttp.TraceRequestStartParams
    ) -> None:
        fetched.append(parameters.url.path)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(count)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        url = f"{server.url}/.well-known/jwks.json"
        keys = OwnKeySet(RemoteKeySet(session, url))
        tokens = AccessTokens("spoton", keys, server.accounts.revocations)
        await tokens.caller(loot.token)
        for number in range(50):
            forged = with_header(kid=f"key-{number}")(loot)
            with pytest.raises(Unauthenticated):
                await tokens.caller(forged)
    assert len(fetched) == 1


async def test_pyjwt_alone_would_not_refuse_all_of_these(loot: Loot) -> None:
    """What is checked beside the library is checked for a reason."""
    forged = with_header(typ="JWT", jku="http://127.0.0.1:9/keys")(loot)
    key = Ed25519PublicKey.from_public_bytes(loot.public_key)
    assert jwt.decode(forged, key, algorithms=["EdDSA"], audience="spoton")
