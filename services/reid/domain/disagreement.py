"""How far the floors of two cameras lie apart, learned where they see one person.

Two calibrations never agree. Where they differ, they differ smoothly: a wrong scale, a
floor that is not flat. So the difference of two positions of one person is modelled as
a linear function of the place, with a normal prior and normal noise, updated as
comparisons come (Bishop 2006, section 3.3). What is not known yet is uncertainty, and
that weakens the floor's evidence instead of falsifying it.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId
from services.reid.domain.association_config import AssociationConfig

Array = NDArray[np.float64]
CameraPair = tuple[CameraId, CameraId]
"""Two cameras, sorted."""


@dataclass(slots=True)
class Disagreement:
    """Position in the second camera minus position in the first.

    Attributes:
        origin_m: Place to which the offset belongs, shape (2,).
        revisions: Calibrations of the two cameras that it was learned with.
        mean: Offset, and its change along x and y; shape (3, 2), metres.
        covariance: Of each column of `mean`, shape (3, 3).
        residuals_m2: Sum of squared residuals along either axis.
        looks: Comparisons behind it.
        ahead_m2ps: Sum of how far the second sees walkers ahead, times their speed.
        speed_m2ps2: Sum of their squared speeds.
    """

    origin_m: Array
    revisions: tuple[int, int]
    mean: Array
    covariance: Array
    residuals_m2: float = 0.0
    looks: float = 0.0
    ahead_m2ps: float = 0.0
    speed_m2ps2: float = 0.0

    @classmethod
    def unknown(
        cls, origin_m: Array, revisions: tuple[int, int], config: AssociationConfig
    ) -> "Disagreement":
        """Return what is believed of two cameras that were never compared."""
        sigmas = (config.bias_sigma_m, config.bias_slope_sigma, config.bias_slope_sigma)
        return cls(origin_m, revisions, np.zeros((3, 2)), np.diag(np.square(sigmas)))

    def noise_m2(self, config: AssociationConfig) -> float:
        """Return the variance of what a linear function does not explain."""
        weight = config.bias_prior_looks
        prior = weight * config.bias_noise_m**2
        return (self.residuals_m2 + prior) / (self.looks + weight)

    def expected(
        self, points_m: Array, config: AssociationConfig
    ) -> tuple[Array, Array]:
        """Return offsets, shape (..., 2), and their variances, shape (...).

        Args:
            points_m: Midpoints of the compared positions, shape (..., 2).
            config: Priors.
        """
        place = _places(points_m - self.origin_m)
        spread = np.einsum("...i,ij,...j->...", place, self.covariance, place)
        return place @ self.mean, spread + self.noise_m2(config)

    def lag_s(self, config: AssociationConfig) -> float:
        """Return by how much the first clock is ahead of the second, seconds.

        A walker whom the second camera sees where the first will see them later is
        shown too late by the first, or stamped so. 0 until walkers were seen.
        """
        return self.ahead_m2ps / (self.speed_m2ps2 + config.suspect_lag_weight)

    def learn(
        self,
        point_m: Array,
        offset_m: Array,
        variance_m2: float,
        velocity_mps: Array,
        config: AssociationConfig,
    ) -> None:
        """Take in one more comparison of positions of one person.

        Args:
            point_m: Midpoint of the two, shape (2,).
            offset_m: Second minus first, shape (2,).
            variance_m2: Of the offset along either axis, without the disagreement.
            velocity_mps: How the person walks; zero while that is not sure.
            config: Priors and memory.
        """
        place = _places(point_m - self.origin_m)
        seen = self.covariance @ place
        total = float(place @ seen) + self.noise_m2(config) + variance_m2
        gain = seen / total
        surprise = offset_m - place @ self.mean
        self.mean = self.mean + np.outer(gain, surprise)
        self.covariance = self.covariance - np.outer(gain, seen)
        self.ahead_m2ps += float(surprise @ velocity_mps)
        self.speed_m2ps2 += float(velocity_mps @ velocity_mps)
        if self.looks >= config.bias_memory_looks:
            keep = (config.bias_memory_looks - 1.0) / self.looks
            self.looks, self.residuals_m2 = self.looks * keep, self.residuals_m2 * keep
        # Of the squared residual, the known variance is not the disagreement's.
        left = float(offset_m @ offset_m - 2 * offset_m @ (place @ self.mean))
        left += float(np.square(place @ self.mean).sum())
        self.looks += 1.0
        self.residuals_m2 += max(left / 2.0 - variance_m2, 0.0)


@dataclass(slots=True)
class Disagreements:
    """Those of every pair of cameras that were ever compared."""

    of_pair: dict[CameraPair, Disagreement] = field(default_factory=dict)

    def between(
        self,
        pair: CameraPair,
        point_m: Array,
        revisions: tuple[int, int],
        config: AssociationConfig,
    ) -> Disagreement:
        """Return that of a pair, begun anew with another calibration."""
        known = self.of_pair.get(pair)
        if known is None or known.revisions != revisions:
            known = Disagreement.unknown(point_m, revisions, config)
            self.of_pair[pair] = known
        return known


def _places(offset_m: Array) -> Array:
    """Return (1, x, y) of places, shape (..., 3)."""
    ones = np.ones((*offset_m.shape[:-1], 1))
    return np.concatenate((ones, offset_m), axis=-1)
