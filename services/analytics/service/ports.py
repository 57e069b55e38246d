"""What the use cases need of the history."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.analytics.domain.figures.heat import Heat
from services.analytics.domain.figures.intervals import Intervals
from services.analytics.domain.figures.people import Seen
from services.analytics.domain.figures.span import IntArray, Span
from services.analytics.service.questions import Coverage, NamedBorders, Scope
from services.common.ids import EnvironmentId, GlobalId, TimelineId


@dataclass(frozen=True, slots=True)
class Present:
    """Who is present now.

    Attributes:
        as_of_us: Newest capture time of the timelines that go on; None without one.
        person_ids: Persons, each once.
        zones: Persons and zones in which they were seen last, by index of the zone.
        cameras: Persons and cameras that see them, by index of the camera.
    """

    as_of_us: int | None
    person_ids: IntArray
    zones: tuple[IntArray, IntArray]
    cameras: tuple[IntArray, IntArray]

    def of(self, person_ids: IntArray) -> "Present":
        """Return what is about some persons."""

        def among(pairs: tuple[IntArray, IntArray]) -> tuple[IntArray, IntArray]:
            who, where = pairs
            chosen = np.isin(who, person_ids)
            return who[chosen], where[chosen]

        kept = self.person_ids[np.isin(self.person_ids, person_ids)]
        return Present(self.as_of_us, kept, among(self.zones), among(self.cameras))


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, as the lineage stands.

    Attributes:
        person_id: The identity that survived all merges.
        timeline_id: Timeline.
        merged_ids: All identities that are this person, ascending.
        first_us: First sighting; None when never seen.
        last_us: Latest sighting.
        provisional: Whether no identity ever became final.
    """

    person_id: GlobalId
    timeline_id: TimelineId
    merged_ids: tuple[GlobalId, ...]
    first_us: int | None
    last_us: int | None
    provisional: bool


@dataclass(frozen=True, slots=True)
class StayParts:
    """Parts of one person's stays that count, in the order of time; shapes (N,).

    Attributes:
        stay_id: int64, the stay.
        start_us: int64, first moment.
        end_us: int64, moment after the last; of a whole stay its end.
        whole: int64, 1 where a sample at the end belongs to the part, else 0.
        samples: int64, samples of the whole stay.
    """

    stay_id: IntArray
    start_us: IntArray
    end_us: IntArray
    whole: IntArray
    samples: IntArray

    def __getitem__(self, chosen: slice) -> "StayParts":
        return StayParts(*(getattr(self, one)[chosen] for one in self.__slots__))


@dataclass(frozen=True, slots=True)
class Points:
    """Sightings of one person with a position, in the order of time; shapes (N,).

    Attributes:
        time_us: int64, capture time.
        x_m: float32, position.
        y_m: float32, position.
        floor: int64, index of the level.
        floor_ids: Levels.
    """

    time_us: IntArray
    x_m: NDArray[np.float32]
    y_m: NDArray[np.float32]
    floor: IntArray
    floor_ids: tuple[str, ...]

    def chosen(self, kept: NDArray[np.bool_]) -> "Points":
        """Return some of them."""
        return Points(
            self.time_us[kept],
            self.x_m[kept],
            self.y_m[kept],
            self.floor[kept],
            self.floor_ids,
        )


@dataclass(frozen=True, slots=True)
class Minutes:
    """Counts of whole minutes; arrays have the shape (N,).

    Attributes:
        minute_us: int64, beginning of each minute.
        sums: Counts that add up, by name, int64.
        most: Counts of which the highest matters, int64.
    """

    minute_us: IntArray
    sums: dict[str, IntArray]
    most: IntArray


class History(Protocol):
    """Reads what is stored, as it was at one moment."""

    async def require(self, scope: Scope) -> None:
        """Check that environment and timelines are known; NotFound otherwise."""

    async def zones(
        self, environment_id: EnvironmentId, zone_ids: tuple[str, ...]
    ) -> NamedBorders:
        """Return zones; all that there are now for none; NotFound for others."""

    async def tripwires(
        self, environment_id: EnvironmentId, tripwire_ids: tuple[str, ...]
    ) -> NamedBorders:
        """Return tripwires, as zones."""

    async def coverage(self, scope: Scope, span: Span | None) -> Coverage:
        """Return how complete the history of a range is; of no range for None."""

    async def seen(self, scope: Scope, span: Span, zones: NamedBorders) -> Seen:
        """Return parts of stays and visits that have a moment in a range."""

    async def appearances(
        self, scope: Scope, span: Span, camera_ids: tuple[str, ...]
    ) -> Intervals:
        """Return appearances of stays as `seen` takes them, by index of the camera."""

    async def final(self, scope: Scope, person_ids: IntArray) -> IntArray:
        """Return who of some persons ever became final, ascending."""

    async def present(
        self, scope: Scope, zones: NamedBorders, camera_ids: tuple[str, ...]
    ) -> Present:
        """Return who is present now."""

    async def sightings_by_camera(
        self, scope: Scope, span: Span, camera_ids: tuple[str, ...]
    ) -> list[tuple[str, IntArray]]:
        """Return the persons whom each camera's tracks saw, by camera."""

    async def crossings(
        self, scope: Scope, span: Span, tripwires: NamedBorders
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Return person, index of the tripwire and direction of each crossing."""

    async def floors(self, scope: Scope) -> list[str]:
        """Return the levels that have positions."""

    async def heat(
        self, scope: Scope, span: Span, floor_id: str, person_id: GlobalId
    ) -> list[Heat]:
        """Return base cells of a range; of everybody for person 0."""

    async def speed_bins(
        self, scope: Scope, span: Span, floor_id: str, person_id: GlobalId
    ) -> tuple[IntArray, IntArray]:
        """Return bins of speed and time in them; of everybody for person 0."""

    async def person(
        self, environment_id: EnvironmentId, global_id: GlobalId
    ) -> Person:
        """Return who an identity is now; NotFound when it is not known."""

    async def timelines(
        self, environment_id: EnvironmentId, person_ids: IntArray
    ) -> dict[int, TimelineId]:
        """Return the timeline of each of some persons."""

    async def stay_parts(
        self, scope: Scope, span: Span, person_id: GlobalId
    ) -> StayParts:
        """Return what counts of one person's stays that have a moment in a range."""

    async def points(self, scope: Scope, span: Span, parts: StayParts) -> Points:
        """Return the sightings of some parts within a range."""

    async def camera_minutes(
        self, scope: Scope, span: Span, camera_ids: tuple[str, ...]
    ) -> list[tuple[str, Minutes]]:
        """Return minutes of cameras, by camera."""

    async def timeline_minutes(self, scope: Scope, span: Span) -> Minutes:
        """Return minutes of the environment's timelines."""


class Archive(Protocol):
    """Opens the history."""

    def reading(self) -> AbstractAsyncContextManager[History]:
        """Show what is stored at this moment; Unavailable when the store is away."""
