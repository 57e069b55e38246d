"""Stolen refresh tokens, guessed passwords, and people who give themselves more."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from redis.asyncio import Redis

from services.common.errors import Forbidden, Unauthenticated
from services.common.redis_client import open_redis
from services.common.roles import Role
from services.gateway.accounts.adapters.login_throttle import (
    RedisLoginThrottle,
    ThrottleLimits,
)
from services.gateway.accounts.domain.throttling import LoginThrottled
from spoton.accounts.v1 import account_pb2, audit_pb2
from spoton.accounts.v1 import accounts_pb2 as pb
from tests.fakes.accounts import ADMIN, AccountsServer, bearer, running_accounts
from tests.integration.refusals import failure


@pytest.fixture
async def server(postgres_dsn: str, valkey_url: str) -> AsyncIterator[AccountsServer]:
    """Give accounts that are served."""
    async with running_accounts(postgres_dsn, valkey_url) as server:
        yield server


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    """Give a client of an empty Valkey."""
    async with open_redis(valkey_url) as redis:
        yield redis


async def test_a_replayed_refresh_token_ends_the_session(
    server: AccountsServer, postgres_dsn: str
) -> None:
    """Thief and owner are both out at once, and the audit log tells of it."""
    person = await server.person(ADMIN)
    stolen = await server.log_in(person)
    said = {"refresh_token": stolen["refresh_token"]}
    status, following = await server.post("/v1/auth/refresh", **said)
    assert status == 200
    assert (await server.post("/v1/auth/refresh", **said))[0] == 401
    for tokens in (stolen, following):
        with pytest.raises(Unauthenticated):
            await server.accounts.tokens.caller(str(tokens["access_token"]))
    said = {"refresh_token": str(following["refresh_token"])}
    assert (await server.post("/v1/auth/refresh", **said))[0] == 401
    request = pb.ListAuditEntriesRequest(subject=person.user_id, action="refresh")
    metadata = await server.admin()
    log = await server.stub.ListAuditEntries(request, metadata=metadata)
    assert "used twice" in log.entries[0].detail
    async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
        query = "SELECT count(*) FROM gateway.login_sessions WHERE user_id = %s"
        cursor = await connection.execute(query, (person.user_id,))
        assert await cursor.fetchone() == (0,)


async def test_two_who_use_a_token_at_once(server: AccountsServer) -> None:
    """One of them gets tokens at most, and these are refused."""
    stolen = await server.log_in(await server.person())
    said = {"refresh_token": stolen["refresh_token"]}
    answers = await asyncio.gather(
        *(server.post("/v1/auth/refresh", **said) for _ in range(5))
    )
    assert sorted(status for status, _ in answers) == [200, 401, 401, 401, 401]
    (won,) = (body for status, body in answers if status == 200)
    with pytest.raises(Unauthenticated):
        await server.accounts.tokens.caller(str(won["access_token"]))


async def test_made_up_refresh_tokens_disturb_nobody(server: AccountsServer) -> None:
    """A session cannot be ended by guessing: unknown tokens change nothing."""
    tokens = await server.log_in(await server.person())
    for made_up in ("x", "A" * 43, tokens["refresh_token"][:-1], "x" * 10_000):
        status, _ = await server.post("/v1/auth/refresh", refresh_token=made_up)
        assert status == 401
    said = {"refresh_token": tokens["refresh_token"]}
    assert (await server.post("/v1/auth/refresh", **said))[0] == 200


async def test_refresh_tokens_and_passwords_are_not_stored(
    server: AccountsServer, postgres_dsn: str
) -> None:
    """Whoever reads the whole database finds neither, nor a private key."""
    person = await server.person()
    tokens = await server.log_in(person)
    async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
        for table in ("users", "login_sessions", "refresh_tokens", "audit_entries"):
            query = SQL("SELECT string_agg(t::text, ' ') FROM {} t")
            found = query.format(Identifier("gateway", table))
            row = await (await connection.execute(found)).fetchone()
            assert row is not None
            assert person.password not in row[0]
            assert tokens["refresh_token"] not in row[0]


async def test_a_login_flood_is_slowed(server: AccountsServer) -> None:
    """After a few wrong passwords answers are 429 with Retry-After, at once and all."""
    person = await server.person()
    wrong = {"name": person.name, "password": "wrong-wrong-wrong"}

    async def attempt() -> tuple[int, int]:
        async with server.http.post("/v1/auth/login", json=wrong) as answer:
            return answer.status, int(answer.headers.get("Retry-After", "0"))

    answers = await asyncio.gather(*(attempt() for _ in range(30)))
    assert sum(status == 401 for status, _ in answers) <= 6
    slowed = [wait_s for status, wait_s in answers if status == 429]
    assert len(slowed) >= 24
    assert all(1 <= wait_s <= 61 for wait_s in slowed)


async def test_the_real_user_gets_in_during_a_flood(
    server: AccountsServer,
) -> None:
    """A device that logged in before is not slowed by what others do to the name."""
    person = await server.person()
    right = {"name": person.name, "password": person.password}
    async with server.http.post("/v1/auth/login", json=right) as answer:
        proof = answer.cookies["__Secure-spoton_device"]
    wrong = {"name": person.name, "password": "wrong-wrong-wrong"}
    for _ in range(10):
        await server.post("/v1/auth/login", **wrong)
    assert (await server.post("/v1/auth/login", **right))[0] == 429
    known = {"Cookie": f"{proof.key}={proof.value}"}
    url = "/v1/auth/login"
    async with server.http.post(url, json=right, headers=known) as answer:
        assert answer.status == 200
    other = await server.person()
    foreign = {"name": other.name, "password": "wrong-wrong-wrong"}
    answers = []
    for _ in range(10):
        async with server.http.post(url, json=foreign, headers=known) as answer:
            answers.append(answer.status)
    assert 429 in answers, "a proof for one name is none for another"


async def test_a_flood_from_many_addresses_locks_nobody_out(redis: Redis) -> None:
    """A new address always has an attempt at once, and a limit after it."""
    throttle = RedisLoginThrottle(redis, ThrottleLimits(attack=20))
    for number in range(60):
        await throttle.begin("someone", f"192.0.2.{number}", "")
    await throttle.begin("someone", "198.51.100.7", "")
    with pytest.raises(LoginThrottled) as slowed:
        await throttle.begin("someone", "198.51.100.7", "")
    assert slowed.value.retry_after_s <= 60
    await throttle.begin("someone-else", "198.51.100.8", "")
    await throttle.begin("someone-else", "198.51.100.8", "")


async def test_one_address_at_many_names_is_slowed(redis: Redis) -> None:
    """One password at every name is no way around; IPv6 neighbours count as one."""
    throttle = RedisLoginThrottle(redis, ThrottleLimits(free_of_address=10))
    for number in range(10):
        await throttle.begin(f"name-{number}", f"2001:db8::{number + 1:x}", "")
    with pytest.raises(LoginThrottled):
        await throttle.begin("name-11", "2001:db8::ffff", "")
    await throttle.begin("name-11", "2001:db8:0:1::1", "")
    await throttle.begin("name-11", "2001:db8::ffff", "known-device")


async def test_waiting_is_not_prolonged_by_trying(redis: Redis) -> None:
    """Attempts that are refused do not count, and a success forgets the failures."""
    throttle = RedisLoginThrottle(redis)
    for _ in range(5):
        await throttle.begin("someone", "192.0.2.1", "")
    waits = []
    for _ in range(50):
        with pytest.raises(LoginThrottled) as slowed:
            await throttle.begin("someone", "192.0.2.1", "")
        waits.append(slowed.value.retry_after_s)
    assert max(waits) == 1.0
    await throttle.succeeded("someone", "192.0.2.1", "")
    await throttle.begin("someone", "192.0.2.1", "")


async def test_an_attempt_that_was_not_decided_does_not_count(redis: Redis) -> None:
    """Whoever was sent away for the crowd may try again at once."""
    throttle = RedisLoginThrottle(redis)
    for _ in range(20):
        await throttle.begin("someone", "192.0.2.1", "")
        await throttle.taken_back("someone", "192.0.2.1", "")


ESCALATIONS = {
    "a viewer lists users": (
        {"*": Role.VIEWER},
        lambda stub: stub.ListUsers,
        pb.ListUsersRequest(),
    ),
    "an operator reads the audit log": (
        {"*": Role.OPERATOR},
        lambda stub: stub.ListAuditEntries,
        pb.ListAuditEntriesRequest(),
    ),
    "an admin of one environment makes a user": (
        {"plaza": Role.ADMIN},
        lambda stub: stub.CreateUser,
        pb.CreateUserRequest(user=account_pb2.User(name="mine")),
    ),
    "an admin writes the audit log": (
        ADMIN,
        lambda stub: stub.AppendAuditEntries,
        pb.AppendAuditEntriesRequest(entries=[audit_pb2.ReportedEntry()]),
    ),
}


@pytest.mark.parametrize("attack", ESCALATIONS)
async def test_a_role_gives_no_more_than_it_says(
    server: AccountsServer, attack: str
) -> None:
    """What lies beyond is forbidden."""
    roles, call, request = ESCALATIONS[attack]
    tokens = await server.log_in(await server.person(roles))
    metadata = bearer(tokens["access_token"])
    refused = await failure(call(server.stub)(request, metadata=metadata))
    assert isinstance(refused, Forbidden)


async def test_who_keeps_accounts_gives_no_more_than_they_hold(
    server: AccountsServer,
) -> None:
    """A program that may write accounts can neither make nor take over an admin."""
    admin = await server.admin()
    account = account_pb2.ServiceAccount(
        display_name="keeper",
        scopes=["accounts:read", "accounts:write"],
        environment_ids=["*"],
    )
    request = pb.CreateServiceAccountRequest(service_account=account)
    made = await server.stub.CreateServiceAccount(request, metadata=admin)
    status, tokens = await server.post(
        "/v1/auth/token",
        grant_type="client_credentials",
        client_id=made.service_account.service_account_id,
        client_secret=made.client_secret,
    )
    assert status == 200
    keeper = bearer(str(tokens["access_token"]))
    grant = account_pb2.Grant(environment_id="*", role=account_pb2.ROLE_ADMIN)
    create = pb.CreateUserRequest(user=account_pb2.User(name="sock", grants=[grant]))
    refused = await failure(server.stub.CreateUser(create, metadata=keeper))
    assert isinstance(refused, Forbidden)
    victim = await server.person(ADMIN)
    reset = pb.ResetUserPasswordRequest(user_id=victim.user_id)
    refused = await failure(server.stub.ResetUserPassword(reset, metadata=keeper))
    assert isinstance(refused, Forbidden)
    await server.log_in(victim)
