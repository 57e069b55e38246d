"""Use cases: what cameras and the pipeline contributed."""

from dataclasses import dataclass

import numpy as np

from services.analytics.domain.figures.span import IntArray, Span, require_minutes
from services.analytics.service.ports import Archive, Minutes
from services.analytics.service.questions import Coverage, Scope


@dataclass(frozen=True, slots=True)
class ActivitySteps:
    """Counts by step; arrays are int64, shape (steps,).

    Attributes:
        start_us: Beginning of each step.
        sums: Counts that add up, by name.
        most: Counts of which the highest matters.
    """

    start_us: IntArray
    sums: dict[str, IntArray]
    most: IntArray


class Operation:
    """Answers from what was counted minute by minute."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def cameras(
        self, scope: Scope, span: Span, step_us: int, camera_ids: tuple[str, ...]
    ) -> tuple[list[tuple[str, ActivitySteps]], Coverage]:
        """Return what each camera contributed, step by step.

        Raises:
            InvalidInput: Range or step are not whole minutes, or too many steps.
            NotFound: The environment or a timeline is not known.
        """
        edges_us = _edges(span, step_us)
        async with self._archive.reading() as history:
            await history.require(scope)
            found = await history.camera_minutes(scope, span, camera_ids)
            coverage = await history.coverage(scope, span)
        return [(name, _stepped(one, edges_us)) for name, one in found], coverage

    async def pipeline(
        self, scope: Scope, span: Span, step_us: int
    ) -> tuple[ActivitySteps, Coverage]:
        """Return what the pipeline published, step by step.

        Raises:
            InvalidInput: Range or step are not whole minutes, or too many steps.
            NotFound: The environment or a timeline is not known.
        """
        edges_us = _edges(span, step_us)
        async with self._archive.reading() as history:
            await history.require(scope)
            found = await history.timeline_minutes(scope, span)
            coverage = await history.coverage(scope, span)
        return _stepped(found, edges_us), coverage


def _edges(span: Span, step_us: int) -> IntArray:
    require_minutes(span, step_us)
    return span.edges(step_us)


def _stepped(minutes: Minutes, edges_us: IntArray) -> ActivitySteps:
    steps = len(edges_us) - 1
    step = np.searchsorted(edges_us, minutes.minute_us, "right") - 1
    most = np.zeros(steps, np.int64)
    np.maximum.at(most, step, minutes.most)
    sums = {name: np.zeros(steps, np.int64) for name in minutes.sums}
    for name, values in minutes.sums.items():
        np.add.at(sums[name], step, values)
    return ActivitySteps(edges_us[:-1], sums, most)
