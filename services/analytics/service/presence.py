"""Use cases: who was there, when, in which zone, and how long."""

from dataclasses import dataclass

import numpy as np

from services.analytics.domain.figures.dwell import Dwell, DwellBins, dwell
from services.analytics.domain.figures.flow import ZoneFlow, flow, require_transit
from services.analytics.domain.figures.intervals import Intervals
from services.analytics.domain.figures.occupancy import (
    OccupancySteps,
    covered_us,
    occupancy_steps,
)
from services.analytics.domain.figures.span import IntArray
from services.analytics.service.looking import Question, counted, find
from services.analytics.service.ports import Archive
from services.analytics.service.questions import Coverage, Scope
from services.common.ids import GlobalId, TimelineId


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Who is present now.

    Attributes:
        as_of_us: Moment that is counted; None when no session runs.
        persons: Persons in the environment.
        zones: Persons by zone.
        cameras: Persons by camera.
        coverage: How complete it is.
    """

    as_of_us: int | None
    persons: int
    zones: list[tuple[str, int]]
    cameras: list[tuple[str, int]]
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class OccupancySeries:
    """Occupancy over time.

    Attributes:
        places: Steps by place; the environment has the empty name.
        cameras: Steps by camera.
        covered_us: int64, shape (steps,), part of each step outside gaps.
        coverage: How complete it is.
    """

    places: list[tuple[str, OccupancySteps]]
    cameras: list[tuple[str, OccupancySteps]]
    covered_us: IntArray
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class UniquePersons:
    """Different persons.

    Attributes:
        persons: In the environment.
        provisional: Of these, the ones who never became final.
        zones: By zone.
        cameras: By camera.
        coverage: How complete it is.
    """

    persons: int
    provisional: int
    zones: list[tuple[str, int]]
    cameras: list[tuple[str, int]]
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Crossings:
    """Who entered and left.

    Attributes:
        zones: One step as long as the range, by zone.
        tripwires: Crossings from left to right, and back, by tripwire.
        coverage: How complete it is.
    """

    zones: list[tuple[str, OccupancySteps]]
    tripwires: list[tuple[str, int, int]]
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Dwells:
    """How long visits lasted.

    Attributes:
        places: By place; the environment has the empty name.
        cameras: Appearances by camera.
        coverage: How complete it is.
    """

    places: list[tuple[str, Dwell]]
    cameras: list[tuple[str, Dwell]]
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Flows:
    """Who went from which zone to which.

    Attributes:
        flows: Transitions, by indices of zones.
        zone_ids: Names of the zones.
        coverage: How complete it is.
    """

    flows: list[ZoneFlow]
    zone_ids: tuple[str, ...]
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class VisitList:
    """Visits one by one, in order of entry.

    Attributes:
        visits: The visits; their place is the index of the zone.
        zone_ids: Names of the zones.
        timelines: Timeline of each person.
        coverage: How complete the list is.
    """

    visits: Intervals
    zone_ids: tuple[str, ...]
    timelines: dict[int, TimelineId]
    coverage: Coverage


class Presence:
    """Answers from the stays and visits of persons."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def occupancy(
        self,
        scope: Scope,
        zone_ids: tuple[str, ...],
        camera_ids: tuple[str, ...],
        *,
        include_provisional: bool,
    ) -> Occupancy:
        """Return who is present now.

        Raises:
            NotFound: The environment, a timeline or a zone is not known.
        """
        async with self._archive.reading() as history:
            await history.require(scope)
            zones = await history.zones(scope.environment_id, zone_ids)
            present = await history.present(scope, zones, camera_ids)
            if not include_provisional:
                present = present.of(await history.final(scope, present.person_ids))
            coverage = await history.coverage(scope, None)
        counts = np.bincount(present.zones[1], minlength=len(zones.names))
        seen = np.bincount(present.cameras[1], minlength=len(camera_ids))
        return Occupancy(
            as_of_us=present.as_of_us,
            persons=len(present.person_ids),
            zones=list(zip(zones.names, counts.tolist(), strict=True)),
            cameras=list(zip(camera_ids, seen.tolist(), strict=True)),
            coverage=coverage,
        )

    async def occupancy_series(
        self, question: Question, step_us: int
    ) -> OccupancySeries:
        """Return who was present, step by step.

        Raises:
            InvalidInput: There would be too many steps.
            NotFound: The environment, a timeline or a zone is not known.
        """
        edges_us = question.span.edges(step_us)
        async with self._archive.reading() as history:
            found = await find(history, question, steps=len(edges_us) - 1)
        places, cameras = (
            [(name, occupancy_steps(one, edges_us)) for name, one in intervals]
            for intervals in (found.places(), found.cameras())
        )
        gaps = found.coverage.gap_spans(question.span)
        covered = covered_us(gaps, edges_us)
        return OccupancySeries(places, cameras, covered, found.coverage)

    async def unique_persons(
        self, question: Question, camera_ids: tuple[str, ...]
    ) -> UniquePersons:
        """Return how many different persons there were.

        Raises:
            NotFound: The environment, a timeline or a zone is not known.
        """
        scope, span = question.scope, question.span
        async with self._archive.reading() as history:
            found = await find(history, question)
            touching = [
                (name, np.unique(intervals.touching(span).person_id))
                for name, intervals in found.places()
            ]
            everybody = touching[0][1]
            final = await history.final(scope, everybody)
            by_camera = await history.sightings_by_camera(scope, span, camera_ids)
            seen = np.unique(
                np.concatenate([everybody, *(who for _, who in by_camera)])
            )
            counting = await counted(history, question, seen)
        return UniquePersons(
            persons=len(everybody),
            provisional=len(everybody) - len(final),
            zones=[(name, len(persons)) for name, persons in touching[1:]],
            cameras=[
                (name, int(np.isin(who, counting).sum())) for name, who in by_camera
            ],
            coverage=found.coverage,
        )

    async def crossings(
        self, question: Question, tripwire_ids: tuple[str, ...]
    ) -> Crossings:
        """Return who entered and left.

        Raises:
            NotFound: The environment, a timeline, zone or tripwire is not known.
        """
        scope, span = question.scope, question.span
        async with self._archive.reading() as history:
            found = await find(history, question)
            wires = await history.tripwires(scope.environment_id, tripwire_ids)
            person, wire, direction = await history.crossings(scope, span, wires)
            counts = np.isin(
                person, await counted(history, question, np.unique(person))
            )
        edges_us = np.array([span.start_us, span.end_us])
        return Crossings(
            zones=[
                (name, occupancy_steps(intervals, edges_us))
                for name, intervals in found.places()[1:]
            ],
            tripwires=[
                (
                    name,
                    int((counts & (wire == index) & (direction > 0)).sum()),
                    int((counts & (wire == index) & (direction < 0)).sum()),
                )
                for index, name in enumerate(wires.names)
            ],
            coverage=found.coverage,
        )

    async def dwell(self, question: Question, bins: DwellBins) -> Dwells:
        """Return how long visits lasted: the environment first, then each zone.

        Raises:
            NotFound: The environment, a timeline or a zone is not known.
        """
        async with self._archive.reading() as history:
            found = await find(history, question)
        places, cameras = (
            [(name, dwell(one, question.span, bins)) for name, one in intervals]
            for intervals in (found.places(), found.cameras())
        )
        return Dwells(places, cameras, found.coverage)

    async def flow(self, question: Question, max_transit_us: int) -> Flows:
        """Return who went from which zone to which.

        Raises:
            InvalidInput: The longest transit is out of range.
            NotFound: The environment, a timeline or a zone is not known.
        """
        require_transit(max_transit_us)
        async with self._archive.reading() as history:
            found = await find(history, question, before_us=max_transit_us)
        flows = flow(found.visits, question.span, max_transit_us)
        return Flows(flows, found.zone_ids, found.coverage)

    async def visits(self, question: Question, global_id: GlobalId) -> VisitList:
        """Return the visits that have a moment in the range, in order of entry.

        Args:
            question: Which.
            global_id: Only visits of this person; 0 means of all.

        Raises:
            NotFound: The environment, a timeline, zone or person is not known.
        """
        environment_id = question.scope.environment_id
        async with self._archive.reading() as history:
            found = await find(history, question, ahead=True)
            visits = found.visits.touching(question.span)
            if global_id:
                person = await history.person(environment_id, global_id)
                visits = visits[visits.person_id == person.person_id]
            timelines = await history.timelines(
                environment_id, np.unique(visits.person_id)
            )
        order = np.lexsort((visits.place, visits.person_id, visits.start_us))
        return VisitList(visits[order], found.zone_ids, timelines, found.coverage)
