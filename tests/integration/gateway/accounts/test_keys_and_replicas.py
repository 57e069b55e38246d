"""Signing keys rotate, and what one replica revokes every other one refuses."""

import asyncio
from datetime import UTC, datetime

import aiohttp
import psycopg
import pytest

from services.common.access_tokens import AccessTokens
from services.common.errors import NotReady, Unauthenticated, Unavailable
from services.common.key_sets import OwnKeySet, RemoteKeySet
from services.common.postgres import open_pool
from services.common.redis_client import open_redis
from services.common.revocations import RedisRevocations
from services.gateway.accounts.access import StoredAudit
from services.gateway.accounts.bootstrap import open_accounts
from services.gateway.audit import AuditEntry
from spoton.accounts.v1 import account_pb2
from spoton.accounts.v1 import accounts_pb2 as pb
from tests.fakes.accounts import (
    ADMIN,
    QUICK,
    AccountsServer,
    config,
    running_accounts,
)


async def age_keys(postgres_dsn: str) -> None:
    """Let the newest key's time come."""
    async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
        await connection.execute(
            "UPDATE gateway.signing_keys SET activate_time = "
            "activate_time - interval '1 day'"
        )


async def test_keys_rotate_with_overlap(
    server: AccountsServer, postgres_dsn: str
) -> None:
    """A new key is published before it signs; the old one's tokens stay valid."""
    person = await server.person(ADMIN)
    old = (await server.log_in(person))["access_token"]
    admin = await server.admin()
    answer = await server.stub.RotateSigningKeys(
        pb.RotateSigningKeysRequest(), metadata=admin
    )
    new_key, old_key = answer.signing_keys
    assert new_key.state == account_pb2.SIGNING_KEY_STATE_NEXT
    assert old_key.state == account_pb2.SIGNING_KEY_STATE_SIGNING
    assert old_key.HasField("expire_time")
    async with server.http.get("/.well-known/jwks.json") as document:
        assert "max-age" in document.headers["Cache-Control"]
        published = (await document.json(content_type=None))["keys"]
    assert {one["kid"] for one in published} == {new_key.key_id, old_key.key_id}
    assert all("d" not in one for one in published), "no private half"
    still_old = await server.accounts.tokens.claims(
        (await server.log_in(person))["access_token"]
    )
    assert still_old.key_id == old_key.key_id
    await age_keys(postgres_dsn)
    token = (await server.log_in(person))["access_token"]
    assert (await server.accounts.tokens.claims(token)).key_id == new_key.key_id
    await server.accounts.tokens.caller(old)


async def test_a_key_in_foreign_hands_is_replaced_at_once(
    server: AccountsServer, valkey_url: str
) -> None:
    """Its tokens are refused everywhere, also where the key is still kept."""
    person = await server.person(ADMIN)
    old = (await server.log_in(person))["access_token"]
    admin = await server.admin()
    async with aiohttp.ClientSession() as session, open_redis(valkey_url) as redis:
        keys = OwnKeySet(RemoteKeySet(session, f"{server.url}/.well-known/jwks.json"))
        elsewhere = AccessTokens("spoton", keys, RedisRevocations(redis))
        await elsewhere.caller(old)
        await server.stub.RotateSigningKeys(
            pb.RotateSigningKeysRequest(immediately=True), metadata=admin
        )
        for tokens in (elsewhere, server.accounts.tokens):
            with pytest.raises(Unauthenticated):
                await tokens.caller(old)
    new = (await server.log_in(person))["access_token"]
    await server.accounts.tokens.caller(new)


async def test_replicas_share_keys_and_revocations(
    server: AccountsServer, postgres_dsn: str, valkey_url: str
) -> None:
    """A token of one is good at the other, and a logout at one is known to both."""
    async with running_accounts(postgres_dsn, valkey_url) as other:
        tokens = await server.log_in(await server.person(ADMIN))
        await other.accounts.tokens.caller(tokens["access_token"])
        said = {"refresh_token": tokens["refresh_token"]}
        assert (await other.post("/v1/auth/logout", **said))[0] == 204
        with pytest.raises(Unauthenticated):
            await server.accounts.tokens.caller(tokens["access_token"])


async def test_a_redis_that_lost_its_data_is_told_again(
    server: AccountsServer, valkey_url: str
) -> None:
    """Until then nobody is let in; afterwards what was revoked still is."""
    person = await server.person(ADMIN)
    revoked, good = await server.log_in(person), await server.log_in(person)
    await server.post("/v1/auth/logout", refresh_token=revoked["refresh_token"])
    async with open_redis(valkey_url) as redis:
        await redis.flushall()
    async with asyncio.timeout(10.0):
        while True:
            try:
                await server.accounts.tokens.caller(good["access_token"])
                break
            except Unavailable:
                await asyncio.sleep(0.05)
    with pytest.raises(Unauthenticated):
        await server.accounts.tokens.caller(revoked["access_token"])


async def test_a_revocation_while_redis_is_away_takes_effect_later(
    postgres_dsn: str, valkey_server
) -> None:
    """The change is stored, its caller is told that it waits, and it comes."""
    url = valkey_server.store.url
    async with running_accounts(postgres_dsn, url) as server:
        tokens = await server.log_in(await server.person(ADMIN))
        valkey_server.stop()
        said = {"refresh_token": tokens["refresh_token"]}
        assert (await server.post("/v1/auth/logout", **said))[0] == 503
        with pytest.raises(Unavailable):
            await server.accounts.tokens.caller(tokens["access_token"])
        valkey_server.start()
        async with asyncio.timeout(20.0):
            while True:
                try:
                    await server.accounts.tokens.caller(tokens["access_token"])
                except Unauthenticated:
                    break
                except Unavailable:
                    pass
                await asyncio.sleep(0.05)


async def test_keys_sealed_with_another_secret(
    server: AccountsServer, postgres_dsn: str, valkey_url: str
) -> None:
    """A gateway with another secret does not start; a rotation at once helps it."""
    other = config(secret="another secret of more than 32 characters")  # noqa: S106
    async with (
        open_pool(postgres_dsn, "gateway") as pool,
        open_redis(valkey_url) as redis,
        open_accounts(other, postgres_dsn, pool, redis, hasher=QUICK) as accounts,
    ):
        with pytest.raises(NotReady, match="another secret"):
            await accounts.ready
        await accounts.use_cases.keys.rotate(immediately=True)
        await accounts.use_cases.keys.ensure()
    await server.accounts.use_cases.keys.rotate(immediately=True)


def a_search() -> AuditEntry:
    """Return the entry of a search."""
    return AuditEntry(
        time=datetime.now(UTC),
        subject="user-1",
        name="eve",
        kind="user",
        action="spoton.reid.v1.ReidService.SearchIdentities",
        environment_id="plaza",
        resource="/v1/environments/plaza/identities:search",
        purpose="lost child",
        outcome="OK",
        address="192.0.2.1",
        request_id="r1",
    )


async def test_without_postgres_accounts_answer_unavailable(
    postgres_server, valkey_url: str
) -> None:
    """Known tokens are verified on; a login, and a call to be recorded, must wait."""
    dsn = postgres_server.store.dsn()
    async with running_accounts(dsn, valkey_url, pool_timeout_s=1.0) as server:
        person = await server.person(ADMIN)
        tokens = await server.log_in(person)
        await server.accounts.tokens.caller(tokens["access_token"])
        postgres_server.stop()
        await server.accounts.tokens.caller(tokens["access_token"])
        said = {"name": person.name, "password": person.password}
        assert (await server.post("/v1/auth/login", **said))[0] == 503
        audit = StoredAudit(server.accounts.use_cases.auditing)
        with pytest.raises(Unavailable):
            await audit.record(a_search())
