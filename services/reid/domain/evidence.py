"""Floor evidence about pairs of tracks, accumulated while both are seen.

Each comparison is the log-likelihood ratio of the distance between two tracks: normal
around the two cameras' disagreement for one person, uniform over the floor for two.
Two people who stand beside each other are as near in every frame, so standing still
proves no more than one look. Whoever walks is compared in one new place after another:
there the evidence adds up, metre by metre, and fades with time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.values import TrackKey

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where tracks stand at one time, row by row.

    Attributes:
        points_m: float64, shape (N, 2), floor frame; rows without a position are 0.
        covariances_m2: float64, shape (N, 2, 2).
        comparable: bool, shape (N, N): both seen now, by different cameras, on one
            floor.
        speeds_mps: float64, shape (N,): how fast each surely moves.
        offsets_m: float64, shape (N, N, 2): what the position of the column's track
            minus that of the row's is expected to be for one person.
        offset_variances_m2: float64, shape (N, N): variance of that along an axis.
    """

    points_m: Matrix
    covariances_m2: Matrix
    comparable: Mask
    speeds_mps: Matrix
    offsets_m: Matrix
    offset_variances_m2: Matrix


def distance_evidence(placement: Placement, config: AssociationConfig) -> Matrix:
    """Return the evidence of one comparison of every pair, nats, shape (N, N)."""
    points = placement.points_m
    offset = points[None, :] - points[:, None] - placement.offsets_m
    spread = placement.covariances_m2[:, None] + placement.covariances_m2[None, :]
    doubt = placement.offset_variances_m2
    xx, yy = spread[..., 0, 0] + doubt, spread[..., 1, 1] + doubt
    xy = spread[..., 0, 1]
    determinant = np.maximum(xx * yy - xy * xy, 1e-9)
    dx, dy = offset[..., 0], offset[..., 1]
    squared = (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / determinant
    ratio = (
        -0.5 * squared
        - np.log(2.0 * np.pi * np.sqrt(determinant))
        + np.log(config.floor_space_m2)
    )
    apart = dx * dx + dy * dy > config.contradiction_distance_m**2
    least = -np.where(apart, config.contradiction_limit, config.floor_evidence_limit)
    clipped: Matrix = np.clip(ratio, least, config.floor_evidence_limit)
    return clipped


class PairEvidence:
    """Accumulated floor evidence of every pair of live tracks.

    Attributes:
        keys: Tracks, in the order of the rows.
        nats: float64, shape (N, N), symmetric: what is known by now.
        walked: float64, shape (N, N): the part of it that was gathered in motion.
        known: bool, shape (N, N): pairs that were ever compared.
    """

    def __init__(self) -> None:
        self.keys: list[TrackKey] = []
        self.nats: Matrix = np.zeros((0, 0))
        self.walked: Matrix = np.zeros((0, 0))
        self.known: Mask = np.zeros((0, 0), np.bool_)

    def rearrange(self, keys: Sequence[TrackKey]) -> None:
        """Follow a new list of live tracks; what ended is forgotten."""
        if self.keys == list(keys):
            return
        old = {key: row for row, key in enumerate(self.keys)}
        kept = [(new, old[key]) for new, key in enumerate(keys) if key in old]
        nats = np.zeros((len(keys), len(keys)))
        walked = np.zeros((len(keys), len(keys)))
        known = np.zeros((len(keys), len(keys)), np.bool_)
        if kept:
            to, from_ = (np.array(side) for side in zip(*kept, strict=True))
            nats[np.ix_(to, to)] = self.nats[np.ix_(from_, from_)]
            walked[np.ix_(to, to)] = self.walked[np.ix_(from_, from_)]
            known[np.ix_(to, to)] = self.known[np.ix_(from_, from_)]
        self.keys, self.nats, self.known = list(keys), nats, known
        self.walked = walked

    def observe(
        self, placement: Placement, dt_s: float, config: AssociationConfig
    ) -> None:
        """Add one comparison of every comparable pair.

        Args:
            placement: Where the tracks of `keys` stand now.
            dt_s: Time since the comparison before, seconds.
            config: Correlation time and length, memory and limits.
        """
        now = distance_evidence(placement, config)
        speeds = np.minimum(
            placement.speeds_mps[:, None], placement.speeds_mps[None, :]
        )
        new_places = np.minimum(speeds * dt_s / config.floor_correlation_m, 1.0)
        fade = float(np.exp(-dt_s / config.floor_memory_s))
        walked = fade * self.walked + new_places * now
        still = self.nats - self.walked
        still = still + min(dt_s / config.floor_correlation_s, 1.0) * (now - still)
        first = config.floor_first_weight * now
        limits = -config.pair_contradiction_limit, config.pair_evidence_limit
        walked = np.where(self.known, np.clip(walked, *limits), 0.0)
        updated = np.clip(np.where(self.known, walked + still, first), *limits)
        self.nats = np.where(placement.comparable, updated, self.nats)
        self.walked = np.where(placement.comparable, walked, self.walked)
        self.known = self.known | placement.comparable
