"""Tables of things with an etag: environments, cameras, zones and tripwires.

The value is a JSON document beside its key: nothing queries into it except for the
level, and a new field needs no migration.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composable, Composed, Identifier
from psycopg.types.json import Jsonb

from services.common.errors import AlreadyExists, Conflict, NotFound
from services.mapper.domain.documents import from_document, to_document
from services.mapper.domain.environment import Camera, Environment, Zone
from services.mapper.domain.stored import Stored
from services.mapper.domain.tripwire import Tripwire

T = TypeVar("T")
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape(Generic[T]):
    """What is in one table.

    Attributes:
        table: Name of the table.
        noun: What a row is called in errors.
        key_columns: Columns of the primary key; the last names the thing.
        kind: Dataclass of the values.
    """

    table: str
    noun: str
    key_columns: tuple[str, ...]
    kind: type[T]


ENVIRONMENTS = Shape("environments", "environment", ("environment_id",), Environment)
CAMERAS = Shape("cameras", "camera", ("environment_id", "camera_id"), Camera)
ZONES = Shape("zones", "zone", ("environment_id", "zone_id"), Zone)
TRIPWIRES = Shape("tripwires", "tripwire", ("environment_id", "tripwire_id"), Tripwire)

_RETURNED = SQL("body, etag, create_time, update_time")


class ResourceTable(Generic[T]):
    """One table within a transaction."""

    def __init__(self, connection: AsyncConnection[TupleRow], shape: Shape[T]) -> None:
        self._connection = connection
        self._shape = shape
        self._table = Identifier(shape.table)

    async def insert(self, key: Key, value: T) -> Stored[T]:
        """Add a row.

        Raises:
            AlreadyExists: The key is taken.
        """
        columns = SQL(", ").join(map(Identifier, self._shape.key_columns))
        places = SQL(", ").join(SQL("%s") for _ in key)
        row = await self._one(
            SQL(
                "INSERT INTO {} ({}, body) VALUES ({}, %s) "
                "ON CONFLICT DO NOTHING RETURNING {}"
            ).format(self._table, columns, places, _RETURNED),
            (*key, Jsonb(to_document(value))),
        )
        if row is None:
            raise AlreadyExists(f"{self._named(key)} exists")
        return self._stored(row)

    async def find(self, key: Key, *, lock: str = "") -> Stored[T] | None:
        """Return a row, or None where there is none.

        Args:
            key: Key of the row.
            lock: Empty, "SHARE" against changes, or "UPDATE" to change it.
        """
        clause = SQL(" FOR " + lock) if lock else SQL("")
        row = await self._one(
            SQL("SELECT {} FROM {} WHERE {}{}").format(
                _RETURNED, self._table, self._match(), clause
            ),
            key,
        )
        return None if row is None else self._stored(row)

    async def get(self, key: Key, *, lock: str = "") -> Stored[T]:
        """Return a row.

        Raises:
            NotFound: There is none.
        """
        found = await self.find(key, lock=lock)
        if found is None:
            raise self._missing(key)
        return found

    async def list(
        self,
        parent: Key = (),
        *,
        after: str = "",
        limit: int | None = None,
        among: Collection[str] | None = None,
    ) -> list[Stored[T]]:
        """Return rows in the order of their names.

        Args:
            parent: All but the last part of the key.
            after: Name of the last row before the first one wanted.
            limit: Most rows; None means all.
            among: Names of the only rows that are wanted; None means all.
        """
        columns = self._shape.key_columns
        name = Identifier(columns[-1])
        query = SQL(
            "SELECT {} FROM {} WHERE {} AND {} > %s "
            "AND (%s::text[] IS NULL OR {} = ANY(%s)) ORDER BY {} LIMIT %s"
        )
        names = None if among is None else list(among)
        cursor = await self._connection.execute(
            query.format(
                _RETURNED, self._table, _equal(columns[:-1]), name, name, name
            ),
            (*parent, after, names, names, limit),
        )
        return [self._stored(row) for row in await cursor.fetchall()]

    async def count(self, parent: Key) -> int:
        """Return the number of rows below all but the last part of a key."""
        columns = self._shape.key_columns[: len(parent)]
        condition = SQL(" AND ").join(
            SQL("{} = %s").format(Identifier(column)) for column in columns
        )
        query = SQL("SELECT count(*) FROM {} WHERE {}").format(self._table, condition)
        row = await self._one(query, parent)
        return 0 if row is None else int(row[0])

    async def update(self, key: Key, value: T, etag: str = "") -> Stored[T]:
        """Replace a row's value.

        Raises:
            NotFound: There is no such row.
            Conflict: `etag` is not empty and not the stored one.
        """
        row = await self._one(
            SQL(
                "UPDATE {} SET body = %s, etag = gen_random_uuid()::text, "
                "update_time = now() WHERE {} AND %s IN ('', etag) RETURNING {}"
            ).format(self._table, self._match(), _RETURNED),
            (Jsonb(to_document(value)), *key, etag),
        )
        if row is None:
            raise await self._refusal(key)
        return self._stored(row)

    async def delete(self, key: Key, etag: str = "") -> None:
        """Delete a row with all that belongs to it.

        Raises:
            NotFound: There is no such row.
            Conflict: `etag` is not empty and not the stored one.
        """
        row = await self._one(
            SQL("DELETE FROM {} WHERE {} AND %s IN ('', etag) RETURNING 1").format(
                self._table, self._match()
            ),
            (*key, etag),
        )
        if row is None:
            raise await self._refusal(key)

    async def _one(self, query: Composed, values: tuple[object, ...]) -> Any:
        cursor = await self._connection.execute(query, values)
        return await cursor.fetchone()

    async def _refusal(self, key: Key) -> NotFound | Conflict:
        """Return why a row could not be written."""
        if await self.find(key) is None:
            return self._missing(key)
        return Conflict(f"{self._named(key)} was changed since", field="etag")

    def _missing(self, key: Key) -> NotFound:
        return NotFound(f"{self._named(key)} does not exist")

    def _named(self, key: Key) -> str:
        return f"{self._shape.noun} {'/'.join(key)!r}"

    def _match(self) -> Composable:
        return _equal(self._shape.key_columns)

    def _stored(self, row: Any) -> Stored[T]:
        body, etag, create_time, update_time = row
        value = from_document(body, self._shape.kind, self._shape.noun)
        return Stored(value, etag, create_time, update_time)


def _equal(columns: tuple[str, ...]) -> Composable:
    """Return the condition that columns equal parameters; true for no columns."""
    conditions = [SQL("{} = %s").format(Identifier(column)) for column in columns]
    return SQL(" AND ").join([SQL("true"), *conditions])
