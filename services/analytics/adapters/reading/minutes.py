"""What was counted minute by minute."""

from services.analytics.adapters.reading.section import IN_TIMELINES, Section, scoped
from services.analytics.domain.figures.span import Span
from services.analytics.service.ports import Minutes
from services.analytics.service.questions import Scope

_CAMERA_NAMES = f"""
    SELECT DISTINCT camera_id FROM camera_minutes
    WHERE environment_id = %(environment)s AND {IN_TIMELINES}
        AND minute >= %(start)s AND minute < %(end)s
"""
_CAMERA = f"""
    SELECT minute, frames, tracks, coasted, unidentified, most_tracks::bigint
    FROM camera_minutes
    WHERE environment_id = %(environment)s AND {IN_TIMELINES}
        AND camera_id = %(camera)s AND minute >= %(start)s AND minute < %(end)s
"""
_TIMELINE = f"""
    SELECT minute, updates, persons, located, delay_us, most_persons::bigint
    FROM timeline_minutes
    WHERE environment_id = %(environment)s AND {IN_TIMELINES}
        AND minute >= %(start)s AND minute < %(end)s
"""


class MinuteCounts(Section):
    """Reads what was counted minute by minute."""

    async def camera_minutes(
        self, scope: Scope, span: Span, camera_ids: tuple[str, ...]
    ) -> list[tuple[str, Minutes]]:
        """Return minutes of cameras, by camera."""
        parameters = scoped(scope, span)
        names = set(camera_ids) or {
            row[0] for row in await self._rows(_CAMERA_NAMES, parameters)
        }
        counted = []
        for name in sorted(names):
            found = await self._columns(
                _CAMERA,
                parameters | {"camera": name},
                minute="time",
                frames="integer",
                tracks="integer",
                coasted="integer",
                unidentified="integer",
                most="integer",
            )
            counted.append(
                (name, Minutes(found.pop("minute"), found, found.pop("most")))
            )
        return counted

    async def timeline_minutes(self, scope: Scope, span: Span) -> Minutes:
        """Return minutes of the environment's timelines."""
        found = await self._columns(
            _TIMELINE,
            scoped(scope, span),
            minute="time",
            updates="integer",
            persons="integer",
            located="integer",
            delay_us="integer",
            most="integer",
        )
        return Minutes(found.pop("minute"), found, found.pop("most"))
