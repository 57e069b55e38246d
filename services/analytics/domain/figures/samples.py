"""Samples of stays: how long each lasts, and which came into its cell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.analytics.domain.figures.heat import BASE_CELL_M, Heat
from services.analytics.domain.figures.intervals import BoolArray
from services.analytics.domain.figures.span import IntArray, Span
from services.analytics.domain.figures.speed import BIN_MPS, LAST_BIN

FloatArray = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Stays:
    """Stays on one level, by ascending number; all arrays have the shape (N,).

    Attributes:
        stay_id: int64, number.
        end_us: int64, when the last sample ends.
        passage: int64, 1 where the first sample came into its cell.
    """

    stay_id: IntArray
    end_us: IntArray
    passage: IntArray


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples, by stay and time; all arrays have the shape (N,).

    Attributes:
        stay: int64, index of the stay.
        time_us: int64, capture time.
        until_us: int64, when the sample ends.
        first: bool, whether it is the first one of its stay that is known.
        hidden: bool, whether it does not count: another stay covers its moment.
    """

    stay: IntArray
    time_us: IntArray
    until_us: IntArray
    first: BoolArray
    hidden: BoolArray

    @classmethod
    def of(
        cls, stay_id: IntArray, time_us: IntArray, hidden: BoolArray, stays: Stays
    ) -> "Samples":
        """Return samples that are in order, each until the next of its stay."""
        stay = np.searchsorted(stays.stay_id, stay_id)
        first = np.append(True, stay[1:] != stay[:-1])[: len(stay)]
        next_us = np.append(time_us[1:], 0)[: len(stay)]
        last = np.append(first[1:], True)[: len(stay)]
        until_us = np.where(last, stays.end_us[stay], next_us)
        return cls(stay, time_us, until_us, first, hidden)

    def counted(self, span: Span) -> BoolArray:
        """Return which count and begin in a range."""
        within = (self.time_us >= span.start_us) & (self.time_us < span.end_us)
        return within & ~self.hidden


def heat_of(
    samples: Samples,
    stays: Stays,
    position_m: tuple[FloatArray, FloatArray],
    span: Span,
) -> Heat:
    """Return the base cells of samples that begin in a range, one for each sample.

    Args:
        samples: Samples, from one presence gap before the range on.
        stays: Their stays.
        position_m: x and y of each, metres.
        span: The range.
    """
    column, row = (
        np.floor(along.astype(np.float64) / BASE_CELL_M).astype(np.int64)
        for along in position_m
    )
    moved = np.ones(len(column), np.bool_)
    moved[1:] = (column[1:] != column[:-1]) | (row[1:] != row[:-1])
    came = np.where(samples.first, stays.passage[samples.stay] > 0, moved)
    counted = samples.counted(span)
    return Heat(
        column=column[counted],
        row=row[counted],
        passages=came.astype(np.int64)[counted],
        dwell_us=(samples.until_us - samples.time_us)[counted],
    )


def speed_bins_of(
    samples: Samples,
    velocity_mps: tuple[FloatArray, FloatArray],
    span: Span,
) -> tuple[IntArray, IntArray]:
    """Return bin of speed and duration of samples that begin in a range.

    Args:
        samples: Samples.
        velocity_mps: Along x and y of each, NaN where there is none.
        span: The range.
    """
    along_x, along_y = (along.astype(np.float64) for along in velocity_mps)
    speed_mps = np.sqrt(along_x**2 + along_y**2)
    rows = samples.counted(span) & ~np.isnan(speed_mps)
    bins = np.floor(speed_mps[rows] / BIN_MPS)
    return np.minimum(bins, LAST_BIN).astype(np.int64), (
        samples.until_us - samples.time_us
    )[rows]
