"""Use cases: where on the floor people were, how fast, and one person's way."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import numpy as np

from services.analytics.domain.figures.areas import Areas, frequent_areas
from services.analytics.domain.figures.heat import (
    BASE_CELL_M,
    Heat,
    cells_per_side,
    require_few,
    summed,
)
from services.analytics.domain.figures.intervals import Intervals, joined
from services.analytics.domain.figures.journey import kept_points, legs
from services.analytics.domain.figures.span import IntArray, Span
from services.analytics.domain.figures.speed import Speeds, speeds
from services.analytics.service.ports import (
    Archive,
    History,
    Person,
    Points,
    StayParts,
)
from services.analytics.service.questions import Coverage, Scope
from services.common.errors import InvalidInput, NotFound
from services.common.ids import EnvironmentId, GlobalId

_BATCH_SAMPLES = 20_000

NOBODY = GlobalId(0)
"""Stands for nobody in particular: everybody counts."""


@dataclass(frozen=True, slots=True)
class FloorQuestion:
    """Which movement is asked for.

    Attributes:
        scope: Environment and timelines.
        span: Range of time.
        floor_id: Level; empty means the only one.
        global_id: Only this person; 0 means everybody.
    """

    scope: Scope
    span: Span
    floor_id: str = ""
    global_id: GlobalId = NOBODY


@dataclass(frozen=True, slots=True)
class Heatmap:
    """Where on the floor people were.

    Attributes:
        floor_id: Level; empty when nobody was located on any.
        cell_size_m: Side of a cell, metres.
        heat: The cells.
        coverage: How complete it is.
    """

    floor_id: str
    cell_size_m: float
    heat: Heat
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Journey:
    """Whose journey it is, and what it is made of.

    Attributes:
        person: The person.
        scope: Environment, and the person's timeline.
        span: Range of time.
        parts: Parts of the person's stays.
        presences: When the person was there.
        coverage: How complete it is.
    """

    person: Person
    scope: Scope
    span: Span
    parts: StayParts
    presences: Intervals
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class JourneyPart:
    """Some points of a journey.

    Attributes:
        points: In the order of time.
        legs: int64, shape (N,), number of the presence that each belongs to, from 1.
    """

    points: Points
    legs: IntArray


class Movement:
    """Answers from the cells and positions of persons."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def heatmap(self, question: FloorQuestion, cell_size_m: float) -> Heatmap:
        """Return where on the floor people were.

        Raises:
            InvalidInput: The cells are too small, or there are several levels.
            NotFound: The environment, a timeline, level or person is not known.
        """
        side = cells_per_side(cell_size_m)
        async with self._archive.reading() as history:
            floor_id, heat = await _heat(history, question, side)
            coverage = await history.coverage(question.scope, question.span)
        return Heatmap(floor_id, side * BASE_CELL_M, require_few(heat), coverage)

    async def speed(self, question: FloorQuestion) -> tuple[str, Speeds, Coverage]:
        """Return the level, and how fast people moved on it.

        Raises:
            InvalidInput: There are several levels.
            NotFound: The environment, a timeline, level or person is not known.
        """
        scope, span = question.scope, question.span
        async with self._archive.reading() as history:
            floor_id = await _floor(history, question)
            person_id = await _person_id(history, question)
            bins, present_us = await history.speed_bins(
                scope, span, floor_id, person_id
            )
            coverage = await history.coverage(scope, span)
        return floor_id, speeds(bins, present_us), coverage

    async def frequent_areas(
        self, question: FloorQuestion, radius_m: float, min_dwell_us: int
    ) -> tuple[str, Areas, Coverage]:
        """Return the level, and the areas of it where people spend their time.

        Raises:
            InvalidInput: A parameter is out of range, or there are several levels.
            NotFound: The environment, a timeline or level is not known.
        """
        async with self._archive.reading() as history:
            floor_id, heat = await _heat(history, question, side=1)
            coverage = await history.coverage(question.scope, question.span)
        found = await asyncio.to_thread(frequent_areas, heat, radius_m, min_dwell_us)
        return floor_id, found, coverage

    async def journey(
        self, environment_id: EnvironmentId, global_id: GlobalId, span: Span
    ) -> Journey:
        """Return what a person's journey is made of.

        Raises:
            NotFound: The environment or the person is not known.
        """
        async with self._archive.reading() as history:
            await history.require(Scope(environment_id))
            person = await history.person(environment_id, global_id)
            scope = Scope(environment_id, (person.timeline_id,))
            coverage = await history.coverage(scope, span)
            parts = await history.stay_parts(scope, span, person.person_id)
        here = np.zeros(len(parts.stay_id), np.int64)
        stays = Intervals(here, here, parts.start_us, parts.end_us)
        presences = joined(stays, coverage.absence_limit_us)
        return Journey(person, scope, span, parts, presences, coverage)

    async def walk(
        self, journey: Journey, min_interval_us: int
    ) -> AsyncIterator[JourneyPart]:
        """Yield where a person was, in the order of time.

        The history is open only while a part is read, however slow the reader is.

        Args:
            journey: Whose.
            min_interval_us: Least time between two points of one leg.
        """
        last_us = None
        for parts in _batches(journey.parts):
            async with self._archive.reading() as history:
                points = await history.points(journey.scope, journey.span, parts)
            numbers = legs(points.time_us, journey.presences)
            kept = kept_points(points.time_us, numbers, min_interval_us, last_us)
            if kept.any():
                last_us = int(points.time_us[kept][-1])
                yield JourneyPart(points.chosen(kept), numbers[kept])


async def _heat(
    history: History, question: FloorQuestion, side: int
) -> tuple[str, Heat]:
    """Return the level, and cells of so many base cells a side."""
    floor_id = await _floor(history, question)
    person_id = await _person_id(history, question)
    scope, span = question.scope, question.span
    parts = await history.heat(scope, span, floor_id, person_id)
    return floor_id, await asyncio.to_thread(summed, parts, side)


async def _floor(history: History, question: FloorQuestion) -> str:
    """Return the level that is meant; empty when there is none with positions."""
    await history.require(question.scope)
    floors = await history.floors(question.scope)
    if question.floor_id and question.floor_id not in floors:
        message = f"nobody was ever seen on level {question.floor_id!r}"
        raise NotFound(message, field="floor_id")
    if not question.floor_id and len(floors) > 1:
        message = f"must name one of the levels {', '.join(floors)}"
        raise InvalidInput(message, field="floor_id")
    return question.floor_id or next(iter(floors), "")


async def _person_id(history: History, question: FloorQuestion) -> GlobalId:
    if not question.global_id:
        return NOBODY
    environment_id = question.scope.environment_id
    return (await history.person(environment_id, question.global_id)).person_id


def _batches(parts: StayParts) -> Iterator[StayParts]:
    """Yield parts in order, so many at a time that their samples are not too many."""
    batch = np.cumsum(parts.samples) // _BATCH_SAMPLES
    for one in np.unique(batch):
        first, end = np.searchsorted(batch, (one, one + 1))
        yield parts[first:end]
