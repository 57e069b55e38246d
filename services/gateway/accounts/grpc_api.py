"""How accounts are reached: convert, call, convert."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from grpc import aio

from services.common.access_tokens import origin_of
from services.common.caller import Caller
from services.gateway.accounts import convert
from services.gateway.accounts.service.auditing import Auditing
from services.gateway.accounts.service.service_accounts import ServiceAccounts
from services.gateway.accounts.service.signing import SigningKeys
from services.gateway.accounts.service.users import Users
from spoton.accounts.v1 import account_pb2, accounts_pb2_grpc
from spoton.accounts.v1 import accounts_pb2 as pb

Context = aio.ServicerContext[Any, Any]
SERVICE_NAME = "spoton.accounts.v1.AccountsService"


@dataclass(frozen=True, slots=True)
class UseCases:
    """What can be done with accounts."""

    users: Users
    service_accounts: ServiceAccounts
    keys: SigningKeys
    auditing: Auditing


class AccountsServicer(accounts_pb2_grpc.AccountsServiceServicer):
    """Serves `spoton.accounts.v1`.

    Args:
        use_cases: What it calls.
        current_caller: Returns who makes the call that is being answered.
    """

    def __init__(
        self, use_cases: UseCases, current_caller: Callable[[], Caller]
    ) -> None:
        self._users = use_cases.users
        self._service_accounts = use_cases.service_accounts
        self._keys = use_cases.keys
        self._auditing = use_cases.auditing
        self._caller = current_caller

    async def GetOwnAccount(
        self, request: pb.GetOwnAccountRequest, context: Context
    ) -> pb.GetOwnAccountResponse:
        """Return the account of the user who asks."""
        caller = self._caller()
        user = await self._users.get(convert.require_user(caller))
        return pb.GetOwnAccountResponse(
            user=convert.user_to_proto(user),
            scopes=convert.scopes_to_proto(caller.grants),
        )

    async def ChangeOwnPassword(
        self, request: pb.ChangeOwnPasswordRequest, context: Context
    ) -> pb.ChangeOwnPasswordResponse:
        """Change the password of the user who asks."""
        caller = self._caller()
        convert.require_user(caller)
        await self._users.change_password(
            caller, request.current_password, request.new_password
        )
        return pb.ChangeOwnPasswordResponse()

    async def ListOwnLoginSessions(
        self, request: pb.ListOwnLoginSessionsRequest, context: Context
    ) -> pb.ListOwnLoginSessionsResponse:
        """Return the login sessions of the user who asks."""
        caller = self._caller()
        current = _session_of(caller)
        sessions = await self._users.sessions(convert.require_user(caller))
        return pb.ListOwnLoginSessionsResponse(
            login_sessions=[
                convert.session_to_proto(one, current=current) for one in sessions
            ]
        )

    async def EndOwnLoginSession(
        self, request: pb.EndOwnLoginSessionRequest, context: Context
    ) -> pb.EndOwnLoginSessionResponse:
        """End a login session of the user who asks."""
        caller = self._caller()
        session_id = convert.id_from_proto(request.login_session_id, "login_session_id")
        user_id = convert.require_user(caller)
        await self._users.end_session(caller, user_id, session_id)
        return pb.EndOwnLoginSessionResponse()

    async def ListRoles(
        self, request: pb.ListRolesRequest, context: Context
    ) -> pb.ListRolesResponse:
        """Return the roles."""
        return pb.ListRolesResponse(roles=convert.roles_to_proto())

    async def CreateUser(
        self, request: pb.CreateUserRequest, context: Context
    ) -> pb.CreateUserResponse:
        """Add a user."""
        settings = convert.user_settings_from_proto(request.user)
        user, password = await self._users.create(
            self._caller(), request.user.name, settings
        )
        return pb.CreateUserResponse(
            user=convert.user_to_proto(user), password=password
        )

    async def GetUser(
        self, request: pb.GetUserRequest, context: Context
    ) -> pb.GetUserResponse:
        """Return a user."""
        user_id = convert.id_from_proto(request.user_id, "user_id")
        user = await self._users.get(user_id)
        return pb.GetUserResponse(user=convert.user_to_proto(user))

    async def ListUsers(
        self, request: pb.ListUsersRequest, context: Context
    ) -> pb.ListUsersResponse:
        """Return a page of users."""
        page = await self._users.list(convert.page_from_proto(request))
        return pb.ListUsersResponse(
            users=map(convert.user_to_proto, page.entries),
            next_page_token=page.next_page_token,
        )

    async def UpdateUser(
        self, request: pb.UpdateUserRequest, context: Context
    ) -> pb.UpdateUserResponse:
        """Replace what is decided about a user."""
        user = await self._users.update(
            self._caller(),
            convert.id_from_proto(request.user.user_id, "user.user_id"),
            request.user.name,
            convert.user_settings_from_proto(request.user),
            convert.etag_from_proto(request.user.etag, "user.etag"),
        )
        return pb.UpdateUserResponse(user=convert.user_to_proto(user))

    async def DeleteUser(
        self, request: pb.DeleteUserRequest, context: Context
    ) -> pb.DeleteUserResponse:
        """Delete a user."""
        user_id = convert.id_from_proto(request.user_id, "user_id")
        etag = convert.etag_from_proto(request.etag, "etag")
        await self._users.delete(self._caller(), user_id, etag)
        return pb.DeleteUserResponse()

    async def ResetUserPassword(
        self, request: pb.ResetUserPasswordRequest, context: Context
    ) -> pb.ResetUserPasswordResponse:
        """Give a user a new password."""
        user_id = convert.id_from_proto(request.user_id, "user_id")
        password = await self._users.reset_password(self._caller(), user_id)
        return pb.ResetUserPasswordResponse(password=password)

    async def ListLoginSessions(
        self, request: pb.ListLoginSessionsRequest, context: Context
    ) -> pb.ListLoginSessionsResponse:
        """Return the login sessions of a user."""
        user_id = convert.id_from_proto(request.user_id, "user_id")
        sessions = await self._users.sessions(user_id)
        current = _session_of(self._caller())
        return pb.ListLoginSessionsResponse(
            login_sessions=[
                convert.session_to_proto(one, current=current) for one in sessions
            ]
        )

    async def EndLoginSession(
        self, request: pb.EndLoginSessionRequest, context: Context
    ) -> pb.EndLoginSessionResponse:
        """End a login session of a user."""
        user_id = convert.id_from_proto(request.user_id, "user_id")
        session_id = convert.id_from_proto(request.login_session_id, "login_session_id")
        await self._users.end_session(self._caller(), user_id, session_id)
        return pb.EndLoginSessionResponse()

    async def EndLoginSessions(
        self, request: pb.EndLoginSessionsRequest, context: Context
    ) -> pb.EndLoginSessionsResponse:
        """End all login sessions of a user."""
        user_id = convert.id_from_proto(request.user_id, "user_id")
        ended = await self._users.end_sessions(self._caller(), user_id)
        return pb.EndLoginSessionsResponse(ended=ended)

    async def CreateServiceAccount(
        self, request: pb.CreateServiceAccountRequest, context: Context
    ) -> pb.CreateServiceAccountResponse:
        """Add a service account."""
        settings = convert.service_account_from_proto(request.service_account)
        account, secret = await self._service_accounts.create(self._caller(), settings)
        return pb.CreateServiceAccountResponse(
            service_account=convert.service_account_to_proto(account),
            client_secret=secret,
        )

    async def GetServiceAccount(
        self, request: pb.GetServiceAccountRequest, context: Context
    ) -> pb.GetServiceAccountResponse:
        """Return a service account."""
        account_id = convert.id_from_proto(
            request.service_account_id, "service_account_id"
        )
        account = await self._service_accounts.get(account_id)
        return pb.GetServiceAccountResponse(
            service_account=convert.service_account_to_proto(account)
        )

    async def ListServiceAccounts(
        self, request: pb.ListServiceAccountsRequest, context: Context
    ) -> pb.ListServiceAccountsResponse:
        """Return a page of service accounts."""
        page = await self._service_accounts.list(convert.page_from_proto(request))
        return pb.ListServiceAccountsResponse(
            service_accounts=map(convert.service_account_to_proto, page.entries),
            next_page_token=page.next_page_token,
        )

    async def UpdateServiceAccount(
        self, request: pb.UpdateServiceAccountRequest, context: Context
    ) -> pb.UpdateServiceAccountResponse:
        """Replace what is decided about a service account."""
        wanted = request.service_account
        account = await self._service_accounts.update(
            self._caller(),
            convert.id_from_proto(
                wanted.service_account_id, "service_account.service_account_id"
            ),
            convert.service_account_from_proto(wanted),
            convert.etag_from_proto(wanted.etag, "service_account.etag"),
        )
        return pb.UpdateServiceAccountResponse(
            service_account=convert.service_account_to_proto(account)
        )

    async def DeleteServiceAccount(
        self, request: pb.DeleteServiceAccountRequest, context: Context
    ) -> pb.DeleteServiceAccountResponse:
        """Delete a service account."""
        account_id = convert.id_from_proto(
            request.service_account_id, "service_account_id"
        )
        etag = convert.etag_from_proto(request.etag, "etag")
        await self._service_accounts.delete(self._caller(), account_id, etag)
        return pb.DeleteServiceAccountResponse()

    async def CreateServiceAccountSecret(
        self, request: pb.CreateServiceAccountSecretRequest, context: Context
    ) -> pb.CreateServiceAccountSecretResponse:
        """Add a secret to a service account."""
        account_id = convert.id_from_proto(
            request.service_account_id, "service_account_id"
        )
        kept, secret = await self._service_accounts.create_secret(
            self._caller(), account_id, convert.time_from_proto(request, "expire_time")
        )
        return pb.CreateServiceAccountSecretResponse(
            secret=convert.secret_to_proto(kept), client_secret=secret
        )

    async def DeleteServiceAccountSecret(
        self, request: pb.DeleteServiceAccountSecretRequest, context: Context
    ) -> pb.DeleteServiceAccountSecretResponse:
        """Remove a secret of a service account."""
        account_id = convert.id_from_proto(
            request.service_account_id, "service_account_id"
        )
        secret_id = convert.id_from_proto(request.secret_id, "secret_id")
        await self._service_accounts.delete_secret(
            self._caller(), account_id, secret_id
        )
        return pb.DeleteServiceAccountSecretResponse()

    async def ListSigningKeys(
        self, request: pb.ListSigningKeysRequest, context: Context
    ) -> pb.ListSigningKeysResponse:
        """Return the signing keys."""
        return pb.ListSigningKeysResponse(signing_keys=await self._signing_keys())

    async def RotateSigningKeys(
        self, request: pb.RotateSigningKeysRequest, context: Context
    ) -> pb.RotateSigningKeysResponse:
        """Make a new signing key."""
        await self._keys.rotate(immediately=request.immediately)
        return pb.RotateSigningKeysResponse(signing_keys=await self._signing_keys())

    async def ListAuditEntries(
        self, request: pb.ListAuditEntriesRequest, context: Context
    ) -> pb.ListAuditEntriesResponse:
        """Return a page of the audit log."""
        page = await self._auditing.list(
            convert.filter_from_proto(request), convert.page_from_proto(request)
        )
        return pb.ListAuditEntriesResponse(
            entries=map(convert.entry_to_proto, page.entries),
            next_page_token=page.next_page_token,
        )

    async def AppendAuditEntries(
        self, request: pb.AppendAuditEntriesRequest, context: Context
    ) -> pb.AppendAuditEntriesResponse:
        """Record what a service reports."""
        reports = [
            convert.report_from_proto(one, f"entries[{index}]")
            for index, one in enumerate(request.entries)
        ]
        reporter = convert.require_service(self._caller())
        await self._auditing.append(reporter, reports)
        return pb.AppendAuditEntriesResponse()

    async def _signing_keys(self) -> list[account_pb2.SigningKey]:
        return convert.keys_to_proto(await self._keys.list(), datetime.now(UTC))


def _session_of(caller: Caller) -> str:
    """Return the login session that a caller's token came from; empty if none."""
    return origin_of(caller.token_id).login_session_id if caller.token_id else ""


def registration(
    use_cases: UseCases, current_caller: Callable[[], Caller]
) -> Callable[[aio.Server], Sequence[str]]:
    """Return what adds the servicer to a server."""

    def register(server: aio.Server) -> Sequence[str]:
        accounts_pb2_grpc.add_AccountsServiceServicer_to_server(
            AccountsServicer(use_cases, current_caller), server
        )
        return (SERVICE_NAME,)

    return register
