"""Programs with accounts: their secrets, scopes and tokens."""

import base64
import secrets
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from services.common.caller import CallerKind
from services.common.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    NotFound,
    NotReady,
    Unauthenticated,
)
from spoton.accounts.v1 import account_pb2
from spoton.accounts.v1 import accounts_pb2 as pb
from tests.fakes.accounts import AccountsServer, bearer
from tests.integration.refusals import failure

Metadata = tuple[tuple[str, str], ...]


@pytest.fixture
async def admin(server: AccountsServer) -> Metadata:
    """Give what an administrator's calls carry."""
    return await server.admin()


@pytest.fixture
async def made(
    server: AccountsServer, admin: Metadata
) -> pb.CreateServiceAccountResponse:
    """Give a new service account that may read tracking in one environment."""
    request = pb.CreateServiceAccountRequest(service_account=an_account())
    return await server.stub.CreateServiceAccount(request, metadata=admin)


def an_account() -> account_pb2.ServiceAccount:
    """Return an account that may read tracking in one environment."""
    return account_pb2.ServiceAccount(
        display_name=f"Screen {secrets.token_hex(4)}",
        scopes=["tracking:read"],
        environment_ids=["plaza"],
    )


async def exchange(server: AccountsServer, client_id: str, secret: str) -> int | str:
    """Return an access token, or the status of the refusal."""
    form = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": secret,
    }
    async with server.http.post("/v1/auth/token", data=form) as answer:
        body = await answer.json(content_type=None)
        assert "refresh_token" not in body
        return str(body["access_token"]) if answer.status == 200 else answer.status


async def test_a_secret_is_exchanged_for_a_token(
    server: AccountsServer, made: pb.CreateServiceAccountResponse, admin: Metadata
) -> None:
    """The token holds the scopes of the account, and nothing of a user's."""
    account = made.service_account
    token = await exchange(server, account.service_account_id, made.client_secret)
    caller = await server.accounts.tokens.caller(str(token))
    assert (caller.kind, caller.subject) == (
        CallerKind.SERVICE_ACCOUNT,
        account.service_account_id,
    )
    assert caller.grants == {"plaza": frozenset({"tracking:read"})}
    get = pb.GetServiceAccountRequest(service_account_id=account.service_account_id)
    found = (await server.stub.GetServiceAccount(get, metadata=admin)).service_account
    assert found.secrets[0].HasField("last_use_time")
    basic = f"{account.service_account_id}:{made.client_secret}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(basic).decode()}"}
    form = {"grant_type": "client_credentials"}
    url = "/v1/auth/token"
    async with server.http.post(url, data=form, headers=headers) as answer:
        assert answer.status == 200


async def test_wrong_secrets_are_refused(
    server: AccountsServer, made: pb.CreateServiceAccountResponse
) -> None:
    """A wrong one, one of another account, and an unknown account are the same."""
    client_id = made.service_account.service_account_id
    assert await exchange(server, client_id, "wrong") == 401
    assert await exchange(server, client_id, "x" * 1000) == 401
    assert await exchange(server, "service-unknown", made.client_secret) == 401


async def test_bad_exchanges_name_the_field(server: AccountsServer) -> None:
    """A grant of another kind, a missing field and one given twice are refused."""
    for form, field in (
        ([("grant_type", "password")], "grant_type"),
        ([("grant_type", "client_credentials")], "client_id"),
        ([("grant_type", "a"), ("grant_type", "b")], "grant_type"),
    ):
        async with server.http.post("/v1/auth/token", data=form) as answer:
            assert answer.status == 400
            details = (await answer.json(content_type=None))["details"]
            assert details[0]["field_violations"][0]["field"] == field


async def test_secrets_rotate(
    server: AccountsServer, made: pb.CreateServiceAccountResponse, admin: Metadata
) -> None:
    """Both hold until the old one is deleted, whose tokens are refused at once."""
    client_id = made.service_account.service_account_id
    old_token = str(await exchange(server, client_id, made.client_secret))
    create = pb.CreateServiceAccountSecretRequest(service_account_id=client_id)
    new = await server.stub.CreateServiceAccountSecret(create, metadata=admin)
    for secret in (made.client_secret, new.client_secret):
        assert isinstance(await exchange(server, client_id, secret), str)
    delete = pb.DeleteServiceAccountSecretRequest(
        service_account_id=client_id,
        secret_id=made.service_account.secrets[0].secret_id,
    )
    await server.stub.DeleteServiceAccountSecret(delete, metadata=admin)
    with pytest.raises(Unauthenticated):
        await server.accounts.tokens.caller(old_token)
    assert await exchange(server, client_id, made.client_secret) == 401
    assert isinstance(await exchange(server, client_id, new.client_secret), str)
    again = server.stub.DeleteServiceAccountSecret(delete, metadata=admin)
    assert isinstance(await failure(again), NotFound)
    for _ in range(4):
        await server.stub.CreateServiceAccountSecret(create, metadata=admin)
    sixth = server.stub.CreateServiceAccountSecret(create, metadata=admin)
    assert isinstance(await failure(sixth), NotReady)


async def test_a_secret_expires(
    server: AccountsServer,
    made: pb.CreateServiceAccountResponse,
    admin: Metadata,
    postgres_dsn: str,
) -> None:
    """After its time it gives nothing; one in the past is not made."""
    client_id = made.service_account.service_account_id
    create = pb.CreateServiceAccountSecretRequest(service_account_id=client_id)
    create.expire_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    new = await server.stub.CreateServiceAccountSecret(create, metadata=admin)
    assert isinstance(await exchange(server, client_id, new.client_secret), str)
    async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
        await connection.execute(
            "UPDATE gateway.service_account_secrets SET expire_time = now() "
            "WHERE secret_id = %s",
            (new.secret.secret_id,),
        )
    assert await exchange(server, client_id, new.client_secret) == 401
    create.expire_time.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
    error = await failure(
        server.stub.CreateServiceAccountSecret(create, metadata=admin)
    )
    assert (type(error), error.field) == (InvalidInput, "expire_time")


async def test_a_service_account_lives(
    server: AccountsServer, made: pb.CreateServiceAccountResponse, admin: Metadata
) -> None:
    """Listed, changed with tokens refused at once, disabled, and deleted."""
    stub, account = server.stub, made.service_account
    client_id = account.service_account_id
    token = str(await exchange(server, client_id, made.client_secret))
    listing = await stub.ListServiceAccounts(
        pb.ListServiceAccountsRequest(page_size=1000), metadata=admin
    )
    assert client_id in [one.service_account_id for one in listing.service_accounts]
    create = pb.CreateServiceAccountRequest(service_account=account)
    twice = await failure(stub.CreateServiceAccount(create, metadata=admin))
    assert isinstance(twice, AlreadyExists)
    account.disabled = True
    update = pb.UpdateServiceAccountRequest(service_account=account)
    await stub.UpdateServiceAccount(update, metadata=admin)
    with pytest.raises(Unauthenticated):
        await server.accounts.tokens.caller(token)
    assert await exchange(server, client_id, made.client_secret) == 401
    stale = await failure(stub.UpdateServiceAccount(update, metadata=admin))
    assert isinstance(stale, Conflict)
    delete = pb.DeleteServiceAccountRequest(service_account_id=client_id)
    await stub.DeleteServiceAccount(delete, metadata=admin)
    gone = await failure(stub.DeleteServiceAccount(delete, metadata=admin))
    assert isinstance(gone, NotFound)


async def test_a_program_has_no_profile(
    server: AccountsServer, made: pb.CreateServiceAccountResponse
) -> None:
    """What is about a person's own account is refused to it."""
    client_id = made.service_account.service_account_id
    token = str(await exchange(server, client_id, made.client_secret))
    call = server.stub.GetOwnAccount(pb.GetOwnAccountRequest(), metadata=bearer(token))
    assert "profile:read" in (await failure(call)).message


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"display_name": " "}, "service_account.display_name"),
        ({"scopes": []}, "service_account.scopes"),
        ({"scopes": ["audit:write"]}, "service_account.scopes[0]"),
        ({"scopes": ["tracking:read"] * 2}, "service_account.scopes[1]"),
        ({"environment_ids": []}, "service_account.environment_ids"),
        ({"environment_ids": ["*", "plaza"]}, "service_account.environment_ids"),
        ({"environment_ids": ["A"]}, "service_account.environment_ids[0]"),
        ({"scopes": ["audit:read"]}, "service_account.environment_ids"),
    ],
)
async def test_a_bad_account_is_refused(
    server: AccountsServer, admin: Metadata, change: dict[str, object], field: str
) -> None:
    """The error names the field."""
    account = an_account()
    for name in change:
        account.ClearField(name)
    account.MergeFrom(account_pb2.ServiceAccount(**change))
    request = pb.CreateServiceAccountRequest(service_account=account)
    error = await failure(server.stub.CreateServiceAccount(request, metadata=admin))
    assert (type(error), error.field) == (InvalidInput, field)
