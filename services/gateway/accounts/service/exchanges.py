"""Give access tokens for what proves an account in another way than a login."""

import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime

from services.common.access_tokens import (
    LIFETIME_S,
    AccessClaims,
    TokenOrigin,
    new_token_id,
)
from services.common.caller import CallerKind
from services.common.errors import Forbidden, NotFound, NotReady, Unauthenticated
from services.gateway.accounts.domain.accounts import Device, ServiceAccount, User
from services.gateway.accounts.domain.audit import Actor, Event, shortened
from services.gateway.accounts.domain.revoking import Revocation, Revoked
from services.gateway.accounts.service.auditing import Auditing
from services.gateway.accounts.service.logins import Tokens, user_claims
from services.gateway.accounts.service.ports import (
    ExternalIdentity,
    ExternalIssuer,
    Store,
    TokenSigner,
)
from services.gateway.accounts.service.service_accounts import hash_of

_MOST_CHARACTERS = 200
_REFUSAL = "client id or secret is wrong"


class Exchanges:
    """Tokens for service accounts, and for users of an external issuer."""

    def __init__(
        self, store: Store, signer: TokenSigner, issuer: ExternalIssuer | None
    ) -> None:
        self._store = store
        self._audit = Auditing(store)
        self._signer = signer
        self._issuer = issuer

    async def client_credentials(
        self, client_id: str, secret: str, device: Device
    ) -> Tokens:
        """Return a token for a service account.

        Raises:
            Unauthenticated: There is no such account, its secret is wrong or has
                ended, or it is disabled; which of them is not told.
            Unavailable: A store is away.
        """
        if max(len(client_id), len(secret)) > _MOST_CHARACTERS or "\0" in client_id:
            raise Unauthenticated(_REFUSAL)
        async with self._store.transaction() as transaction:
            account = await transaction.service_accounts.use_secret(
                client_id, hash_of(secret)
            )
            if account is not None and not account.settings.disabled:
                await transaction.audit.add(_event(_account_actor(account, device)))
        if account is None or account.settings.disabled:
            await self._record_refusal(client_id, device)
            raise Unauthenticated(_REFUSAL)
        now_s = time.time()
        claims = AccessClaims(
            subject=account.service_account_id,
            name=account.settings.display_name,
            kind=CallerKind.SERVICE_ACCOUNT,
            token_id=new_token_id(TokenOrigin("", account.epoch)),
            expires_s=now_s + LIFETIME_S,
            scopes=account.settings.scopes,
            environments=account.settings.environment_ids,
        )
        return Tokens(await self._signer.sign(claims, now_s), LIFETIME_S)

    async def external_token(self, token: str, device: Device) -> Tokens:
        """Return a token for a user of the external issuer.

        There is no refresh token: the issuer decides how long its users stay.

        Raises:
            NotReady: No issuer is configured.
            Unauthenticated: The issuer's token is not valid, or the user is disabled.
            Forbidden: The issuer's claims give no role.
            Unavailable: A store or the issuer is away.
        """
        if self._issuer is None:
            raise NotReady("no external issuer is configured")
        identity = await self._issuer.identity(token)
        user = await self._follow(identity, device)
        if user.settings.disabled:
            raise Unauthenticated("the user is disabled")
        if not user.settings.roles:
            raise Forbidden("your issuer's claims give you no role here")
        now_s = time.time()
        # Whole seconds, and never longer than the issuer vouches.
        lifetime_s = min(LIFETIME_S, int(identity.expires_s - now_s))
        claims = replace(user_claims(user, "", now_s), expires_s=now_s + lifetime_s)
        return Tokens(await self._signer.sign(claims, now_s), max(0, lifetime_s))

    async def _follow(self, identity: ExternalIdentity, device: Device) -> User:
        """Return the user of an identity, with the roles that it has now."""
        async with self._store.transaction() as transaction:
            user = await transaction.users.put_external(
                f"user-{uuid.uuid4().hex}",
                identity.issuer,
                identity.subject,
                identity.name,
                identity.name,
            )
            if dict(user.settings.roles) != dict(identity.roles):
                settings = replace(user.settings, roles=identity.roles)
                user = await transaction.users.update(
                    user.user_id, settings, new_epoch=True
                )
                await transaction.revoke(
                    Revocation(Revoked.SUBJECT, user.user_id, user.epoch)
                )
            refused = user.settings.disabled or not user.settings.roles
            if not refused:
                await transaction.users.logged_in(user.user_id)
            actor = Actor(user.user_id, user.name, CallerKind.USER, device.address)
            outcome = "PERMISSION_DENIED" if refused else "OK"
            await transaction.audit.add(_event(actor, outcome))
        return user

    async def _record_refusal(self, client_id: str, device: Device) -> None:
        """Record a wrong secret of an account; made-up accounts are not worth it."""
        try:
            async with self._store.transaction() as transaction:
                account = await transaction.service_accounts.get(client_id)
        except NotFound:
            return
        actor = _account_actor(account, device)
        await self._audit.record(_event(actor, "UNAUTHENTICATED"))


def _account_actor(account: ServiceAccount, device: Device) -> Actor:
    return Actor(
        account.service_account_id,
        account.settings.display_name,
        CallerKind.SERVICE_ACCOUNT,
        device.address,
    )


def _event(actor: Actor, outcome: str = "OK") -> Event:
    return shortened(Event(datetime.now(UTC), actor, "token", outcome))
