"""Which detection continues which track.

Costs are in [0, 1] before appearance is added; lower is better. A match is an array
with the detection of each track, or `UNMATCHED`.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from services.tracker.domain.arrays import BoolArray, FloatArray, IntArray

UNMATCHED = -1

MAX_COST = 0.85
"""Cost from which a pair is impossible, strong detections."""
MAX_COST_WEAK = 0.5
"""The same for weak detections, which must agree better to be believed."""
AMBIGUITY = 0.25
"""Additional cost of another assignment below which that one is just as credible."""


def assign(cost: FloatArray, max_cost: float) -> tuple[IntArray, IntArray]:
    """Return the rows and columns of the cheapest assignment.

    Leaving a pair apart costs `max_cost`, so that two bad pairs never displace a good
    one. Pairs without any competitor are taken first, which leaves the cubic solver
    only the crowds.

    Args:
        cost: Shape (N, M).
        max_cost: Pairs at or above it are never joined.
    """
    possible = cost < max_cost
    row_choices, column_choices = possible.sum(axis=1), possible.sum(axis=0)
    rows, columns = possible.nonzero()
    lone = (row_choices[rows] == 1) & (column_choices[columns] == 1)
    rows, columns = rows[lone], columns[lone]
    row_choices[rows] = column_choices[columns] = 0
    crowd_rows, crowd_columns = row_choices.nonzero()[0], column_choices.nonzero()[0]
    if not len(crowd_rows):
        return rows, columns
    crowd = np.minimum(cost[crowd_rows[:, None], crowd_columns], max_cost)
    first, second = linear_sum_assignment(crowd)
    joined = crowd[first, second] < max_cost
    return (
        np.concatenate((rows, crowd_rows[first[joined]])),
        np.concatenate((columns, crowd_columns[second[joined]])),
    )


def associate(
    cost: FloatArray,
    *,
    established: BoolArray,
    recent: BoolArray,
    strong: BoolArray,
    weak: BoolArray,
) -> IntArray:
    """Return the match of each track, in three stages.

    First the established tracks choose among strong detections, then the tentative
    ones among what is left; at last a track that was seen in the frame before may go
    on with a weak detection (ByteTrack, Zhang et al. 2022, algorithm 1).

    Args:
        cost: Shape (N, M).
        established: Tracks that are believed. Shape (N,).
        recent: Tracks that the previous frame supported. Shape (N,).
        strong: Detections that may begin a track. Shape (M,).
        weak: Detections that may only continue one. Shape (M,).

    Returns:
        Shape (N,).
    """
    match = np.full(len(cost), UNMATCHED)
    stages = (
        (established, strong, MAX_COST),
        (~established, strong, MAX_COST),
        (recent, weak, MAX_COST_WEAK),
    )
    free = np.ones(cost.shape[1], dtype=bool)
    for tracks, detections, max_cost in stages:
        rows = (tracks & (match == UNMATCHED)).nonzero()[0]
        columns = (detections & free).nonzero()[0]
        if len(rows) and len(columns):
            first, second = assign(cost[rows[:, None], columns], max_cost)
            match[rows[first]] = columns[second]
            free[columns[second]] = False
    return match


def contested(cost: FloatArray, match: IntArray, strong: BoolArray) -> BoolArray:
    """Return the strong detections whose match is hardly better than another.

    Three ways in which another assignment can be nearly as cheap: two tracks swap
    their detections, an unmatched track takes one, or a track takes an unmatched one.

    Args:
        cost: Shape (N, M).
        match: Match of each track. Shape (N,).
        strong: Detections to look at. Shape (M,).

    Returns:
        Shape (M,).
    """
    rival = np.where((cost < MAX_COST) & strong, cost, np.inf)
    rows = (match != UNMATCHED).nonzero()[0]
    rows = rows[strong[match[rows]]]
    columns = match[rows]
    own = cost[rows, columns]
    result = np.zeros(len(strong), dtype=bool)

    pairs = rival[rows[:, None], columns]
    pairs[np.diag_indices(len(rows))] = np.inf
    swaps = pairs + pairs.T - own[:, None] - own < AMBIGUITY
    result[columns] |= swaps.any(axis=0)

    idle_tracks = rival[match == UNMATCHED][:, columns]
    result[columns] |= (idle_tracks - own < AMBIGUITY).any(axis=0)

    idle = strong.copy()
    idle[columns] = False
    moves = rival[rows[:, None], idle.nonzero()[0]] - own[:, None] < AMBIGUITY
    result[columns] |= moves.any(axis=1)
    result[idle] |= moves.any(axis=0)
    return result
