"""Log in, go on by refresh tokens, log out."""

import hashlib
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from services.common.access_tokens import (
    LIFETIME_S,
    AccessClaims,
    TokenOrigin,
    new_token_id,
    origin_of,
)
from services.common.caller import CallerKind
from services.common.errors import InvalidInput, Overloaded, Unauthenticated
from services.gateway.accounts.domain.accounts import Device, User
from services.gateway.accounts.domain.audit import Actor, Event, shortened
from services.gateway.accounts.domain.checks import PASSWORD_LENGTH, is_user_name
from services.gateway.accounts.domain.revoking import Revocation, Revoked
from services.gateway.accounts.service.auditing import Auditing
from services.gateway.accounts.service.ports import (
    DeviceProofs,
    LoginThrottle,
    PasswordHashes,
    Refresh,
    Store,
    TokenSigner,
    Transaction,
)

MOST_REFRESH_CHARACTERS = 200
_REFRESH_BYTES = 32
_REFUSAL = "name or password is wrong"
_REFRESH_REFUSAL = "the refresh token is not valid; log in again"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one gets for proving who one is.

    Attributes:
        access_token: For calls.
        expires_in_s: How long it is valid, seconds.
        refresh_token: For the next pair; empty when there is none.
        device_proof: For the device that logged in; empty when there is none.
    """

    access_token: str
    expires_in_s: int
    refresh_token: str = ""
    device_proof: str = ""


class Logins:
    """Sessions of people with passwords."""

    def __init__(
        self,
        store: Store,
        hashes: PasswordHashes,
        throttle: LoginThrottle,
        proofs: DeviceProofs,
        signer: TokenSigner,
    ) -> None:
        self._store = store
        self._audit = Auditing(store)
        self._hashes = hashes
        self._throttle = throttle
        self._proofs = proofs
        self._signer = signer

    async def log_in(
        self, name: str, password: str, device: Device, proof: str = ""
    ) -> Tokens:
        """Begin a login session.

        Args:
            name: Of the user.
            password: Of the user.
            device: Where the login comes from.
            proof: That the device logged in before, or empty.

        Raises:
            InvalidInput: The password has a length that none has.
            Unauthenticated: There is no such user, the password is wrong, or the user
                is disabled; which of them is not told.
            LoginThrottled: Too many attempts failed.
            Overloaded: Too many log in at this moment.
            Unavailable: A store is away.
        """
        if not password or len(password) > PASSWORD_LENGTH[1]:
            message = f"must have 1 to {PASSWORD_LENGTH[1]} characters"
            raise InvalidInput(message, field="password")
        device_id = self._proofs.id_of(proof, name) if proof else ""
        await self._throttle.begin(name, device.address, device_id)
        stored = await self._stored_hash(name)
        try:
            fits = await self._hashes.fits(password, stored, known=bool(device_id))
        except Overloaded:
            # It was not tried, so it is no failure.
            await self._throttle.taken_back(name, device.address, device_id)
            raise
        tokens = None
        if fits and stored:
            tokens = await self._begin(name, password, stored, device)
        if tokens is None:
            await self._record_refusal(name, device)
            raise Unauthenticated(_REFUSAL)
        await self._throttle.succeeded(name, device.address, device_id)
        return Tokens(
            access_token=tokens.access_token,
            expires_in_s=tokens.expires_in_s,
            refresh_token=tokens.refresh_token,
            device_proof=proof if device_id else self._proofs.make(name),
        )

    async def refresh(self, refresh_token: str, device: Device) -> Tokens:
        """Return new tokens for a refresh token, which holds once.

        One that was used before is in other hands too: its session ends.

        Raises:
            Unauthenticated: The token is unknown, used, or its session has ended.
            Unavailable: A store is away.
        """
        if not 1 <= len(refresh_token) <= MOST_REFRESH_CHARACTERS:
            raise Unauthenticated(_REFRESH_REFUSAL)
        old_hash, new_token = _hash_of(refresh_token), _new_refresh_token()
        async with self._store.transaction() as transaction:
            found = await transaction.sessions.find(old_hash)
            if found is not None and _is_good(found):
                await transaction.sessions.rotate(
                    found.login_session_id, old_hash, _hash_of(new_token), device
                )
            elif found is not None:
                await self._end_refused(transaction, found, device)
        if found is None or not _is_good(found):
            raise Unauthenticated(_REFRESH_REFUSAL)
        return await self._tokens(found.user, found.login_session_id, new_token)

    async def log_out(self, refresh_token: str, device: Device) -> None:
        """End the session of a refresh token; do nothing for one that is unknown.

        Raises:
            Unavailable: A store is away.
        """
        if not 1 <= len(refresh_token) <= MOST_REFRESH_CHARACTERS:
            return
        async with self._store.transaction() as transaction:
            found = await transaction.sessions.find(_hash_of(refresh_token))
            if found is not None:
                await self._end(transaction, found.user, found.login_session_id, device)

    async def revoke(self, claims: AccessClaims, device: Device) -> None:
        """End the session of an access token, or the token alone if it has none.

        Raises:
            Unavailable: A store is away.
        """
        actor = Actor(claims.subject, claims.name, claims.kind, device.address)
        async with self._store.transaction() as transaction:
            if session_id := origin_of(claims.token_id).login_session_id:
                await transaction.sessions.end(claims.subject, session_id)
                await transaction.revoke(Revocation(Revoked.SESSION, session_id))
            else:
                await transaction.revoke(Revocation(Revoked.TOKEN, claims.token_id))
            await transaction.audit.add(_event("logout", actor, "OK"))

    async def _stored_hash(self, name: str) -> str | None:
        """Return the password hash of a user; None if there is no such user."""
        if not is_user_name(name):
            return None
        async with self._store.transaction() as transaction:
            found = await transaction.users.password_of(name)
        return found[1] if found else None

    async def _begin(
        self, name: str, password: str, stored: str, device: Device
    ) -> Tokens | None:
        """Begin the session of a user, whose password fits the hash `stored`.

        Returns:
            None if the user is disabled, or the password was changed meanwhile.
        """
        outdated = self._hashes.is_outdated(stored)
        new_hash = await self._hashes.make(password) if outdated else stored
        session_id, refresh_token = f"login-{uuid.uuid4().hex}", _new_refresh_token()
        async with self._store.transaction() as transaction:
            found = await transaction.users.password_of(name)
            if found is None or found[1] != stored:
                return None
            user = await transaction.users.lock(found[0])
            if user.settings.disabled:
                return None
            if outdated:
                await transaction.users.set_password(user.user_id, new_hash)
            await transaction.users.logged_in(user.user_id)
            await transaction.sessions.add(
                session_id, user.user_id, _hash_of(refresh_token), device
            )
            await transaction.audit.add(
                _event("login", _actor(user, device), "OK", session_id)
            )
        return await self._tokens(user, session_id, refresh_token)

    async def _tokens(self, user: User, session_id: str, refresh_token: str) -> Tokens:
        now_s = time.time()
        claims = user_claims(user, session_id, now_s)
        return Tokens(await self._signer.sign(claims, now_s), LIFETIME_S, refresh_token)

    async def _end_refused(
        self, transaction: Transaction, found: Refresh, device: Device
    ) -> None:
        """End a session whose refresh token is refused, and record a theft."""
        session_id = found.login_session_id
        await transaction.sessions.end(found.user.user_id, session_id)
        await transaction.revoke(Revocation(Revoked.SESSION, session_id))
        if found.used:
            detail = "a refresh token was used twice; the session has ended"
            actor = _actor(found.user, device)
            await transaction.audit.add(
                _event("refresh", actor, "UNAUTHENTICATED", session_id, detail)
            )

    async def _end(
        self, transaction: Transaction, user: User, session_id: str, device: Device
    ) -> None:
        await transaction.sessions.end(user.user_id, session_id)
        await transaction.revoke(Revocation(Revoked.SESSION, session_id))
        await transaction.audit.add(
            _event("logout", _actor(user, device), "OK", session_id)
        )

    async def _record_refusal(self, name: str, device: Device) -> None:
        # Some type their password where the name belongs: keep names only.
        stated = name if is_user_name(name) else ""
        actor = Actor(name=stated, address=device.address)
        await self._audit.record(_event("login", actor, "UNAUTHENTICATED"))


def user_claims(user: User, session_id: str, now_s: float) -> AccessClaims:
    """Return what a user's access token says; it may come from no session."""
    return AccessClaims(
        subject=user.user_id,
        name=user.name,
        kind=CallerKind.USER,
        token_id=new_token_id(TokenOrigin(session_id, user.epoch)),
        expires_s=now_s + LIFETIME_S,
        roles=user.settings.roles,
    )


def _is_good(found: Refresh) -> bool:
    return not (found.used or found.expired or found.user.settings.disabled)


def _new_refresh_token() -> str:
    return secrets.token_urlsafe(_REFRESH_BYTES)


def _hash_of(refresh_token: str) -> bytes:
    """Return the hash of a token of 256 random bits, which needs no slow one."""
    return hashlib.sha256(refresh_token.encode()).digest()


def _actor(user: User, device: Device) -> Actor:
    return Actor(user.user_id, user.name, CallerKind.USER, device.address)


def _event(
    action: str, actor: Actor, outcome: str, session_id: str = "", detail: str = ""
) -> Event:
    resource = f"loginSessions/{session_id}" if session_id else ""
    return shortened(
        Event(datetime.now(UTC), actor, action, outcome, "", resource, "", detail)
    )
