"""The table of users."""

from typing import Any

from psycopg import AsyncConnection, errors
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from services.common.errors import AlreadyExists, NotFound
from services.common.roles import Role
from services.gateway.accounts.domain.accounts import User, UserSettings

_COLUMNS = (
    "user_id, name, display_name, roles, disabled, epoch, external_issuer, "
    "create_time, last_login_time, etag"
)


class UserRows:
    """Users, within one transaction."""

    def __init__(self, connection: AsyncConnection[TupleRow]) -> None:
        self._connection = connection

    async def add(
        self, user_id: str, name: str, settings: UserSettings, password_hash: str
    ) -> User:
        """Add a user with a password.

        Raises:
            AlreadyExists: The name is taken.
        """
        try:
            return await self._one(
                "INSERT INTO users (user_id, name, display_name, roles, disabled, "
                f"password_hash) VALUES (%s, %s, %s, %s, %s, %s) RETURNING {_COLUMNS}",
                (user_id, name, *_values(settings), password_hash),
            )
        except errors.UniqueViolation:
            message = f"user {name!r} exists"
            raise AlreadyExists(message, field="user.name") from None

    async def put_external(
        self, user_id: str, issuer: str, subject: str, name: str, display_name: str
    ) -> User:
        """Return the user of an external issuer, locked, added when new."""
        return await self._one(
            "INSERT INTO users (user_id, name, display_name, roles, disabled, "
            "external_issuer, external_subject) VALUES (%s, %s, %s, '{}', false, "
            "%s, %s) ON CONFLICT (external_issuer, external_subject) "
            "WHERE external_issuer <> '' DO UPDATE SET name = EXCLUDED.name "
            f"RETURNING {_COLUMNS}",
            (user_id, name, display_name, issuer, subject),
        )

    async def get(self, user_id: str) -> User:
        """Return a user.

        Raises:
            NotFound: There is none.
        """
        return await self._one(
            f"SELECT {_COLUMNS} FROM users WHERE user_id = %s", (user_id,)
        )

    async def lock(self, user_id: str) -> User:
        """Return a user that nobody else changes meanwhile.

        Raises:
            NotFound: There is none.
        """
        return await self._one(
            f"SELECT {_COLUMNS} FROM users WHERE user_id = %s FOR UPDATE", (user_id,)
        )

    async def password_of(self, name: str) -> tuple[str, str] | None:
        """Return user id and password hash of the user with a name and password."""
        cursor = await self._connection.execute(
            "SELECT user_id, password_hash FROM users "
            "WHERE name = %s AND external_issuer = ''",
            (name,),
        )
        row = await cursor.fetchone()
        return (row[0], row[1]) if row else None

    async def page(self, after: tuple[str, ...], count: int) -> list[User]:
        """Return `count` users by name and id, after a name and id."""
        cursor = await self._connection.execute(
            f"SELECT {_COLUMNS} FROM users WHERE (name, user_id) > (%s, %s) "
            "ORDER BY name, user_id LIMIT %s",
            (*(after or ("", "")), count),
        )
        return [_user(row) for row in await cursor.fetchall()]

    async def update(
        self, user_id: str, settings: UserSettings, *, new_epoch: bool
    ) -> User:
        """Replace what is decided about a user that is locked."""
        return await self._one(
            "UPDATE users SET display_name = %s, roles = %s, disabled = %s, "
            "epoch = epoch + %s, etag = gen_random_uuid()::text "
            f"WHERE user_id = %s RETURNING {_COLUMNS}",
            (*_values(settings), int(new_epoch), user_id),
        )

    async def set_password(self, user_id: str, password_hash: str) -> None:
        """Replace a password hash."""
        await self._connection.execute(
            "UPDATE users SET password_hash = %s WHERE user_id = %s",
            (password_hash, user_id),
        )

    async def logged_in(self, user_id: str) -> None:
        """Note that a user proved who they are."""
        await self._connection.execute(
            "UPDATE users SET last_login_time = now() WHERE user_id = %s", (user_id,)
        )

    async def delete(self, user_id: str) -> None:
        """Delete a user with its sessions."""
        await self._connection.execute(
            "DELETE FROM users WHERE user_id = %s", (user_id,)
        )

    async def lock_admins(self) -> set[str]:
        """Return the ids of enabled admins with passwords; none changes meanwhile."""
        cursor = await self._connection.execute(
            "SELECT user_id FROM users WHERE roles ->> '*' = 'admin' AND NOT disabled "
            "AND external_issuer = '' ORDER BY user_id FOR UPDATE"
        )
        return {row[0] for row in await cursor.fetchall()}

    async def is_empty(self) -> bool:
        """Return whether there is no user with a password; none is added meanwhile."""
        await self._connection.execute("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
        cursor = await self._connection.execute(
            "SELECT 1 FROM users WHERE external_issuer = '' LIMIT 1"
        )
        return await cursor.fetchone() is None

    async def _one(self, query: str, values: tuple[object, ...]) -> User:
        cursor = await self._connection.execute(query.encode(), values)
        row = await cursor.fetchone()
        if row is None:
            raise NotFound("the user does not exist")
        return _user(row)


def _values(settings: UserSettings) -> tuple[object, ...]:
    roles = {one: role.value for one, role in settings.roles.items()}
    return settings.display_name, Jsonb(roles), settings.disabled


def _user(row: Any) -> User:
    user_id, name, display_name, roles, disabled, epoch, issuer, *rest = row
    create_time, last_login_time, etag = rest
    return User(
        user_id=user_id,
        name=name,
        settings=UserSettings(
            display_name=display_name,
            roles={one: Role(role) for one, role in roles.items()},
            disabled=disabled,
        ),
        epoch=epoch,
        external_issuer=issuer,
        create_time=create_time,
        last_login_time=last_login_time,
        etag=etag,
    )
