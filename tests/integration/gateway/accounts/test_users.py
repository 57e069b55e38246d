"""Administrators keep users, over real RPCs."""

import asyncio
import secrets

import pytest

from services.common.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    NotFound,
    NotReady,
    Unauthenticated,
)
from services.common.roles import Role
from services.gateway.accounts.domain.paging import PageRequest
from spoton.accounts.v1 import account_pb2
from spoton.accounts.v1 import accounts_pb2 as pb
from tests.fakes.accounts import ADMIN, AccountsServer, Person
from tests.integration.refusals import failure

Metadata = tuple[tuple[str, str], ...]


@pytest.fixture
async def admin(server: AccountsServer) -> Metadata:
    """Give what an administrator's calls carry."""
    return await server.admin()


def a_user(name: str = "") -> account_pb2.User:
    """Return a viewer of one environment."""
    user = account_pb2.User(name=name or f"user-{secrets.token_hex(4)}")
    user.grants.add(environment_id="plaza", role=account_pb2.ROLE_VIEWER)
    return user


async def test_a_user_lives(server: AccountsServer, admin: Metadata) -> None:
    """Created with a password that works, read, listed, replaced and deleted."""
    wanted = a_user()
    create = pb.CreateUserRequest(user=wanted)
    made = await server.stub.CreateUser(create, metadata=admin)
    person = Person(made.user.user_id, wanted.name, made.password)
    tokens = await server.log_in(person)
    caller = await server.accounts.tokens.caller(tokens["access_token"])
    assert caller.holds("tracking:read", "plaza")
    assert not caller.holds("tracking:read", "studio")
    assert not caller.holds("environments:write", "plaza")
    again = await failure(server.stub.CreateUser(create, metadata=admin))
    assert isinstance(again, AlreadyExists)
    get = pb.GetUserRequest(user_id=person.user_id)
    found = (await server.stub.GetUser(get, metadata=admin)).user
    assert found.grants == wanted.grants
    names, token = [], ""
    while True:
        listing = pb.ListUsersRequest(page_size=1, page_token=token)
        page = await server.stub.ListUsers(listing, metadata=admin)
        names += [user.name for user in page.users]
        token = page.next_page_token
        if not token:
            break
    assert names == sorted(names)
    assert wanted.name in names
    found.display_name = "Eve"
    update = pb.UpdateUserRequest(user=found)
    updated = (await server.stub.UpdateUser(update, metadata=admin)).user
    assert updated.display_name == "Eve"
    # A display name gives no rights: the token goes on.
    await server.accounts.tokens.caller(tokens["access_token"])
    stale = await failure(server.stub.UpdateUser(update, metadata=admin))
    assert isinstance(stale, Conflict)
    await server.stub.DeleteUser(
        pb.DeleteUserRequest(user_id=person.user_id), metadata=admin
    )
    with pytest.raises(Unauthenticated):
        await server.accounts.tokens.caller(tokens["access_token"])
    gone = await failure(server.stub.GetUser(get, metadata=admin))
    assert isinstance(gone, NotFound)


@pytest.mark.parametrize("change", ["grants", "disabled", "password", "sessions"])
async def test_a_change_refuses_tokens_at_once(
    server: AccountsServer, admin: Metadata, change: str
) -> None:
    """Whatever is taken away is taken away with the answer to the call."""
    person = await server.person({"plaza": Role.OPERATOR})
    tokens = await server.log_in(person)
    user = account_pb2.User(user_id=person.user_id)
    if change == "grants":
        user.grants.add(environment_id="plaza", role=account_pb2.ROLE_VIEWER)
        call = server.stub.UpdateUser(pb.UpdateUserRequest(user=user), metadata=admin)
    elif change == "disabled":
        user.disabled = True
        call = server.stub.UpdateUser(pb.UpdateUserRequest(user=user), metadata=admin)
    elif change == "password":
        reset = pb.ResetUserPasswordRequest(user_id=person.user_id)
        call = server.stub.ResetUserPassword(reset, metadata=admin)
    else:
        end = pb.EndLoginSessionsRequest(user_id=person.user_id)
        call = server.stub.EndLoginSessions(end, metadata=admin)
    await call
    with pytest.raises(Unauthenticated, match="revoked"):
        await server.accounts.tokens.caller(tokens["access_token"])
    said = {"refresh_token": tokens["refresh_token"]}
    status, following = await server.post("/v1/auth/refresh", **said)
    if change == "grants":
        assert status == 200
        token = str(following["access_token"])
        caller = await server.accounts.tokens.caller(token)
        assert not caller.holds("environments:write", "plaza")
    else:
        assert status == 401


async def test_an_administrator_ends_one_session(
    server: AccountsServer, admin: Metadata
) -> None:
    """The other goes on; an unknown one is not found."""
    person = await server.person()
    first, second = await server.log_in(person), await server.log_in(person)
    listing = pb.ListLoginSessionsRequest(user_id=person.user_id)
    found = await server.stub.ListLoginSessions(listing, metadata=admin)
    assert len(found.login_sessions) == 2
    older = found.login_sessions[1].login_session_id
    end = pb.EndLoginSessionRequest(user_id=person.user_id, login_session_id=older)
    await server.stub.EndLoginSession(end, metadata=admin)
    with pytest.raises(Unauthenticated):
        await server.accounts.tokens.caller(first["access_token"])
    await server.accounts.tokens.caller(second["access_token"])
    again = await failure(server.stub.EndLoginSession(end, metadata=admin))
    assert isinstance(again, NotFound)


BAD_USERS = {
    "user.name": a_user("Has Spaces"),
    "user.display_name": account_pb2.User(name="long", display_name="x" * 201),
    "user.grants[0].role": account_pb2.User(
        name="roleless", grants=[account_pb2.Grant(environment_id="plaza")]
    ),
    "user.grants[1].environment_id": account_pb2.User(
        name="twice", grants=[*a_user("x").grants, *a_user("x").grants]
    ),
    "user.grants[0].environment_id": account_pb2.User(
        name="nowhere",
        grants=[
            account_pb2.Grant(environment_id="Not/One", role=account_pb2.ROLE_VIEWER)
        ],
    ),
    "user.grants": account_pb2.User(
        name="many",
        grants=[
            account_pb2.Grant(environment_id=f"e{n}", role=account_pb2.ROLE_VIEWER)
            for n in range(51)
        ],
    ),
}


@pytest.mark.parametrize("field", BAD_USERS)
async def test_a_bad_user_is_refused(
    server: AccountsServer, admin: Metadata, field: str
) -> None:
    """The error names the field."""
    request = pb.CreateUserRequest(user=BAD_USERS[field])
    error = await failure(server.stub.CreateUser(request, metadata=admin))
    assert isinstance(error, InvalidInput)
    assert error.field == field


async def test_bad_names_of_things_are_refused(
    server: AccountsServer, admin: Metadata
) -> None:
    """Ids and page tokens that nobody gave out are told apart from unknown ones."""
    get = pb.GetUserRequest(user_id="x" * 64)
    error = await failure(server.stub.GetUser(get, metadata=admin))
    assert (type(error), error.field) == (InvalidInput, "user_id")
    for token in ("x", "WyJhdWRpdEVudHJpZXMiLCAiMSJd"):
        listing = pb.ListUsersRequest(page_token=token)
        error = await failure(server.stub.ListUsers(listing, metadata=admin))
        assert (type(error), error.field) == (InvalidInput, "page_token")
    listing = pb.ListUsersRequest(page_size=1001)
    error = await failure(server.stub.ListUsers(listing, metadata=admin))
    assert error.field == "page_size"
    update = pb.UpdateUserRequest(user=account_pb2.User(user_id="user-0"))
    error = await failure(server.stub.UpdateUser(update, metadata=admin))
    assert isinstance(error, NotFound)
    person = await server.person()
    update.user.user_id, update.user.name = person.user_id, "other"
    error = await failure(server.stub.UpdateUser(update, metadata=admin))
    assert error.field == "user.name"


async def test_the_last_admin_stays(server: AccountsServer, admin: Metadata) -> None:
    """Neither deleted, nor disabled, nor demoted, nor by two at the same time."""
    stub = server.stub
    page = await stub.ListUsers(pb.ListUsersRequest(page_size=1000), metadata=admin)
    own = (await stub.GetOwnAccount(pb.GetOwnAccountRequest(), metadata=admin)).user
    for user in page.users:
        everywhere = any(grant.environment_id == "*" for grant in user.grants)
        if everywhere and user.user_id != own.user_id:
            delete = pb.DeleteUserRequest(user_id=user.user_id)
            await stub.DeleteUser(delete, metadata=admin)
    delete = pb.DeleteUserRequest(user_id=own.user_id)
    assert isinstance(await failure(stub.DeleteUser(delete, metadata=admin)), NotReady)
    for change in ({"disabled": True, "grants": own.grants}, {}):
        update = pb.UpdateUserRequest()
        update.user.user_id = own.user_id
        update.user.MergeFrom(account_pb2.User(**change))
        error = await failure(stub.UpdateUser(update, metadata=admin))
        assert isinstance(error, NotReady)
    other = await server.person(ADMIN)
    root = server.accounts.use_cases.users
    results = await asyncio.gather(
        stub.DeleteUser(delete, metadata=admin),
        stub.DeleteUser(pb.DeleteUserRequest(user_id=other.user_id), metadata=admin),
        return_exceptions=True,
    )
    assert sum(isinstance(result, BaseException) for result in results) >= 1
    admins = [
        user
        for user in (await root.list(PageRequest(1000))).entries
        if user.settings.is_active_admin
    ]
    assert len(admins) >= 1


async def test_roles_are_listed(server: AccountsServer, admin: Metadata) -> None:
    """What each gives is readable, and only admins hold scopes of the installation."""
    listing = await server.stub.ListRoles(pb.ListRolesRequest(), metadata=admin)
    assert [one.role for one in listing.roles] == [1, 2, 3]
    viewer, _, master = listing.roles
    assert "tracking:read" in viewer.scopes
    assert not viewer.installation_scopes
    assert "audit:read" in master.installation_scopes


async def test_the_first_administrator_is_made_once(
    server: AccountsServer, admin: Metadata
) -> None:
    """Where there are users, no other one is made."""
    assert await server.accounts.use_cases.users.create_first_admin("admin") is None
