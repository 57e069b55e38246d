"""Log in, refresh and log out, over HTTP."""

import time

import argon2
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from services.common.access_tokens import origin_of
from services.common.errors import Unauthenticated
from services.common.redis_client import open_redis
from spoton.accounts.v1 import accounts_pb2 as pb
from tests.fakes.accounts import (
    ADMIN,
    AccountsServer,
    Person,
    bearer,
    running_accounts,
)
from tests.integration.refusals import failure

NEW = "a rather long new one"


async def test_a_login_gives_tokens_that_work(server: AccountsServer) -> None:
    """The access token tells who calls, what they may, and ends after ten minutes."""
    person = await server.person(ADMIN)
    tokens = await server.log_in(person)
    assert tokens["token_type"] == "Bearer"  # noqa: S105
    assert tokens["expires_in"] == 600
    caller = await server.accounts.tokens.caller(tokens["access_token"])
    assert (caller.subject, caller.name) == (person.user_id, person.name)
    assert caller.holds("accounts:write", None)
    assert caller.expires_s == pytest.approx(time.time() + 600, abs=5)
    metadata = bearer(tokens["access_token"])
    own = await server.stub.GetOwnAccount(pb.GetOwnAccountRequest(), metadata=metadata)
    assert own.user.name == person.name
    assert own.user.HasField("last_login_time")


@pytest.mark.parametrize("change", ["name", "password", "disabled"])
async def test_what_is_wrong_is_not_told(server: AccountsServer, change: str) -> None:
    """A wrong name, a wrong password and a disabled user get the same answer."""
    person = await server.person(ADMIN)
    if change == "disabled":
        request = pb.UpdateUserRequest()
        request.user.user_id, request.user.disabled = person.user_id, True
        await server.stub.UpdateUser(request, metadata=await server.admin())
    said = {"name": person.name, "password": person.password}
    if change != "disabled":
        said[change] = "somebody-else-entirely"
    status, body = await server.post("/v1/auth/login", **said)
    assert status == 401
    assert body["detail"] == "name or password is wrong"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"password": "x"}, "name"),
        ({"name": "someone"}, "password"),
        ({"name": "someone", "password": "x" * 129}, "password"),
        ({"name": "someone", "password": "x\0"}, "password"),
        (
            {"name": "a", "password": "x", "refresh_token_in": "url"},
            "refresh_token_in",
        ),
    ],
)
async def test_a_bad_field_is_named(
    server: AccountsServer, said: dict[str, str], field: str
) -> None:
    """The answer is 400 and names the field."""
    status, body = await server.post("/v1/auth/login", **said)
    assert status == 400
    violation = {"field": field}.items()
    assert violation <= body["details"][0]["field_violations"][0].items()


@pytest.mark.parametrize("body", [b"[1]", b"{", b'"x"', b"[" * 30000])
async def test_a_body_that_is_no_object_is_refused(
    server: AccountsServer, body: bytes
) -> None:
    """Neither a list, nor nonsense, nor deep nesting is more than a 400."""
    headers = {"Content-Type": "application/json"}
    async with server.http.post("/v1/auth/login", data=body, headers=headers) as answer:
        assert answer.status == 400


async def test_a_form_or_a_large_body_is_refused(server: AccountsServer) -> None:
    """A page's form cannot log anybody in, and nobody can send megabytes."""
    async with server.http.post("/v1/auth/login", data={"name": "a"}) as answer:
        assert answer.status == 415
    large = {"name": "a" * 40_000, "password": "x"}
    async with server.http.post("/v1/auth/login", json=large) as answer:
        assert answer.status == 413


async def test_refresh_tokens_rotate(server: AccountsServer) -> None:
    """Each gives the next pair, and the session stays one."""
    tokens = await server.log_in(await server.person(ADMIN))
    status, following = await server.post(
        "/v1/auth/refresh", refresh_token=tokens["refresh_token"]
    )
    assert status == 200
    assert following["refresh_token"] != tokens["refresh_token"]
    first = await server.accounts.tokens.claims(tokens["access_token"])
    second = await server.accounts.tokens.claims(str(following["access_token"]))
    assert origin_of(first.token_id) == origin_of(second.token_id)


async def test_a_session_in_a_cookie(server: AccountsServer) -> None:
    """Scripts and foreign pages cannot have it, and the body does not hold it."""
    person = await server.person(ADMIN)
    said = {
        "name": person.name,
        "password": person.password,
        "refresh_token_in": "cookie",
    }
    async with server.http.post("/v1/auth/login", json=said) as answer:
        assert "refresh_token" not in await answer.json()
        cookie = answer.cookies["__Secure-spoton_refresh"]
    assert (cookie["httponly"], cookie["secure"]) == (True, True)
    assert (cookie["samesite"], cookie["path"]) == ("Strict", "/v1/auth")
    sent = {"Cookie": f"{cookie.key}={cookie.value}"}
    foreign = sent | {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    url = "/v1/auth/refresh"
    async with server.http.post(url, json={}, headers=foreign) as answer:
        assert answer.status == 403
    async with server.http.post(url, json={}, headers=sent) as answer:
        assert answer.status == 200
        following = answer.cookies["__Secure-spoton_refresh"]
        assert following.value != cookie.value
    sent = {"Cookie": f"{cookie.key}={following.value}"}
    async with server.http.post("/v1/auth/logout", json={}, headers=sent) as answer:
        assert answer.status == 204
        assert answer.cookies["__Secure-spoton_refresh"].value == ""
    async with server.http.post(url, json={}, headers=sent) as answer:
        assert answer.status == 401


@pytest.mark.parametrize("by", ["refresh token", "access token"])
async def test_logging_out_ends_both_tokens(server: AccountsServer, by: str) -> None:
    """The access token is refused at once, and the refresh token gives nothing."""
    tokens = await server.log_in(await server.person(ADMIN))
    said, headers = {}, {}
    if by == "refresh token":
        said = {"refresh_token": tokens["refresh_token"]}
    else:
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    url = "/v1/auth/logout"
    async with server.http.post(url, json=said, headers=headers) as answer:
        assert answer.status == 204
    with pytest.raises(Unauthenticated, match="revoked"):
        await server.accounts.tokens.caller(tokens["access_token"])
    status, _ = await server.post(
        "/v1/auth/refresh", refresh_token=tokens["refresh_token"]
    )
    assert status == 401


async def test_nothing_to_refresh_or_end(server: AccountsServer) -> None:
    """Without a token both are refused; an unknown one to end is no error."""
    assert (await server.post("/v1/auth/refresh"))[0] == 401
    assert (await server.post("/v1/auth/logout"))[0] == 401
    unknown = {"refresh_token": "unknown"}
    assert (await server.post("/v1/auth/logout", **unknown))[0] == 204


@pytest.mark.parametrize("column", ["expire_time", "idle_expire_time"])
async def test_a_session_ends_by_age_and_by_idleness(
    server: AccountsServer, postgres_dsn: str, column: str
) -> None:
    """After either time the refresh token gives nothing."""
    person = await server.person(ADMIN)
    tokens = await server.log_in(person)
    async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
        update = "UPDATE gateway.login_sessions SET {} = now() WHERE user_id = %s"
        await connection.execute(
            SQL(update).format(Identifier(column)), (person.user_id,)
        )
    status, _ = await server.post(
        "/v1/auth/refresh", refresh_token=tokens["refresh_token"]
    )
    assert status == 401


async def test_an_old_hash_is_replaced_at_the_next_login(
    server: AccountsServer, postgres_dsn: str, valkey_url: str
) -> None:
    """Parameters change with the service, and each password follows when it is seen."""
    person = await server.person(ADMIN)
    stronger = argon2.PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    async with running_accounts(postgres_dsn, valkey_url, hasher=stronger) as newer:
        await newer.log_in(person)
        await newer.log_in(person)
    async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
        cursor = await connection.execute(
            "SELECT password_hash FROM gateway.users WHERE user_id = %s",
            (person.user_id,),
        )
        row = await cursor.fetchone()
    assert row is not None
    assert row[0].startswith("$argon2id$v=19$m=16,t=2,p=1$")


async def test_without_redis_nobody_is_let_in(
    server: AccountsServer, valkey_url: str
) -> None:
    """A token is refused while Redis does not know what is revoked, and only then."""
    tokens = await server.log_in(await server.person(ADMIN))
    call = server.stub.GetOwnAccount
    metadata = bearer(tokens["access_token"])
    async with open_redis(valkey_url) as redis:
        await redis.delete("spoton:revoked:complete")
    error = await failure(call(pb.GetOwnAccountRequest(), metadata=metadata))
    assert "not known yet" in error.message


async def test_a_user_lists_and_ends_own_sessions(server: AccountsServer) -> None:
    """The current one is marked; an ended one is refused at once."""
    person = await server.person()
    first = await server.log_in(person)
    second = await server.log_in(person)
    mine = bearer(second["access_token"])
    listing = await server.stub.ListOwnLoginSessions(
        pb.ListOwnLoginSessionsRequest(), metadata=mine
    )
    assert [one.current for one in listing.login_sessions] == [True, False]
    other = listing.login_sessions[1]
    request = pb.EndOwnLoginSessionRequest(login_session_id=other.login_session_id)
    await server.stub.EndOwnLoginSession(request, metadata=mine)
    again = await failure(server.stub.EndOwnLoginSession(request, metadata=mine))
    assert "does not exist" in again.message
    theirs = bearer(first["access_token"])
    refused = await failure(
        server.stub.GetOwnAccount(pb.GetOwnAccountRequest(), metadata=theirs)
    )
    assert isinstance(refused, Unauthenticated)


async def test_a_password_change_ends_the_other_sessions(
    server: AccountsServer,
) -> None:
    """The session that changed it goes on; the old password is refused."""
    person = await server.person()
    other, mine = await server.log_in(person), await server.log_in(person)
    request = pb.ChangeOwnPasswordRequest(
        current_password=person.password, new_password=NEW
    )
    metadata = bearer(mine["access_token"])
    await server.stub.ChangeOwnPassword(request, metadata=metadata)
    await server.accounts.tokens.caller(mine["access_token"])
    with pytest.raises(Unauthenticated):
        await server.accounts.tokens.caller(other["access_token"])
    status, _ = await server.post(
        "/v1/auth/login", name=person.name, password=person.password
    )
    assert status == 401
    await server.log_in(Person(person.user_id, person.name, NEW))
    error = await failure(server.stub.ChangeOwnPassword(request, metadata=metadata))
    assert error.field == "current_password"
    request.new_password = NEW[:5]
    error = await failure(server.stub.ChangeOwnPassword(request, metadata=metadata))
    assert error.field == "new_password"
