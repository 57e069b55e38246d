"""Accounts, login sessions, and what they allow. Times are UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.common.caller import EVERY_ENVIRONMENT
from services.common.roles import Role, scopes_of


@dataclass(frozen=True, slots=True)
class UserSettings:
    """What an administrator decides about a user.

    Attributes:
        display_name: For people.
        roles: By environment, or `EVERY_ENVIRONMENT`.
        disabled: Whether the user is shut out.
    """

    display_name: str = ""
    roles: Mapping[str, Role] = field(default_factory=dict)
    disabled: bool = False

    def scopes(self) -> dict[str, frozenset[str]]:
        """Return the scopes that the roles give, by environment."""
        return {one: scopes_of(role, one) for one, role in self.roles.items()}

    @property
    def is_active_admin(self) -> bool:
        """Whether the user may keep accounts now."""
        return not self.disabled and self.roles.get(EVERY_ENVIRONMENT) is Role.ADMIN


@dataclass(frozen=True, slots=True)
class User:
    """A person who logs in.

    Attributes:
        user_id: Never reused.
        name: To log in with.
        settings: What an administrator decides.
        epoch: Grows when all earlier access tokens are revoked.
        external_issuer: Who vouches for the user; empty for users with a password.
        create_time: When the account was made.
        last_login_time: When the user last proved who they are; None before that.
        etag: Of this version.
    """

    user_id: str
    name: str
    settings: UserSettings
    epoch: int
    external_issuer: str
    create_time: datetime
    last_login_time: datetime | None
    etag: str


@dataclass(frozen=True, slots=True)
class LoginSession:
    """One login, and the refresh tokens that followed from it.

    Attributes:
        login_session_id: Its id.
        user_id: Who logged in.
        create_time: When.
        last_use_time: When a refresh token was last used.
        expire_time: When the login must be repeated.
        address: Where it was last used.
        user_agent: What the client says it is.
    """

    login_session_id: str
    user_id: str
    create_time: datetime
    last_use_time: datetime
    expire_time: datetime
    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Device:
    """Where a login comes from.

    Attributes:
        address: Network address; empty when unknown.
        user_agent: What the client says it is.
    """

    address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class ServiceAccountSettings:
    """What an administrator decides about a service account.

    Attributes:
        display_name: For people, unique.
        scopes: What it may do.
        environment_ids: Where, or `EVERY_ENVIRONMENT` alone.
        disabled: Whether it is shut out.
    """

    display_name: str
    scopes: tuple[str, ...]
    environment_ids: tuple[str, ...]
    disabled: bool = False

    def grants(self) -> dict[str, frozenset[str]]:
        """Return the scopes held, by environment."""
        return {one: frozenset(self.scopes) for one in self.environment_ids}


@dataclass(frozen=True, slots=True)
class Secret:
    """A client secret, of which only a hash is kept.

    Attributes:
        secret_id: Its id.
        create_time: When it was made.
        expire_time: When it ends; None if never by itself.
        last_use_time: When it was last exchanged; None before that.
    """

    secret_id: str
    create_time: datetime
    expire_time: datetime | None
    last_use_time: datetime | None


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A program that calls SpotOn.

    Attributes:
        service_account_id: Client id, never reused.
        settings: What an administrator decides.
        secrets: Its secrets, oldest first.
        epoch: Grows when all earlier access tokens are revoked.
        create_time: When the account was made.
        etag: Of this version.
    """

    service_account_id: str
    settings: ServiceAccountSettings
    secrets: tuple[Secret, ...]
    epoch: int
    create_time: datetime
    etag: str


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs access tokens, without its private half.

    Attributes:
        key_id: Its id.
        public_key: Ed25519, 32 bytes.
        create_time: When it was made.
        activate_time: When it begins to sign.
        expire_time: When it is removed; None while no key follows it.
    """

    key_id: str
    public_key: bytes
    create_time: datetime
    activate_time: datetime
    expire_time: datetime | None
