"""What is asked, and what every answer says about itself."""

from dataclasses import dataclass

from services.analytics.domain.figures.span import Span
from services.common.ids import EnvironmentId, TimelineId


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to count.

    Attributes:
        environment_id: Environment.
        timeline_ids: Timelines; empty means all.
    """

    environment_id: EnvironmentId
    timeline_ids: tuple[TimelineId, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedBorders:
    """Zones, or tripwires, by name; one that was changed has several keys.

    Attributes:
        names: Names, in order.
        keys: Keys of the versions of each.
    """

    names: tuple[str, ...]
    keys: tuple[tuple[int, ...], ...]

    def place(self) -> dict[int, int]:
        """Return the index of the name that each key stands for."""
        return {key: index for index, keys in enumerate(self.keys) for key in keys}


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a timeline whose events were lost.

    Attributes:
        timeline_id: Timeline.
        start_us: Last capture time stored before it.
        end_us: First capture time stored after it; None while there is none.
        lost_events: How many were lost.
    """

    timeline_id: TimelineId
    start_us: int
    end_us: int | None
    lost_events: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How complete an answer is.

    Attributes:
        stored_until_us: Newest capture time that is stored; None when there is none.
        absence_limit_us: Longest time between two sightings of one presence.
        gaps: Gaps that touch the range, by timeline, then beginning.
    """

    stored_until_us: int | None
    absence_limit_us: int
    gaps: tuple[Gap, ...] = ()

    def gap_spans(self, span: Span) -> list[Span]:
        """Return the gaps within a range."""
        cut = (
            (
                max(gap.start_us, span.start_us),
                span.end_us if gap.end_us is None else min(gap.end_us, span.end_us),
            )
            for gap in self.gaps
        )
        return [Span(start_us, end_us) for start_us, end_us in cut if start_us < end_us]
