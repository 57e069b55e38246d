"""Keep service accounts and their secrets."""

import hashlib
import secrets
import uuid
from datetime import UTC, datetime

from services.common.caller import Caller
from services.common.errors import Conflict, InvalidInput, NotReady
from services.gateway.accounts.domain.accounts import (
    Secret,
    ServiceAccount,
    ServiceAccountSettings,
)
from services.gateway.accounts.domain.checks import check_service_account
from services.gateway.accounts.domain.paging import Page, PageRequest, page_of
from services.gateway.accounts.domain.revoking import GONE, Revocation, Revoked
from services.gateway.accounts.service.granting import require_holds
from services.gateway.accounts.service.ports import Store, Transaction

MOST_SECRETS = 5
SECRET_PREFIX = "spoton-secret-"  # noqa: S105 - what leaked ones are found by.
_LISTING = "serviceAccounts"
_SECRET_BYTES = 32


def hash_of(secret: str) -> bytes:
    """Return the hash of a secret of 256 random bits, which needs no slow one."""
    return hashlib.sha256(secret.encode()).digest()


class ServiceAccounts:
    """What can be done with service accounts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(
        self, caller: Caller, settings: ServiceAccountSettings
    ) -> tuple[ServiceAccount, str]:
        """Add a service account; return it and its first secret.

        Raises:
            InvalidInput: A field cannot be used.
            Forbidden: The caller lacks what the account is given.
            AlreadyExists: The display name is taken.
        """
        check_service_account(settings, "service_account")
        require_holds(caller, settings.grants())
        account_id = f"service-{uuid.uuid4().hex}"
        async with self._store.transaction() as transaction:
            await transaction.service_accounts.add(account_id, settings)
            _, secret = await _add_secret(transaction, account_id, None)
            return await transaction.service_accounts.get(account_id), secret

    async def get(self, service_account_id: str) -> ServiceAccount:
        """Return a service account; NotFound if there is none."""
        async with self._store.transaction() as transaction:
            return await transaction.service_accounts.get(service_account_id)

    async def list(self, request: PageRequest) -> Page[ServiceAccount]:
        """Return a page of service accounts."""
        limit, after = request.limit(), request.after(_LISTING)
        if len(after) not in (0, 1):
            raise InvalidInput("was not given out for this list", field="page_token")
        async with self._store.transaction() as transaction:
            accounts = await transaction.service_accounts.page(after, limit + 1)
        return page_of(
            accounts, limit, _LISTING, lambda one: (one.settings.display_name,)
        )

    async def update(
        self,
        caller: Caller,
        service_account_id: str,
        settings: ServiceAccountSettings,
        etag: str,
    ) -> ServiceAccount:
        """Replace what is decided about a service account.

        Raises:
            InvalidInput: A field cannot be used.
            Forbidden: The caller lacks what the account has or is given.
            Conflict: `etag` is not empty and not the stored one.
            NotFound: There is no such account.
        """
        check_service_account(settings, "service_account")
        require_holds(caller, settings.grants())
        async with self._store.transaction() as transaction:
            before = await _lock(transaction, caller, service_account_id, etag)
            changed = (settings.grants(), settings.disabled) != (
                before.settings.grants(),
                before.settings.disabled,
            )
            account = await transaction.service_accounts.update(
                service_account_id, settings, new_epoch=changed
            )
            if changed:
                await transaction.revoke(
                    Revocation(Revoked.SUBJECT, service_account_id, account.epoch)
                )
            return account

    async def delete(self, caller: Caller, service_account_id: str, etag: str) -> None:
        """Delete a service account.

        Raises:
            Forbidden: The caller lacks what the account has.
            Conflict: `etag` is not empty and not the stored one.
            NotFound: There is no such account.
        """
        async with self._store.transaction() as transaction:
            await _lock(transaction, caller, service_account_id, etag)
            await transaction.service_accounts.delete(service_account_id)
            await transaction.revoke(
                Revocation(Revoked.SUBJECT, service_account_id, GONE)
            )

    async def create_secret(
        self, caller: Caller, service_account_id: str, expire_time: datetime | None
    ) -> tuple[Secret, str]:
        """Add a secret; return what is kept of it, and the secret.

        Raises:
            InvalidInput: It would have expired.
            Forbidden: The caller lacks what the account has.
            NotReady: The account has all secrets that it may have.
            NotFound: There is no such account.
        """
        if expire_time is not None and expire_time <= datetime.now(UTC):
            raise InvalidInput("must be in the future", field="expire_time")
        async with self._store.transaction() as transaction:
            account = await _lock(transaction, caller, service_account_id, "")
            if len(account.secrets) >= MOST_SECRETS:
                raise NotReady(f"it has {MOST_SECRETS} secrets; delete one first")
            return await _add_secret(transaction, service_account_id, expire_time)

    async def delete_secret(
        self, caller: Caller, service_account_id: str, secret_id: str
    ) -> None:
        """Remove a secret, and refuse the account's tokens from before.

        Raises:
            Forbidden: The caller lacks what the account has.
            NotFound: There is no such account or secret.
        """
        async with self._store.transaction() as transaction:
            account = await _lock(transaction, caller, service_account_id, "")
            await transaction.service_accounts.delete_secret(
                service_account_id, secret_id
            )
            updated = await transaction.service_accounts.update(
                service_account_id, account.settings, new_epoch=True
            )
            await transaction.revoke(
                Revocation(Revoked.SUBJECT, service_account_id, updated.epoch)
            )


async def _lock(
    transaction: Transaction, caller: Caller, service_account_id: str, etag: str
) -> ServiceAccount:
    """Return an account that the caller may change, locked."""
    account = await transaction.service_accounts.lock(service_account_id)
    require_holds(caller, account.settings.grants())
    if etag not in ("", account.etag):
        raise Conflict("the service account was changed since", field="etag")
    return account


async def _add_secret(
    transaction: Transaction, service_account_id: str, expire_time: datetime | None
) -> tuple[Secret, str]:
    secret = SECRET_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    kept = await transaction.service_accounts.add_secret(
        service_account_id,
        f"secret-{secrets.token_hex(8)}",
        hash_of(secret),
        expire_time,
    )
    return kept, secret
