"""The gateway's part of PostgreSQL, one transaction at a time."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.common.postgres import Pool, translated_errors
from services.gateway.accounts.adapters.audit_log import AuditRows
from services.gateway.accounts.adapters.login_sessions import (
    LoginSessionRows,
    SessionLifetime,
)
from services.gateway.accounts.adapters.revocations import RevocationPublisher, keep
from services.gateway.accounts.adapters.service_accounts import ServiceAccountRows
from services.gateway.accounts.adapters.signing_keys import SigningKeyRows
from services.gateway.accounts.adapters.users import UserRows
from services.gateway.accounts.domain.revoking import Revocation

SCHEMA = "gateway"
VERSIONS = Path(__file__).parents[2] / "migrations" / "versions"


class RowTransaction:
    """All tables, within one transaction."""

    def __init__(
        self, connection: AsyncConnection[TupleRow], lifetime: SessionLifetime
    ) -> None:
        self._connection = connection
        self.users = UserRows(connection)
        self.sessions = LoginSessionRows(connection, lifetime)
        self.service_accounts = ServiceAccountRows(connection)
        self.signing_keys = SigningKeyRows(connection)
        self.audit = AuditRows(connection)
        self.revoked: list[Revocation] = []

    async def revoke(self, *revocations: Revocation) -> None:
        """Refuse tokens from the commit on, everywhere."""
        for one in revocations:
            await keep(self._connection, one)
        self.revoked += revocations


class RowStore:
    """Opens transactions."""

    def __init__(
        self, pool: Pool, publisher: RevocationPublisher, lifetime: SessionLifetime
    ) -> None:
        self._pool = pool
        self._publisher = publisher
        self._lifetime = lifetime

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[RowTransaction]:
        """Commit what the context does, or nothing of it when it raises.

        What it revokes is in effect everywhere once the context is left.

        Raises:
            Unavailable: PostgreSQL is away; or it is committed, but Redis is away and
                the revocations take effect when it is back.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                transaction = RowTransaction(connection, self._lifetime)
                yield transaction
        if transaction.revoked:
            await self._publisher.publish(transaction.revoked)

    async def remove_expired(self) -> None:
        """Remove sessions, keys and revocations that are past.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                await connection.execute(
                    "DELETE FROM login_sessions "
                    "WHERE least(expire_time, idle_expire_time) <= now()"
                )
                await connection.execute(
                    "DELETE FROM revocations WHERE expire_time <= now()"
                )
                await SigningKeyRows(connection).remove_expired()
