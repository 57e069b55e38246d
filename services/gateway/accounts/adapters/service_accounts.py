"""The tables of service accounts and of their secrets, which are kept as hashes."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection, errors
from psycopg.rows import TupleRow

from services.common.errors import AlreadyExists, NotFound
from services.gateway.accounts.domain.accounts import (
    Secret,
    ServiceAccount,
    ServiceAccountSettings,
)

_COLUMNS = (
    "service_account_id, display_name, scopes, environment_ids, disabled, epoch, "
    "create_time, etag"
)
_SECRET_COLUMNS = "secret_id, create_time, expire_time, last_use_time"  # noqa: S105


class ServiceAccountRows:
    """Service accounts, within one transaction."""

    def __init__(self, connection: AsyncConnection[TupleRow]) -> None:
        self._connection = connection

    async def add(
        self, service_account_id: str, settings: ServiceAccountSettings
    ) -> None:
        """Add an account.

        Raises:
            AlreadyExists: Its display name is taken.
        """
        await self._write(
            "INSERT INTO service_accounts (display_name, scopes, environment_ids, "
            "disabled, service_account_id) VALUES (%s, %s, %s, %s, %s)",
            (*_values(settings), service_account_id),
        )

    async def get(self, service_account_id: str) -> ServiceAccount:
        """Return an account.

        Raises:
            NotFound: There is none.
        """
        return await self._read(service_account_id, "")

    async def lock(self, service_account_id: str) -> ServiceAccount:
        """Return an account that nobody else changes meanwhile.

        Raises:
            NotFound: There is none.
        """
        return await self._read(service_account_id, "FOR UPDATE")

    async def page(self, after: tuple[str, ...], count: int) -> list[ServiceAccount]:
        """Return `count` accounts by display name, after one."""
        cursor = await self._connection.execute(
            f"SELECT {_COLUMNS} FROM service_accounts WHERE display_name > %s "
            "ORDER BY display_name LIMIT %s".encode(),
            (*(after or ("",)), count),
        )
        rows = await cursor.fetchall()
        return [_account(row, await self._secrets(row[0])) for row in rows]

    async def update(
        self,
        service_account_id: str,
        settings: ServiceAccountSettings,
        *,
        new_epoch: bool,
    ) -> ServiceAccount:
        """Replace what is decided about an account that is locked.

        Raises:
            AlreadyExists: Its display name is taken.
        """
        await self._write(
            "UPDATE service_accounts SET display_name = %s, scopes = %s, "
            "environment_ids = %s, disabled = %s, epoch = epoch + %s, "
            "etag = gen_random_uuid()::text WHERE service_account_id = %s",
            (*_values(settings), int(new_epoch), service_account_id),
        )
        return await self.get(service_account_id)

    async def delete(self, service_account_id: str) -> None:
        """Delete an account with its secrets."""
        await self._connection.execute(
            "DELETE FROM service_accounts WHERE service_account_id = %s",
            (service_account_id,),
        )

    async def add_secret(
        self,
        service_account_id: str,
        secret_id: str,
        secret_hash: bytes,
        expire_time: datetime | None,
    ) -> Secret:
        """Add a secret."""
        cursor = await self._connection.execute(
            "INSERT INTO service_account_secrets (secret_id, service_account_id, "
            "secret_hash, expire_time) VALUES (%s, %s, %s, %s) "
            f"RETURNING {_SECRET_COLUMNS}".encode(),
            (secret_id, service_account_id, secret_hash, expire_time),
        )
        row = await cursor.fetchone()
        assert row is not None  # noqa: S101 - RETURNING of an insert.
        return Secret(*row)

    async def delete_secret(self, service_account_id: str, secret_id: str) -> None:
        """Delete a secret.

        Raises:
            NotFound: There is none.
        """
        cursor = await self._connection.execute(
            "DELETE FROM service_account_secrets "
            "WHERE service_account_id = %s AND secret_id = %s",
            (service_account_id, secret_id),
        )
        if not cursor.rowcount:
            raise NotFound("the secret does not exist")

    async def use_secret(
        self, service_account_id: str, secret_hash: bytes
    ) -> ServiceAccount | None:
        """Return the account of a secret that is valid, and note its use."""
        cursor = await self._connection.execute(
            "UPDATE service_account_secrets SET last_use_time = now() "
            "WHERE service_account_id = %s AND secret_hash = %s "
            "AND coalesce(expire_time > now(), true)",
            (service_account_id, secret_hash),
        )
        return await self.get(service_account_id) if cursor.rowcount else None

    async def _write(self, query: str, values: tuple[object, ...]) -> None:
        try:
            await self._connection.execute(query.encode(), values)
        except errors.UniqueViolation:
            raise AlreadyExists(
                "another service account has this name",
                field="service_account.display_name",
            ) from None

    async def _read(self, service_account_id: str, lock: str) -> ServiceAccount:
        cursor = await self._connection.execute(
            f"SELECT {_COLUMNS} FROM service_accounts "
            f"WHERE service_account_id = %s {lock}".encode(),
            (service_account_id,),
        )
        row = await cursor.fetchone()
        if row is None:
            raise NotFound("the service account does not exist")
        return _account(row, await self._secrets(service_account_id))

    async def _secrets(self, service_account_id: str) -> tuple[Secret, ...]:
        cursor = await self._connection.execute(
            f"SELECT {_SECRET_COLUMNS} FROM service_account_secrets "
            "WHERE service_account_id = %s ORDER BY create_time, secret_id".encode(),
            (service_account_id,),
        )
        return tuple(Secret(*row) for row in await cursor.fetchall())


def _values(settings: ServiceAccountSettings) -> tuple[object, ...]:
    return (
        settings.display_name,
        list(settings.scopes),
        list(settings.environment_ids),
        settings.disabled,
    )


def _account(row: Any, secrets: tuple[Secret, ...]) -> ServiceAccount:
    account_id, display_name, scopes, environment_ids, disabled, *rest = row
    epoch, create_time, etag = rest
    return ServiceAccount(
        service_account_id=account_id,
        settings=ServiceAccountSettings(
            display_name, tuple(scopes), tuple(environment_ids), disabled
        ),
        secrets=secrets,
        epoch=epoch,
        create_time=create_time,
        etag=etag,
    )
