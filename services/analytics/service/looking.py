"""Find the presences and visits that matter for a range of time, each whole."""

from dataclasses import dataclass

import numpy as np

from services.analytics.domain.figures.intervals import Intervals
from services.analytics.domain.figures.people import Seen
from services.analytics.domain.figures.span import HOUR_US, IntArray, Span
from services.analytics.service.ports import History
from services.analytics.service.questions import Coverage, KnownZones, Scope
from services.common.errors import InvalidInput

MAX_SERIES_STEPS = 100_000
"""Most steps of one answer, all zones together."""

_LOOK_BACK_US = HOUR_US
_LOOK_FURTHER = 8


@dataclass(frozen=True, slots=True)
class Question:
    """Whose presences and visits are asked for.

    Attributes:
        scope: Environment and timelines.
        span: Range of time.
        zone_ids: Zones; empty means all that there are now.
        include_provisional: Count persons who never became final, too.
    """

    scope: Scope
    span: Span
    zone_ids: tuple[str, ...] = ()
    include_provisional: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Presences and visits that matter for a range, each whole.

    Attributes:
        presences: Of persons in the environment.
        visits: Of persons to zones.
        zone_ids: Names of the zones, by index.
        coverage: How complete they are.
    """

    presences: Intervals
    visits: Intervals
    zone_ids: tuple[str, ...]
    coverage: Coverage

    def places(self) -> list[tuple[str, Intervals]]:
        """Return the environment under an empty name, then each zone."""
        visits = ((one, self.visits.at(i)) for i, one in enumerate(self.zone_ids))
        return [("", self.presences), *visits]


async def find(
    history: History, question: Question, *, before_us: int = 0, steps: int = 0
) -> Found:
    """Return presences and visits from some time before the range on.

    Args:
        history: Where to look.
        question: Which.
        before_us: How long before the range those matter, too, microseconds.
        steps: Steps of the answer, of the environment and of each zone.

    Raises:
        InvalidInput: There would be too many steps.
        NotFound: The environment, a timeline or a zone is not known.
    """
    scope, span = question.scope, question.span
    await history.require(scope)
    zones = await history.zones(scope.environment_id, question.zone_ids)
    if steps * (len(zones.zone_ids) + 1) > MAX_SERIES_STEPS:
        message = f"gives more than {MAX_SERIES_STEPS} steps in all zones together"
        raise InvalidInput(message, field="step")
    wanted = Span(max(1, span.start_us - before_us), span.end_us)
    seen = await _look_back(history, scope, wanted, zones)
    if not question.include_provisional:
        everybody = np.unique(seen.parts.person_id)
        seen = seen.of(await history.final(scope, everybody))
    return Found(
        presences=seen.presences(),
        visits=seen.joined_visits(),
        zone_ids=zones.zone_ids,
        coverage=await history.coverage(scope, span),
    )


async def counted(
    history: History, question: Question, person_ids: IntArray
) -> IntArray:
    """Return who of some persons is to be counted, ascending."""
    if question.include_provisional:
        return person_ids
    return await history.final(question.scope, person_ids)


async def _look_back(
    history: History, scope: Scope, span: Span, zones: KnownZones
) -> Seen:
    """Look further back as long as somebody in the range may have come earlier."""
    reach_us = _LOOK_BACK_US
    while True:
        looked = Span(max(0, span.start_us - reach_us), span.end_us)
        seen = await history.seen(scope, looked, zones)
        presences = seen.presences()
        cut = presences.start_us <= looked.start_us + seen.gap_us
        if not (cut & (presences.end_us >= span.start_us)).any():
            return seen
        if not looked.start_us:
            return seen
        reach_us *= _LOOK_FURTHER
