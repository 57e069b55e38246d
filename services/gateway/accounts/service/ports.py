"""What the use cases need from outside."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.common.access_tokens import AccessClaims
from services.common.roles import Role
from services.gateway.accounts.domain.accounts import (
    Device,
    LoginSession,
    Secret,
    ServiceAccount,
    ServiceAccountSettings,
    SigningKey,
    User,
    UserSettings,
)
from services.gateway.accounts.domain.audit import Entry, Event, Filter
from services.gateway.accounts.domain.revoking import Revocation


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a refresh token belongs to.

    Attributes:
        user: Whose it is.
        login_session_id: Its login session.
        used: Whether it was used before.
        expired: Whether the session has ended for age or want of use.
    """

    user: User
    login_session_id: str
    used: bool
    expired: bool


class UserTable(Protocol):
    """The users."""

    async def add(
        self, user_id: str, name: str, settings: UserSettings, password_hash: str
    ) -> User:
        """Add a user with a password; AlreadyExists if the name is taken."""

    async def put_external(
        self, user_id: str, issuer: str, subject: str, name: str, display_name: str
    ) -> User:
        """Return the user of an external issuer, locked, added when new."""

    async def get(self, user_id: str) -> User:
        """Return a user; NotFound if there is none."""

    async def lock(self, user_id: str) -> User:
        """Return a user that nobody else changes meanwhile; NotFound if none."""

    async def password_of(self, name: str) -> tuple[str, str] | None:
        """Return user id and password hash of the user with a name and password."""

    async def page(self, after: tuple[str, ...], count: int) -> list[User]:
        """Return `count` users by name and id, after a name and id."""

    async def update(
        self, user_id: str, settings: UserSettings, *, new_epoch: bool
    ) -> User:
        """Replace what is decided about a user that is locked."""

    async def set_password(self, user_id: str, password_hash: str) -> None:
        """Replace a password hash."""

    async def logged_in(self, user_id: str) -> None:
        """Note that a user proved who they are."""

    async def delete(self, user_id: str) -> None:
        """Delete a user with its sessions."""

    async def lock_admins(self) -> set[str]:
        """Return the ids of enabled admins with passwords; none changes meanwhile."""

    async def is_empty(self) -> bool:
        """Return whether there is no user with a password; none is added meanwhile."""


class LoginSessionTable(Protocol):
    """The login sessions and their refresh tokens."""

    async def add(
        self, login_session_id: str, user_id: str, token_hash: bytes, device: Device
    ) -> LoginSession:
        """Begin a session with its first refresh token."""

    async def find(self, token_hash: bytes) -> Refresh | None:
        """Return what a refresh token belongs to, locked."""

    async def rotate(
        self, login_session_id: str, old_hash: bytes, new_hash: bytes, device: Device
    ) -> None:
        """Mark a refresh token as used and add the one that follows it."""

    async def of_user(self, user_id: str) -> list[LoginSession]:
        """Return the sessions of a user that have not ended, newest first."""

    async def end(self, user_id: str, login_session_id: str) -> bool:
        """End a session; return whether there was one."""

    async def end_all(self, user_id: str, *, but: str = "") -> list[str]:
        """End the sessions of a user, but one; return their ids."""


class ServiceAccountTable(Protocol):
    """The service accounts and their secrets."""

    async def add(
        self, service_account_id: str, settings: ServiceAccountSettings
    ) -> None:
        """Add an account; AlreadyExists if its display name is taken."""

    async def get(self, service_account_id: str) -> ServiceAccount:
        """Return an account; NotFound if there is none."""

    async def lock(self, service_account_id: str) -> ServiceAccount:
        """Return an account that nobody else changes meanwhile; NotFound if none."""

    async def page(self, after: tuple[str, ...], count: int) -> list[ServiceAccount]:
        """Return `count` accounts by display name, after one."""

    async def update(
        self,
        service_account_id: str,
        settings: ServiceAccountSettings,
        *,
        new_epoch: bool,
    ) -> ServiceAccount:
        """Replace what is decided about an account that is locked."""

    async def delete(self, service_account_id: str) -> None:
        """Delete an account with its secrets."""

    async def add_secret(
        self,
        service_account_id: str,
        secret_id: str,
        secret_hash: bytes,
        expire_time: datetime | None,
    ) -> Secret:
        """Add a secret."""

    async def delete_secret(self, service_account_id: str, secret_id: str) -> None:
        """Delete a secret; NotFound if there is none."""

    async def use_secret(
        self, service_account_id: str, secret_hash: bytes
    ) -> ServiceAccount | None:
        """Return the account of a secret that is valid, and note its use."""


class SigningKeyTable(Protocol):
    """The signing keys."""

    async def all(self) -> list[tuple[SigningKey, bytes]]:
        """Return the keys with their sealed private halves, newest first."""

    async def lock(self) -> None:
        """Let nobody else make or remove keys meanwhile."""

    async def add(
        self, key_id: str, public_key: bytes, sealed: bytes, *, after_s: float
    ) -> None:
        """Add a key that signs after some seconds."""

    async def retire_others(self, key_id: str, *, after_s: float) -> None:
        """Let the other keys expire, unless they do before."""

    async def remove_others(self, key_id: str) -> list[str]:
        """Remove the other keys; return their ids."""

    async def remove_expired(self) -> None:
        """Remove the keys that are expired."""


class AuditTable(Protocol):
    """The audit log."""

    async def add(
        self, event: Event, *, reporter: str = "gateway", report_id: str = ""
    ) -> None:
        """Record an event; one with a known report id is recorded already."""

    async def page(self, wanted: Filter, before: int | None, count: int) -> list[Entry]:
        """Return `count` entries that fit, newest first, before an entry."""

    async def first_broken(self) -> int | None:
        """Return the first entry whose hash does not fit, or None."""


class Transaction(Protocol):
    """All tables, within one transaction."""

    @property
    def users(self) -> UserTable:
        """The users."""

    @property
    def sessions(self) -> LoginSessionTable:
        """The login sessions."""

    @property
    def service_accounts(self) -> ServiceAccountTable:
        """The service accounts."""

    @property
    def signing_keys(self) -> SigningKeyTable:
        """The signing keys."""

    @property
    def audit(self) -> AuditTable:
        """The audit log."""

    async def revoke(self, *revocations: Revocation) -> None:
        """Refuse tokens from the commit on, everywhere."""


class Store(Protocol):
    """Opens transactions."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Commit what the context does, or nothing of it when it raises.

        What it revokes is in effect everywhere once the context is left.

        Raises:
            Unavailable: The database is away; or it is committed, but it is not known
                whether revocations are in effect everywhere yet.
        """


class PasswordHashes(Protocol):
    """Makes and checks password hashes, a few at a time."""

    async def make(self, password: str) -> str:
        """Return the hash of a password; Overloaded when too many wait."""

    async def fits(
        self, password: str, stored: str | None, *, known: bool = False
    ) -> bool:
        """Return whether a password fits; None takes as long and never fits.

        A device that is known is let in when strangers are told to come back.
        """

    def is_outdated(self, stored: str) -> bool:
        """Return whether a hash has other parameters than those of today."""


class TokenSigner(Protocol):
    """Signs access tokens."""

    async def sign(self, claims: AccessClaims, issued_s: float) -> str:
        """Return the token that says `claims`."""


class LoginThrottle(Protocol):
    """Slows those who guess."""

    async def begin(self, name: str, address: str, device: str) -> None:
        """Count an attempt as failed before it is known; LoginThrottled if too many."""

    async def succeeded(self, name: str, address: str, device: str) -> None:
        """Take the attempt back, and forget failures of this one."""

    async def taken_back(self, name: str, address: str, device: str) -> None:
        """Take an attempt back that was not decided."""


class DeviceProofs(Protocol):
    """Proofs that a device has logged in as somebody before."""

    def make(self, name: str) -> str:
        """Return a proof for the device that just logged in."""

    def id_of(self, proof: str, name: str) -> str:
        """Return the device's id, or an empty text if the proof is none for `name`."""


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """Whom an external issuer vouches for.

    Attributes:
        issuer: The issuer.
        subject: Its id for the user.
        name: Of the user.
        roles: By environment, from the issuer's claims.
        expires_s: When what the issuer says ends, seconds since 1970 UTC.
    """

    issuer: str
    subject: str
    name: str
    roles: Mapping[str, Role]
    expires_s: float


class ExternalIssuer(Protocol):
    """An OIDC issuer that is trusted."""

    async def identity(self, token: str) -> ExternalIdentity:
        """Return whom a token is about.

        Raises:
            Unauthenticated: The token is no valid one of the issuer for us.
            Unavailable: The issuer's keys cannot be had.
        """
