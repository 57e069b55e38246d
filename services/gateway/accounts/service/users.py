"""Keep users: administrators of others, and everybody of themselves."""

import secrets
import uuid
from collections.abc import Sequence

from services.common.access_tokens import origin_of
from services.common.caller import EVERY_ENVIRONMENT, Caller
from services.common.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    NotReady,
)
from services.common.roles import Role
from services.gateway.accounts.domain.accounts import LoginSession, User, UserSettings
from services.gateway.accounts.domain.checks import (
    check_password,
    check_user_name,
    check_user_settings,
)
from services.gateway.accounts.domain.paging import Page, PageRequest, page_of
from services.gateway.accounts.domain.revoking import GONE, Revocation, Revoked
from services.gateway.accounts.service.granting import require_holds
from services.gateway.accounts.service.ports import (
    LoginThrottle,
    PasswordHashes,
    Store,
    Transaction,
)

_LISTING = "users"
_PASSWORD_BYTES = 18
_FIRST_ADMIN = UserSettings("Administrator", {EVERY_ENVIRONMENT: Role.ADMIN})


def new_password() -> str:
    """Return a password that nobody guesses: 144 bits in 24 characters."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


class Users:
    """What can be done with users."""

    def __init__(
        self, store: Store, hashes: PasswordHashes, throttle: LoginThrottle
    ) -> None:
        self._store = store
        self._hashes = hashes
        self._throttle = throttle

    async def create(
        self, caller: Caller, name: str, settings: UserSettings
    ) -> tuple[User, str]:
        """Add a user; return it and its first password.

        Raises:
            InvalidInput: A field cannot be used.
            Forbidden: The caller lacks what the user is given.
            AlreadyExists: The name is taken.
        """
        check_user_name(name, "user.name")
        check_user_settings(settings, "user")
        require_holds(caller, settings.scopes())
        password = new_password()
        password_hash = await self._hashes.make(password)
        async with self._store.transaction() as transaction:
            user_id = _new_id()
            user = await transaction.users.add(user_id, name, settings, password_hash)
        return user, password

    async def create_first_admin(self, name: str) -> str | None:
        """Add the first administrator, unless there is a user; return the password.

        Raises:
            InvalidInput: Nobody can have this name.
        """
        check_user_name(name, "name")
        password = new_password()
        password_hash = await self._hashes.make(password)
        async with self._store.transaction() as transaction:
            if not await transaction.users.is_empty():
                return None
            await transaction.users.add(_new_id(), name, _FIRST_ADMIN, password_hash)
        return password

    async def get(self, user_id: str) -> User:
        """Return a user; NotFound if there is none."""
        async with self._store.transaction() as transaction:
            return await transaction.users.get(user_id)

    async def list(self, request: PageRequest) -> Page[User]:
        """Return a page of users."""
        limit, after = request.limit(), request.after(_LISTING)
        if len(after) not in (0, 2):
            raise InvalidInput("was not given out for this list", field="page_token")
        async with self._store.transaction() as transaction:
            users = await transaction.users.page(after, limit + 1)
        return page_of(users, limit, _LISTING, lambda user: (user.name, user.user_id))

    async def update(
        self, caller: Caller, user_id: str, name: str, settings: UserSettings, etag: str
    ) -> User:
        """Replace what is decided about a user.

        Raises:
            InvalidInput: A field cannot be used, or the name is another.
            Forbidden: The caller lacks what the user has or is given.
            Conflict: `etag` is not empty and not the stored one.
            NotReady: It would leave no administrator.
            NotFound: There is no such user.
        """
        check_user_settings(settings, "user")
        require_holds(caller, settings.scopes())
        async with self._store.transaction() as transaction:
            user = await self._lock(transaction, caller, user_id, etag)
            if name not in ("", user.name):
                raise InvalidInput(f"is {user.name!r} and stays", field="user.name")
            if user.external_issuer and settings.roles != user.settings.roles:
                message = f"follow the claims of {user.external_issuer}"
                raise InvalidInput(message, field="user.grants")
            if user.settings.is_active_admin and not settings.is_active_admin:
                await _require_other_admin(transaction, user)
            changed = (settings.roles, settings.disabled) != (
                user.settings.roles,
                user.settings.disabled,
            )
            updated = await transaction.users.update(
                user_id, settings, new_epoch=changed
            )
            if changed:
                await transaction.revoke(
                    Revocation(Revoked.SUBJECT, user_id, updated.epoch)
                )
            if settings.disabled:
                await transaction.sessions.end_all(user_id)
            return updated

    async def delete(self, caller: Caller, user_id: str, etag: str) -> None:
        """Delete a user.

        Raises:
            Forbidden: The caller lacks what the user has.
            Conflict: `etag` is not empty and not the stored one.
            NotReady: It would leave no administrator.
            NotFound: There is no such user.
        """
        async with self._store.transaction() as transaction:
            user = await self._lock(transaction, caller, user_id, etag)
            if user.settings.is_active_admin:
                await _require_other_admin(transaction, user)
            await transaction.users.delete(user_id)
            await transaction.revoke(Revocation(Revoked.SUBJECT, user_id, GONE))

    async def reset_password(self, caller: Caller, user_id: str) -> str:
        """Give a user a new password and end their sessions; return the password.

        Raises:
            Forbidden: The caller lacks what the user has.
            NotFound: There is no such user.
            NotReady: An external issuer vouches for the user.
        """
        password = new_password()
        password_hash = await self._hashes.make(password)
        async with self._store.transaction() as transaction:
            user = await self._lock(transaction, caller, user_id, "")
            await self._set_password(transaction, user, password_hash, keep="")
        return password

    async def reset_password_of(self, name: str) -> str:
        """Do the same by name, for whoever has the gateway's own secrets.

        Raises:
            NotFound: There is no such user with a password.
        """
        password = new_password()
        password_hash = await self._hashes.make(password)
        async with self._store.transaction() as transaction:
            found = await transaction.users.password_of(name)
            if found is None:
                raise NotFound(f"there is no user {name!r} with a password")
            user = await transaction.users.lock(found[0])
            await self._set_password(transaction, user, password_hash, keep="")
        return password

    async def change_password(self, caller: Caller, old: str, new: str) -> None:
        """Change the caller's own password, and end their other sessions.

        Raises:
            InvalidInput: The new one cannot be used.
            Forbidden: The old one is wrong.
            LoginThrottled: It was wrong too often.
            NotReady: An external issuer vouches for the user.
        """
        user = await self.get(caller.subject)
        check_password(new, "new_password", name=user.name)
        # One's own session is a known device: guessing from it disturbs nobody else.
        session_id = origin_of(caller.token_id).login_session_id
        device = f"{session_id or caller.subject}:password"
        await self._throttle.begin(user.name, caller.address, device)
        async with self._store.transaction() as transaction:
            found = await transaction.users.password_of(user.name)
        stored = found[1] if found and found[0] == user.user_id else None
        if not await self._hashes.fits(old, stored):
            raise Forbidden("is not the password", field="current_password")
        password_hash = await self._hashes.make(new)
        async with self._store.transaction() as transaction:
            user = await transaction.users.lock(caller.subject)
            if await transaction.users.password_of(user.name) != found:
                raise Conflict("the password was changed meanwhile")
            await self._set_password(transaction, user, password_hash, keep=session_id)
        await self._throttle.succeeded(user.name, caller.address, device)

    async def sessions(self, user_id: str) -> Sequence[LoginSession]:
        """Return the login sessions of a user; NotFound if there is none."""
        async with self._store.transaction() as transaction:
            await transaction.users.get(user_id)
            return await transaction.sessions.of_user(user_id)

    async def end_session(
        self, caller: Caller, user_id: str, login_session_id: str
    ) -> None:
        """End a login session of a user, or of the caller.

        Raises:
            Forbidden: The caller lacks what the user has.
            NotFound: There is no such session.
        """
        async with self._store.transaction() as transaction:
            await self._lock(transaction, caller, user_id, "")
            if not await transaction.sessions.end(user_id, login_session_id):
                raise NotFound("the login session does not exist")
            await transaction.revoke(Revocation(Revoked.SESSION, login_session_id))

    async def end_sessions(self, caller: Caller, user_id: str) -> int:
        """End all login sessions of a user; return how many they were.

        Raises:
            Forbidden: The caller lacks what the user has.
            NotFound: There is no such user.
        """
        async with self._store.transaction() as transaction:
            user = await self._lock(transaction, caller, user_id, "")
            ended = await transaction.sessions.end_all(user_id)
            updated = await transaction.users.update(
                user_id, user.settings, new_epoch=True
            )
            await transaction.revoke(
                Revocation(Revoked.SUBJECT, user_id, updated.epoch)
            )
        return len(ended)

    async def _lock(
        self, transaction: Transaction, caller: Caller, user_id: str, etag: str
    ) -> User:
        """Return a user that the caller may change, locked."""
        user = await transaction.users.lock(user_id)
        if user_id != caller.subject:
            # A disabled account can be enabled again, so it counts as what it was.
            require_holds(caller, user.settings.scopes())
        if etag not in ("", user.etag):
            raise Conflict(f"user {user.name!r} was changed since", field="etag")
        return user

    async def _set_password(
        self, transaction: Transaction, user: User, password_hash: str, *, keep: str
    ) -> None:
        if user.external_issuer:
            raise NotReady(f"{user.external_issuer} vouches for this user")
        await transaction.users.set_password(user.user_id, password_hash)
        ended = await transaction.sessions.end_all(user.user_id, but=keep)
        await transaction.revoke(*(Revocation(Revoked.SESSION, one) for one in ended))


async def _require_other_admin(transaction: Transaction, user: User) -> None:
    """Return if there is an administrator beside `user`, and will be.

    Raises:
        NotReady: There is none.
    """
    if not user.external_issuer and not (
        await transaction.users.lock_admins() - {user.user_id}
    ):
        raise NotReady(f"{user.name!r} is the last admin; make another one first")


def _new_id() -> str:
    return f"user-{uuid.uuid4().hex}"
