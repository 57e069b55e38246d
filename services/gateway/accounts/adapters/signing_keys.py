"""The table of signing keys. Private halves are in it sealed only."""

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.gateway.accounts.domain.accounts import SigningKey

_LOCK = 0x5390_7001


class SigningKeyRows:
    """Signing keys, within one transaction."""

    def __init__(self, connection: AsyncConnection[TupleRow]) -> None:
        self._connection = connection

    async def all(self) -> list[tuple[SigningKey, bytes]]:
        """Return the keys with their sealed private halves, newest first."""
        cursor = await self._connection.execute(
            "SELECT key_id, public_key, create_time, activate_time, expire_time, "
            "private_key FROM signing_keys "
            "WHERE coalesce(expire_time > now(), true) "
            "ORDER BY activate_time DESC, key_id"
        )
        return [(SigningKey(*row[:5]), row[5]) for row in await cursor.fetchall()]

    async def lock(self) -> None:
        """Let nobody else make or remove keys meanwhile."""
        await self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))

    async def add(
        self, key_id: str, public_key: bytes, sealed: bytes, *, after_s: float
    ) -> None:
        """Add a key that signs after some seconds."""
        await self._connection.execute(
            "INSERT INTO signing_keys (key_id, public_key, private_key, activate_time) "
            "VALUES (%s, %s, %s, now() + make_interval(secs => %s))",
            (key_id, public_key, sealed, after_s),
        )

    async def retire_others(self, key_id: str, *, after_s: float) -> None:
        """Let the other keys expire, unless they do before."""
        await self._connection.execute(
            "UPDATE signing_keys SET expire_time = "
            "least(expire_time, now() + make_interval(secs => %s)) WHERE key_id <> %s",
            (after_s, key_id),
        )

    async def remove_others(self, key_id: str) -> list[str]:
        """Remove the other keys; return their ids."""
        cursor = await self._connection.execute(
            "DELETE FROM signing_keys WHERE key_id <> %s RETURNING key_id", (key_id,)
        )
        return [row[0] for row in await cursor.fetchall()]

    async def remove_expired(self) -> None:
        """Remove the keys that are expired."""
        await self._connection.execute(
            "DELETE FROM signing_keys WHERE expire_time <= now()"
        )
