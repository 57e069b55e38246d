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
class Hidden:
    """Times of stays that do not count; all arrays have the shape (N,).

    Attributes:
        stay_id: int64, stay.
        start_us: int64, first moment that does not count.
        end_us: int64, first moment that counts again.
    """

    stay_id: IntArray
    start_us: IntArray
    end_us: IntArray


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples, by stay and time; all arrays have the shape (N,).

    Attributes:
        stay: int64, index of the stay.
        time_us: int64, capture time.
        until_us: int64, when the sample ends.
        first: bool, whether it is the first one of its stay that is known.
    """

    stay: IntArray
    time_us: IntArray
    until_us: IntArray
    first: BoolArray

    @classmethod
    def of(cls, stay_id: IntArray, time_us: IntArray, stays: Stays) -> "Samples":
        """Return samples that are in order, each until the next of its stay."""
        stay = np.searchsorted(stays.stay_id, stay_id)
        first = np.append(True, stay[1:] != stay[:-1])[: len(stay)]
        next_us = np.append(time_us[1:], 0)[: len(stay)]
        last = np.append(first[1:], True)[: len(stay)]
        until_us = np.where(last, stays.end_us[stay], next_us)
        return cls(stay, time_us, until_us, first)

    def within(self, span: Span) -> BoolArray:
        """Return which begin in a range."""
        return (self.time_us >= span.start_us) & (self.time_us < span.end_us)

    def lasting_us(self, stays: Stays, hidden: Hidden) -> tuple[IntArray, BoolArray]:
        """Return how long each sample counts, and whether its beginning does."""
        lasts_us = self.until_us - self.time_us
        counts = np.ones(len(self.stay), np.bool_)
        for stay_id, start_us, end_us in zip(
            hidden.stay_id, hidden.start_us, hidden.end_us, strict=True
        ):
            stay = np.searchsorted(stays.stay_id, stay_id)
            rows = slice(*np.searchsorted(self.stay, (stay, stay + 1)))
            time_us, until_us = self.time_us[rows], self.until_us[rows]
            covered_us = np.minimum(until_us, end_us) - np.maximum(time_us, start_us)
            lasts_us[rows] -= np.maximum(covered_us, 0)
            counts[rows] &= (time_us < start_us) | (time_us >= end_us)
        return lasts_us, counts


def heat_of(
    samples: Samples,
    stays: Stays,
    hidden: Hidden,
    position_m: tuple[FloatArray, FloatArray],
    span: Span,
) -> Heat:
    """Return the base cells of samples that begin in a range, one for each sample.

    Args:
        samples: Samples, from one presence gap before the range on.
        stays: Their stays.
        hidden: Times that do not count.
        position_m: x and y of each, metres.
        span: The range.
    """
    lasts_us, counts = samples.lasting_us(stays, hidden)
    column, row = (
        np.floor(along.astype(np.float64) / BASE_CELL_M).astype(np.int64)
        for along in position_m
    )
    moved = np.ones(len(column), np.bool_)
    moved[1:] = (column[1:] != column[:-1]) | (row[1:] != row[:-1])
    came = np.where(samples.first, stays.passage[samples.stay] > 0, moved)
    within = samples.within(span)
    return Heat(
        column=column[within],
        row=row[within],
        passages=(came & counts).astype(np.int64)[within],
        dwell_us=lasts_us[within],
    )


def speed_bins_of(
    samples: Samples,
    stays: Stays,
    hidden: Hidden,
    velocity_mps: tuple[FloatArray, FloatArray],
    span: Span,
) -> tuple[IntArray, IntArray]:
    """Return bin of speed and duration of samples that begin in a range.

    Args:
        samples: Samples.
        stays: Their stays.
        hidden: Times that do not count.
        velocity_mps: Along x and y of each, NaN where there is none.
        span: The range.
    """
    lasts_us, _ = samples.lasting_us(stays, hidden)
    along_x, along_y = (along.astype(np.float64) for along in velocity_mps)
    speed_mps = np.sqrt(along_x**2 + along_y**2)
    rows = samples.within(span) & ~np.isnan(speed_mps)
    bins = np.floor(speed_mps[rows] / BIN_MPS)
    return np.minimum(bins, LAST_BIN).astype(np.int64), lasts_us[rows]
