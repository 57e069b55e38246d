"""Commands of operators in PostgreSQL: handed in by any replica, read by the writer."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.common.errors import InvalidInput, NotFound
from services.common.ids import EnvironmentId, GlobalId, ModelId, SessionId, TimelineId
from services.common.postgres import Pool, translated_errors
from services.reid.adapters.feedback_rows import (
    Connection,
    carried_from_json,
    command_from_json,
    command_to_json,
    merge_from_json,
)
from services.reid.adapters.identity_rows import (
    PROTOTYPES_OF,
    person_from_row,
    prototype_from_row,
)
from services.reid.domain.feedback import Carried, Command, Former, Merge, Named, Split
from services.reid.domain.live_set import NOBODY, MergeRecord
from services.reid.domain.live_state import give_prototypes
from services.reid.domain.person import Person
from services.reid.service.commands import Ticket, Waiting
from services.reid.service.timeline_store import Lease

# As long as a stream that says nothing more still counts as there.
_HOLD = """
    UPDATE timelines SET held_until = now() + interval '5 seconds'
    WHERE environment_id = %s AND timeline_id = %s AND epoch = %s AND writer = %s
    RETURNING command_revision > applied_revision
"""

_RELEASE = """
    UPDATE timelines SET held_until = NULL
    WHERE environment_id = %s AND timeline_id = %s AND epoch = %s AND writer = %s
"""

_WAITING = """
    SELECT revision, command FROM identity_commands
    WHERE environment_id = %s AND timeline_id = %s AND outcome IS NULL
    ORDER BY revision
"""

_TIMELINES_OF = """
    SELECT global_id, timeline_id FROM identities
    WHERE environment_id = %s AND global_id = ANY(%s) AND expired_time IS NULL
"""

_NUMBER = """
    UPDATE timelines SET command_revision = command_revision + 1
    WHERE environment_id = %s AND timeline_id = %s RETURNING command_revision
"""

_SUBMIT = """
    INSERT INTO identity_commands (environment_id, timeline_id, revision, command)
    VALUES (%s, %s, %s, %s)
"""

_OUTCOME = """
    SELECT outcome FROM identity_commands
    WHERE environment_id = %s AND timeline_id = %s AND revision = %s
"""

_IDLE = """
    SELECT session_id, epoch FROM timelines
    WHERE environment_id = %s AND timeline_id = %s
        AND (held_until IS NULL OR held_until < now())
"""

_BY_NOW = """
    WITH RECURSIVE chain AS (
        SELECT global_id AS name, global_id, merged_into FROM identities
        WHERE environment_id = %s AND timeline_id = %s AND global_id = ANY(%s)
            AND expired_time IS NULL
        UNION ALL
        SELECT chain.name, next.global_id, next.merged_into
        FROM chain JOIN identities AS next ON next.global_id = chain.merged_into
        WHERE next.expired_time IS NULL
    )
    SELECT name, global_id FROM chain WHERE merged_into IS NULL
"""

_PERSONS = (
    "SELECT global_id, session_id, state FROM identities WHERE global_id = ANY(%s)"
)

_FORMER = "SELECT session_id, state, merge FROM identities WHERE global_id = %s"

_CAME_WITH = """
    SELECT prototype_id FROM prototypes
    WHERE global_id = %s AND %s::bigint = ANY(came_by) AND vector IS NOT NULL
"""


class CommandTable:
    """Takes commands in, and hands them to writers.

    Args:
        pool: Connections to the schema.
        model_id: Embedder whose prototypes are compared.
    """

    def __init__(self, pool: Pool, model_id: ModelId) -> None:
        self._pool = pool
        self._model_id = model_id

    async def hold(self, lease: Lease) -> bool:
        """Say that the writer is there; return whether commands wait for it.

        Raises:
            Unavailable: The database is away.
        """
        return (True,) in await self._fetch(_HOLD, _held(lease))

    async def release(self, lease: Lease) -> None:
        """Say that the writer has left, unless another has taken its place.

        Raises:
            Unavailable: The database is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                await connection.execute(_RELEASE, _held(lease))

    async def waiting(self, lease: Lease) -> Sequence[Waiting]:
        """Return the commands that wait, in the order in which they came.

        Raises:
            Unavailable: The database is away.
        """
        place = (lease.environment_id, lease.timeline_id)
        return [
            Waiting(revision, command_from_json(document))
            for revision, document in await self._fetch(_WAITING, place)
        ]

    async def submit(self, environment_id: EnvironmentId, command: Command) -> Ticket:
        """Keep a command for the timeline of the person that it names.

        Raises:
            NotFound: There is no such person.
            InvalidInput: The persons are of different timelines.
            Unavailable: The database is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                timeline_id = await _timeline_of(connection, environment_id, command)
                place = (environment_id, timeline_id)
                cursor = await connection.execute(_NUMBER, place)
                numbered = await cursor.fetchone()
                if numbered is None:
                    raise NotFound(
                        f"no timeline {timeline_id} in {environment_id}",
                        field="global_id",
                    )
                values = (*place, numbered[0], command_to_json(command))
                await connection.execute(_SUBMIT, values)
        return Ticket(environment_id, timeline_id, numbered[0])

    async def outcome(self, ticket: Ticket) -> Carried | None:
        """Return what became of a command; None while it waits.

        Raises:
            Unavailable: The database is away.
        """
        values = (ticket.environment_id, ticket.timeline_id, ticket.revision)
        ((document,),) = await self._fetch(_OUTCOME, values)
        return document and carried_from_json(ticket.revision, document)

    async def idle_lease(self, ticket: Ticket, writer: UUID) -> Lease | None:
        """Return a right to write to the timeline, if nobody holds it now.

        Raises:
            Unavailable: The database is away.
        """
        place = (ticket.environment_id, ticket.timeline_id)
        for session_id, epoch in await self._fetch(_IDLE, place):
            return Lease(*place, SessionId(session_id), epoch, writer, only_idle=True)
        return None

    async def named(
        self, lease: Lease, command: Command, known: Collection[GlobalId]
    ) -> tuple[Named, Mapping[GlobalId, Person]]:
        """Return whom a command names, and those of them who are not known.

        Raises:
            NotFound: There is no such person in the timeline.
            Unavailable: The database is away.
        """
        fields = _names(command)
        place = (lease.environment_id, lease.timeline_id)
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_BY_NOW, (*place, list(fields)))
                by_now = {
                    GlobalId(name): GlobalId(person)
                    for name, person in await cursor.fetchall()
                }
                for global_id, field in fields.items():
                    if global_id not in by_now:
                        raise NotFound(
                            f"no identity {global_id}, or it has expired", field=field
                        )
                absent = sorted(set(by_now.values()) - set(known))
                persons = await self._persons(connection, lease, absent)
                person, *rest = (by_now[name] for name in fields)
                former = None
                if isinstance(command, Split) and command.merged_global_id:
                    former = await self._former(
                        connection, lease, command.merged_global_id, person
                    )
        other = rest[0] if rest else NOBODY
        if isinstance(command, Merge) and not rest:
            other = person
        return Named(person, other, former), persons

    async def _persons(
        self, connection: Connection, lease: Lease, absent: list[GlobalId]
    ) -> dict[GlobalId, Person]:
        """Return persons with their prototypes."""
        if not absent:
            return {}
        cursor = await connection.execute(_PERSONS, (absent,))
        persons = {
            GlobalId(global_id): person_from_row(state, session, lease.session_id)
            for global_id, session, state in await cursor.fetchall()
        }
        looks = connection.cursor(binary=True)
        await looks.execute(PROTOTYPES_OF.encode(), (absent, self._model_id))
        give_prototypes(persons, map(prototype_from_row, await looks.fetchall()))
        return persons

    @staticmethod
    async def _former(
        connection: Connection, lease: Lease, former: GlobalId, person: GlobalId
    ) -> Former:
        """Return an identity as it was when it was merged."""
        cursor = await connection.execute(_FORMER, (former,))
        ((session, state, document),) = await cursor.fetchall()
        found = person_from_row(state, session, lease.session_id)
        merge = None
        if document is not None:
            of_session, merge = merge_from_json(document)
            if of_session != lease.session_id:
                # Those tracks have ended, and others have their numbers by now.
                for key, record in merge.tracks.items():
                    before = found.cameras.get(key.camera_id)
                    found.cameras[key.camera_id] = record.joined(before)
                merge = MergeRecord(cameras=merge.cameras)
        cursor = await connection.execute(_CAME_WITH, (person, former))
        ids = frozenset(GlobalId(one) for (one,) in await cursor.fetchall())
        return Former(found, merge, ids)

    async def _fetch(self, query: str, parameters: Any) -> list[tuple[Any, ...]]:
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(query.encode(), parameters)
                return await cursor.fetchall()


async def _timeline_of(
    connection: Connection, environment_id: EnvironmentId, command: Command
) -> TimelineId:
    """Return the timeline of the persons that a command names.

    Raises:
        NotFound: There is no such person.
        InvalidInput: They are of different timelines.
    """
    fields = _names(command)
    cursor = await connection.execute(_TIMELINES_OF, (environment_id, list(fields)))
    timelines: dict[int, str] = dict(await cursor.fetchall())
    for global_id, field in fields.items():
        if global_id not in timelines:
            raise NotFound(
                f"no identity {global_id} in {environment_id}, or it has expired",
                field=field,
            )
    first = TimelineId(timelines[command.global_id])
    for global_id, field in fields.items():
        if timelines[global_id] != first:
            raise InvalidInput(
                f"is of timeline {timelines[global_id]}, and {command.global_id} is of "
                f"{first}",
                field=field,
            )
    return first


def _names(command: Command) -> dict[GlobalId, str]:
    """Return the persons that a command names, with the fields that name them."""
    names = {command.global_id: "global_id"}
    if isinstance(command, Merge):
        names.setdefault(command.other_global_id, "other_global_id")
    if isinstance(command, Split) and command.merged_global_id:
        names.setdefault(command.merged_global_id, "merged_global_id")
    return names


def _held(lease: Lease) -> tuple[Any, ...]:
    return (lease.environment_id, lease.timeline_id, lease.epoch, lease.writer)
