"""What there is: environments, timelines, zones, tripwires, levels, persons, gaps."""

from services.analytics.adapters.reading.section import IN_TIMELINES, Section, scoped
from services.analytics.adapters.times import to_us
from services.analytics.domain.figures.span import IntArray, Span
from services.analytics.service.ports import Person
from services.analytics.service.questions import Coverage, Gap, NamedBorders, Scope
from services.common.errors import NotFound
from services.common.ids import EnvironmentId, GlobalId, TimelineId


class Directory(Section):
    """Knows what can be asked for."""

    async def require(self, scope: Scope) -> None:
        """Check that environment and timelines are known.

        Raises:
            NotFound: One is not.
        """
        parameters = scoped(scope)
        environments = (
            "SELECT 1 FROM environments WHERE environment_id = %(environment)s"
        )
        if not await self._rows(environments, parameters):
            message = f"environment {scope.environment_id!r} has no history"
            raise NotFound(message, field="environment_id")
        if not scope.timeline_ids:
            return
        timelines = (
            "SELECT DISTINCT timeline_id FROM sessions "
            f"WHERE environment_id = %(environment)s AND {IN_TIMELINES}"
        )
        known = {row[0] for row in await self._rows(timelines, parameters)}
        for index, timeline_id in enumerate(scope.timeline_ids):
            if timeline_id not in known:
                message = f"timeline {timeline_id!r} has no history"
                raise NotFound(message, field=f"timeline_ids[{index}]")

    async def zones(
        self, environment_id: EnvironmentId, zone_ids: tuple[str, ...]
    ) -> NamedBorders:
        """Return zones; all that there are now for none.

        Raises:
            NotFound: One is not known.
        """
        query = (
            "SELECT zone_id, zone_key, valid_to IS NULL FROM zones "
            "WHERE environment_id = %(environment)s ORDER BY zone_id, zone_key"
        )
        return _known(
            await self._rows(query, scoped(Scope(environment_id))), zone_ids, "zone"
        )

    async def tripwires(
        self, environment_id: EnvironmentId, tripwire_ids: tuple[str, ...]
    ) -> NamedBorders:
        """Return tripwires; all that there are now for none.

        Raises:
            NotFound: One is not known.
        """
        query = (
            "SELECT tripwire_id, tripwire_key, valid_to IS NULL FROM tripwires "
            "WHERE environment_id = %(environment)s ORDER BY tripwire_id, tripwire_key"
        )
        rows = await self._rows(query, scoped(Scope(environment_id)))
        return _known(rows, tripwire_ids, "tripwire")

    async def floors(self, scope: Scope) -> list[str]:
        """Return the levels that have positions, in order.

        The index is searched level by level: there are few, and many rows.
        """
        query = f"""
            WITH RECURSIVE timeline AS (
                SELECT DISTINCT timeline_id FROM sessions
                WHERE environment_id = %(environment)s AND {IN_TIMELINES}
            ), level AS (
                SELECT timeline_id, (
                    SELECT min(floor_id) FROM cell_hours
                    WHERE environment_id = %(environment)s
                        AND cell_hours.timeline_id = timeline.timeline_id
                ) AS floor_id
                FROM timeline
                UNION ALL
                SELECT timeline_id, (
                    SELECT min(floor_id) FROM cell_hours
                    WHERE environment_id = %(environment)s
                        AND cell_hours.timeline_id = level.timeline_id
                        AND cell_hours.floor_id > level.floor_id
                )
                FROM level WHERE floor_id IS NOT NULL
            )
            SELECT DISTINCT floor_id FROM level WHERE floor_id IS NOT NULL ORDER BY 1
        """
        return [row[0] for row in await self._rows(query, scoped(scope))]

    async def person(
        self, environment_id: EnvironmentId, global_id: GlobalId
    ) -> Person:
        """Return who an identity is now.

        Raises:
            NotFound: It is not known.
        """
        query = """
            SELECT person.person_id, min(family.timeline_id),
                array_agg(family.global_id ORDER BY family.global_id),
                min(family.first_time), max(family.last_time)
            FROM persons person
            JOIN persons family USING (environment_id, person_id)
            WHERE person.environment_id = %(environment)s AND person.global_id = %(id)s
            GROUP BY person.person_id
        """
        rows = await self._rows(query, {"environment": environment_id, "id": global_id})
        if not rows:
            raise NotFound(f"person {global_id} has no history", field="global_id")
        person_id, timeline_id, merged_ids, first, last = rows[0]
        final = """
            SELECT 1 FROM tracks WHERE environment_id = %(environment)s
                AND global_id = ANY(%(ids)s) AND NOT provisional LIMIT 1
        """
        ids = {"environment": environment_id, "ids": merged_ids}
        return Person(
            person_id=GlobalId(person_id),
            timeline_id=TimelineId(timeline_id),
            merged_ids=tuple(merged_ids),
            first_us=first and to_us(first),
            last_us=last and to_us(last),
            provisional=not await self._rows(final, ids),
        )

    async def timelines(
        self, environment_id: EnvironmentId, person_ids: IntArray
    ) -> dict[int, TimelineId]:
        """Return the timeline of each of some persons."""
        query = """
            SELECT global_id, timeline_id FROM persons
            WHERE environment_id = %(environment)s AND global_id = ANY(%(ids)s)
        """
        ids = {"environment": environment_id, "ids": person_ids.tolist()}
        return {who: TimelineId(where) for who, where in await self._rows(query, ids)}

    async def coverage(self, scope: Scope, span: Span | None) -> Coverage:
        """Return how complete the history of a range is; of no range for None."""
        query = (
            "SELECT max(last_capture_time) FROM sessions "
            f"WHERE environment_id = %(environment)s AND {IN_TIMELINES}"
        )
        ((until,),) = await self._rows(query, scoped(scope))
        return Coverage(
            stored_until_us=until and to_us(until),
            absence_limit_us=self._gap_us,
            gaps=await self._gaps(scope, span) if span else (),
        )

    async def _gaps(self, scope: Scope, span: Span) -> tuple[Gap, ...]:
        query = f"""
            SELECT timeline_id, start_time, end_time, lost_events FROM timeline_gaps
            WHERE environment_id = %(environment)s AND {IN_TIMELINES}
                AND start_time < %(end)s AND coalesce(end_time >= %(start)s, true)
            ORDER BY timeline_id, start_time
        """
        return tuple(
            Gap(TimelineId(timeline_id), to_us(start), end and to_us(end), lost)
            for timeline_id, start, end, lost in await self._rows(
                query, scoped(scope, span)
            )
        )


def _known(
    rows: list[tuple[str, int, bool]], wanted: tuple[str, ...], noun: str
) -> NamedBorders:
    """Return what was asked for, by name.

    Args:
        rows: Name, key and whether it is there now, by name.
        wanted: Names; empty means all that are there now.
        noun: What they are.

    Raises:
        NotFound: One is not known.
    """
    keys: dict[str, list[int]] = {}
    for name, key, _ in rows:
        keys.setdefault(name, []).append(key)
    for index, name in enumerate(wanted):
        if name not in keys:
            message = f"{noun} {name!r} is not known to the history"
            raise NotFound(message, field=f"{noun}_ids[{index}]")
    names = sorted(set(wanted) or {name for name, _, now in rows if now})
    return NamedBorders(tuple(names), tuple(tuple(keys[name]) for name in names))
