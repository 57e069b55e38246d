"""Wire to domain and back."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from services.common.caller import Caller, CallerKind
from services.common.errors import Forbidden, InvalidInput
from services.common.roles import INSTALLATION_SCOPES, SCOPES, Role
from services.gateway.accounts.domain.accounts import (
    LoginSession,
    Secret,
    ServiceAccount,
    ServiceAccountSettings,
    SigningKey,
    User,
    UserSettings,
)
from services.gateway.accounts.domain.audit import (
    Actor,
    Entry,
    Event,
    Filter,
    Report,
)
from services.gateway.accounts.domain.paging import PageRequest
from spoton.accounts.v1 import account_pb2, accounts_pb2, audit_pb2

_ROLES = {
    Role.VIEWER: account_pb2.ROLE_VIEWER,
    Role.OPERATOR: account_pb2.ROLE_OPERATOR,
    Role.ADMIN: account_pb2.ROLE_ADMIN,
}
_ROLES_BACK = {number: role for role, number in _ROLES.items()}
_KINDS = {
    None: audit_pb2.ACTOR_KIND_UNSPECIFIED,
    CallerKind.USER: audit_pb2.ACTOR_KIND_USER,
    CallerKind.SERVICE_ACCOUNT: audit_pb2.ACTOR_KIND_SERVICE_ACCOUNT,
    CallerKind.SERVICE: audit_pb2.ACTOR_KIND_SERVICE,
}
_KINDS_BACK = {number: kind for kind, number in _KINDS.items()}
_LONGEST_ID = 63


def id_from_proto(value: str, field: str) -> str:
    """Return the id of something that the server made.

    Raises:
        InvalidInput: It has a form that none has.
    """
    if not 1 <= len(value) <= _LONGEST_ID or not value.isprintable():
        raise InvalidInput(f"must have 1 to {_LONGEST_ID} characters", field=field)
    return value


def etag_from_proto(etag: str, field: str) -> str:
    """Return an etag, or an empty text where none is stated.

    Raises:
        InvalidInput: It has a form that no etag has.
    """
    if not etag.isprintable() or len(etag) > 64:
        raise InvalidInput("is not an etag", field=field)
    return etag


def page_from_proto(
    message: accounts_pb2.ListUsersRequest
    | accounts_pb2.ListServiceAccountsRequest
    | accounts_pb2.ListAuditEntriesRequest,
) -> PageRequest:
    """Return which page is wanted."""
    return PageRequest(message.page_size, message.page_token)


def time_from_proto(
    message: accounts_pb2.ListAuditEntriesRequest
    | accounts_pb2.CreateServiceAccountSecretRequest
    | audit_pb2.AuditEntry,
    name: str,
    *,
    path: str = "",
) -> datetime | None:
    """Return the time in a field, None when it is absent.

    Raises:
        InvalidInput: It is beyond the years 1 to 9999.
    """
    if not message.HasField(name):  # type: ignore[arg-type]
        return None
    stamp: Timestamp = getattr(message, name)
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        field = f"{path}.{name}" if path else name
        raise InvalidInput("is no time in the years 1 to 9999", field=field) from None


def time_to_proto(time: datetime) -> Timestamp:
    """Return the message of a time."""
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def user_settings_from_proto(user: account_pb2.User) -> UserSettings:
    """Return what is decided about a user.

    Raises:
        InvalidInput: A role is not stated, or an environment is named twice.
    """
    roles: dict[str, Role] = {}
    for index, grant in enumerate(user.grants):
        place = f"user.grants[{index}]"
        if grant.role not in _ROLES_BACK:
            raise InvalidInput("must be a role", field=f"{place}.role")
        if grant.environment_id in roles:
            message = f"names {grant.environment_id[:80]!r} twice"
            raise InvalidInput(message, field=f"{place}.environment_id")
        roles[grant.environment_id] = _ROLES_BACK[grant.role]
    return UserSettings(user.display_name, roles, user.disabled)


def user_to_proto(user: User) -> account_pb2.User:
    """Return the message of a user."""
    message = account_pb2.User(
        user_id=user.user_id,
        name=user.name,
        display_name=user.settings.display_name,
        grants=[
            account_pb2.Grant(environment_id=one, role=_ROLES[role])
            for one, role in sorted(user.settings.roles.items())
        ],
        disabled=user.settings.disabled,
        external_issuer=user.external_issuer,
        create_time=time_to_proto(user.create_time),
        etag=user.etag,
    )
    if user.last_login_time is not None:
        message.last_login_time.CopyFrom(time_to_proto(user.last_login_time))
    return message


def session_to_proto(
    session: LoginSession, *, current: str
) -> account_pb2.LoginSession:
    """Return the message of a login session; `current` is the id of one's own."""
    return account_pb2.LoginSession(
        login_session_id=session.login_session_id,
        create_time=time_to_proto(session.create_time),
        last_use_time=time_to_proto(session.last_use_time),
        expire_time=time_to_proto(session.expire_time),
        address=session.address,
        user_agent=session.user_agent,
        current=session.login_session_id == current,
    )


def service_account_from_proto(
    account: account_pb2.ServiceAccount,
) -> ServiceAccountSettings:
    """Return what is decided about a service account."""
    return ServiceAccountSettings(
        display_name=account.display_name,
        scopes=tuple(account.scopes),
        environment_ids=tuple(account.environment_ids),
        disabled=account.disabled,
    )


def service_account_to_proto(account: ServiceAccount) -> account_pb2.ServiceAccount:
    """Return the message of a service account."""
    settings = account.settings
    return account_pb2.ServiceAccount(
        service_account_id=account.service_account_id,
        display_name=settings.display_name,
        scopes=sorted(settings.scopes),
        environment_ids=sorted(settings.environment_ids),
        disabled=settings.disabled,
        secrets=map(secret_to_proto, account.secrets),
        create_time=time_to_proto(account.create_time),
        etag=account.etag,
    )


def secret_to_proto(secret: Secret) -> account_pb2.ServiceAccountSecret:
    """Return the message of what is kept of a secret."""
    message = account_pb2.ServiceAccountSecret(
        secret_id=secret.secret_id, create_time=time_to_proto(secret.create_time)
    )
    if secret.expire_time is not None:
        message.expire_time.CopyFrom(time_to_proto(secret.expire_time))
    if secret.last_use_time is not None:
        message.last_use_time.CopyFrom(time_to_proto(secret.last_use_time))
    return message


def scopes_to_proto(
    grants: Mapping[str, frozenset[str]],
) -> list[account_pb2.EnvironmentScopes]:
    """Return the messages of scopes by environment."""
    return [
        account_pb2.EnvironmentScopes(environment_id=one, scopes=sorted(scopes))
        for one, scopes in sorted(grants.items())
    ]


def roles_to_proto() -> list[account_pb2.RoleScopes]:
    """Return the messages of all roles."""
    return [
        account_pb2.RoleScopes(
            role=_ROLES[role],
            scopes=sorted(scopes - INSTALLATION_SCOPES),
            installation_scopes=sorted(scopes & INSTALLATION_SCOPES),
        )
        for role, scopes in SCOPES.items()
    ]


def keys_to_proto(
    keys: Iterable[SigningKey], now: datetime
) -> list[account_pb2.SigningKey]:
    """Return the messages of the signing keys, newest first."""
    messages, signing_found = [], False
    for key in keys:
        if key.activate_time > now:
            state = account_pb2.SIGNING_KEY_STATE_NEXT
        elif signing_found:
            state = account_pb2.SIGNING_KEY_STATE_RETIRING
        else:
            state, signing_found = account_pb2.SIGNING_KEY_STATE_SIGNING, True
        message = account_pb2.SigningKey(
            key_id=key.key_id,
            state=state,
            create_time=time_to_proto(key.create_time),
            activate_time=time_to_proto(key.activate_time),
        )
        if key.expire_time is not None:
            message.expire_time.CopyFrom(time_to_proto(key.expire_time))
        messages.append(message)
    return messages


def filter_from_proto(message: accounts_pb2.ListAuditEntriesRequest) -> Filter:
    """Return which entries are wanted.

    Raises:
        InvalidInput: A time cannot be used.
    """
    return Filter(
        environment_id=message.environment_id,
        subject=message.subject,
        action=message.action,
        outcome=message.outcome,
        start=time_from_proto(message, "start_time"),
        end=time_from_proto(message, "end_time"),
    )


def report_from_proto(message: audit_pb2.ReportedEntry, path: str) -> Report:
    """Return what a service reports.

    Raises:
        InvalidInput: The time is missing or cannot be used.
    """
    entry = message.entry
    time = time_from_proto(entry, "time", path=f"{path}.entry")
    if time is None:
        raise InvalidInput("is required", field=f"{path}.entry.time")
    actor = Actor(
        subject=entry.actor.subject,
        name=entry.actor.name,
        kind=_KINDS_BACK.get(entry.actor.kind),
        address=entry.actor.address,
    )
    event = Event(
        time=time,
        actor=actor,
        action=entry.action,
        outcome=entry.outcome,
        environment_id=entry.environment_id,
        resource=entry.resource,
        purpose=entry.purpose,
        detail=entry.detail,
        trace_id=entry.trace_id,
    )
    return Report(message.report_id, event)


def entry_to_proto(entry: Entry) -> audit_pb2.AuditEntry:
    """Return the message of an entry."""
    event = entry.event
    return audit_pb2.AuditEntry(
        entry_id=entry.entry_id,
        time=time_to_proto(event.time),
        actor=audit_pb2.AuditActor(
            subject=event.actor.subject,
            name=event.actor.name,
            kind=_KINDS[event.actor.kind],
            address=event.actor.address,
        ),
        action=event.action,
        environment_id=event.environment_id,
        resource=event.resource,
        purpose=event.purpose,
        outcome=event.outcome,
        detail=event.detail,
        reporter=entry.reporter,
        trace_id=event.trace_id,
        chain_hash=entry.chain_hash.hex(),
    )


def require_user(caller: Caller) -> str:
    """Return the id of the user who calls.

    Raises:
        InvalidInput: The caller is no user.
    """
    if caller.kind is not CallerKind.USER:
        raise InvalidInput("only users have an account of this kind")
    return caller.subject


def require_service(caller: Caller) -> str:
    """Return the name of the service that calls.

    Raises:
        Forbidden: The caller is no service of the mesh.
    """
    if caller.kind is not CallerKind.SERVICE:
        raise Forbidden("only services of the mesh report entries")
    return caller.subject
