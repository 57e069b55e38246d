"""Find the presences and visits that matter for a range of time, each whole."""

import asyncio
from dataclasses import dataclass

import numpy as np

from services.analytics.domain.figures.intervals import NOWHERE, Intervals, joined
from services.analytics.domain.figures.people import Seen
from services.analytics.domain.figures.span import HOUR_US, IntArray, Span
from services.analytics.service.ports import History
from services.analytics.service.questions import Coverage, NamedBorders, Scope
from services.common.errors import InvalidInput

MAX_SERIES_STEPS = 100_000
"""Most steps of one answer, all zones together."""

_LOOK_US = HOUR_US
_LOOK_FURTHER = 8


@dataclass(frozen=True, slots=True)
class Question:
    """Whose presences and visits are asked for.

    Attributes:
        scope: Environment and timelines.
        span: Range of time.
        zone_ids: Zones; empty means all that there are now.
        camera_ids: Cameras, sorted; empty means none.
        include_provisional: Count persons who never became final, too.
    """

    scope: Scope
    span: Span
    zone_ids: tuple[str, ...] = ()
    camera_ids: tuple[str, ...] = ()
    include_provisional: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Presences and visits that matter for a range, each whole.

    Attributes:
        presences: Of persons in the environment.
        visits: Of persons to zones.
        zone_ids: Names of the zones, by index.
        appearances: Of persons before the cameras that were asked for.
        camera_ids: Names of those cameras, by index.
        coverage: How complete they are.
    """

    presences: Intervals
    visits: Intervals
    zone_ids: tuple[str, ...]
    appearances: Intervals
    camera_ids: tuple[str, ...]
    coverage: Coverage

    def places(self) -> list[tuple[str, Intervals]]:
        """Return the environment under an empty name, then each zone."""
        visits = ((one, self.visits.at(i)) for i, one in enumerate(self.zone_ids))
        return [("", self.presences), *visits]

    def cameras(self) -> list[tuple[str, Intervals]]:
        """Return each camera that was asked for."""
        names = enumerate(self.camera_ids)
        return [(name, self.appearances.at(index)) for index, name in names]


async def find(
    history: History,
    question: Question,
    *,
    before_us: int = 0,
    ahead: bool = False,
    steps: int = 0,
) -> Found:
    """Return presences and visits from some time before the range on.

    Args:
        history: Where to look.
        question: Which.
        before_us: How long before the range those matter, too, microseconds.
        ahead: Whether those that go on after the range must be whole, too.
        steps: Steps of the answer, of the environment, each zone and each camera.

    Raises:
        InvalidInput: There would be too many steps.
        NotFound: The environment, a timeline or a zone is not known.
    """
    scope, span = question.scope, question.span
    await history.require(scope)
    zones = await history.zones(scope.environment_id, question.zone_ids)
    places = 1 + len(zones.names) + len(question.camera_ids)
    if steps * places > MAX_SERIES_STEPS:
        message = f"gives more than {MAX_SERIES_STEPS} steps in all places together"
        raise InvalidInput(message, field="step")
    wanted = Span(max(1, span.start_us - before_us), span.end_us)
    seen, looked = await _look_around(history, scope, wanted, zones, ahead=ahead)
    appearances = NOWHERE
    if question.camera_ids:
        appearances = await history.appearances(scope, looked, question.camera_ids)
    if not question.include_provisional:
        everybody = np.unique(seen.parts.person_id)
        final = await history.final(scope, everybody)
        seen, appearances = seen.of(final), appearances.of(final)
    return Found(
        presences=await asyncio.to_thread(seen.presences),
        visits=await asyncio.to_thread(seen.joined_visits),
        zone_ids=zones.names,
        appearances=await asyncio.to_thread(joined, appearances, seen.gap_us),
        camera_ids=question.camera_ids,
        coverage=await history.coverage(scope, span),
    )


async def counted(
    history: History, question: Question, person_ids: IntArray
) -> IntArray:
    """Return who of some persons is to be counted, ascending."""
    if question.include_provisional:
        return person_ids
    return await history.final(question.scope, person_ids)


async def _look_around(
    history: History, scope: Scope, span: Span, zones: NamedBorders, *, ahead: bool
) -> tuple[Seen, Span]:
    """Look further around as long as somebody may have come earlier, or left later."""
    before_us, after_us = _LOOK_US, _LOOK_US if ahead else 0
    while True:
        looked = Span(max(0, span.start_us - before_us), span.end_us + after_us)
        seen = await history.seen(scope, looked, zones)
        there = (await asyncio.to_thread(seen.presences)).touching(span)
        earlier = there.start_us <= looked.start_us + seen.gap_us
        later = there.end_us >= looked.end_us
        look_back = bool(earlier.any()) and looked.start_us > 0
        look_ahead = ahead and bool(later.any())
        if not (look_back or look_ahead):
            return seen, looked
        before_us *= _LOOK_FURTHER if look_back else 1
        after_us *= _LOOK_FURTHER if look_ahead else 1
