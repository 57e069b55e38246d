"""The tables of login sessions and of the refresh tokens, which are kept as hashes."""

from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.gateway.accounts.adapters.users import UserRows
from services.gateway.accounts.domain.accounts import Device, LoginSession
from services.gateway.accounts.service.ports import Refresh

MOST_LISTED = 1000
_COLUMNS = (
    "login_session_id, user_id, create_time, last_use_time, "
    "least(expire_time, idle_expire_time), address, user_agent"
)


@dataclass(frozen=True, slots=True)
class SessionLifetime:
    """How long a login lasts.

    Attributes:
        absolute_s: Until the login must be repeated, seconds.
        idle_s: Without use of a refresh token, seconds.
    """

    absolute_s: float
    idle_s: float


class LoginSessionRows:
    """Login sessions, within one transaction."""

    def __init__(
        self, connection: AsyncConnection[TupleRow], lifetime: SessionLifetime
    ) -> None:
        self._connection = connection
        self._lifetime = lifetime

    async def add(
        self, login_session_id: str, user_id: str, token_hash: bytes, device: Device
    ) -> LoginSession:
        """Begin a session with its first refresh token."""
        cursor = await self._connection.execute(
            "INSERT INTO login_sessions (login_session_id, user_id, expire_time, "
            "idle_expire_time, address, user_agent) VALUES (%s, %s, "
            "now() + make_interval(secs => %s), now() + make_interval(secs => %s), "
            f"%s, %s) RETURNING {_COLUMNS}".encode(),
            (
                login_session_id,
                user_id,
                self._lifetime.absolute_s,
                self._lifetime.idle_s,
                device.address,
                device.user_agent,
            ),
        )
        row = await cursor.fetchone()
        await self._add_token(login_session_id, token_hash)
        assert row is not None  # noqa: S101 - RETURNING of an insert.
        return LoginSession(*row)

    async def find(self, token_hash: bytes) -> Refresh | None:
        """Return what a refresh token belongs to, locked."""
        cursor = await self._connection.execute(
            "SELECT s.user_id, s.login_session_id, t.used, "
            "least(s.expire_time, s.idle_expire_time) <= now() "
            "FROM refresh_tokens t JOIN login_sessions s USING (login_session_id) "
            "WHERE t.token_hash = %s FOR UPDATE OF t, s",
            (token_hash,),
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        user_id, login_session_id, used, expired = row
        user = await UserRows(self._connection).get(user_id)
        return Refresh(user, login_session_id, used, expired)

    async def rotate(
        self, login_session_id: str, old_hash: bytes, new_hash: bytes, device: Device
    ) -> None:
        """Mark a refresh token as used and add the one that follows it."""
        await self._connection.execute(
            "UPDATE refresh_tokens SET used = true WHERE token_hash = %s", (old_hash,)
        )
        await self._add_token(login_session_id, new_hash)
        await self._connection.execute(
            "UPDATE login_sessions SET last_use_time = now(), "
            "idle_expire_time = now() + make_interval(secs => %s), address = %s, "
            "user_agent = %s WHERE login_session_id = %s",
            (
                self._lifetime.idle_s,
                device.address,
                device.user_agent,
                login_session_id,
            ),
        )

    async def of_user(self, user_id: str) -> list[LoginSession]:
        """Return the sessions of a user that have not ended, newest first."""
        cursor = await self._connection.execute(
            f"SELECT {_COLUMNS} FROM login_sessions WHERE user_id = %s "
            "AND least(expire_time, idle_expire_time) > now() "
            "ORDER BY create_time DESC, login_session_id LIMIT %s".encode(),
            (user_id, MOST_LISTED),
        )
        return [LoginSession(*row) for row in await cursor.fetchall()]

    async def end(self, user_id: str, login_session_id: str) -> bool:
        """End a session; return whether there was one."""
        cursor = await self._connection.execute(
            "DELETE FROM login_sessions WHERE login_session_id = %s AND user_id = %s",
            (login_session_id, user_id),
        )
        return cursor.rowcount > 0

    async def end_all(self, user_id: str, *, but: str = "") -> list[str]:
        """End the sessions of a user, but one; return their ids."""
        cursor = await self._connection.execute(
            "DELETE FROM login_sessions WHERE user_id = %s AND login_session_id <> %s "
            "RETURNING login_session_id",
            (user_id, but),
        )
        return [row[0] for row in await cursor.fetchall()]

    async def _add_token(self, login_session_id: str, token_hash: bytes) -> None:
        await self._connection.execute(
            "INSERT INTO refresh_tokens (token_hash, login_session_id) VALUES (%s, %s)",
            (token_hash, login_session_id),
        )
