"""Where in a camera's picture somebody was, for when the camera finds them again.

A camera that loses somebody behind another head finds them at the same spot in the
picture, of the same size, whether or not their feet are seen or the camera is
calibrated. Distances are in multiples of the box height, about 1.7 m of a person.
"""

from dataclasses import dataclass

import numpy as np

from services.reid.domain.association_config import AssociationConfig

_NS = 1e-9
_LEAST_HEIGHT_PX = 1.0
_SPEED_MEMORY_S = 2.0


@dataclass(frozen=True, slots=True)
class Spot:
    """A box at one time, and how it moves.

    Attributes:
        x_px: Centre of the box, pixels of the full frame.
        y_px: The same, downwards.
        height_px: Height of the box.
        time_ns: When, nanoseconds since 1970 UTC.
        x_per_s: Speed of the centre, in heights per second.
        y_per_s: The same, downwards.
    """

    x_px: float
    y_px: float
    height_px: float
    time_ns: int
    x_per_s: float = 0.0
    y_per_s: float = 0.0

    def followed(self, later: "Spot") -> "Spot":
        """Return a later spot of the same track, with a smoothed speed."""
        elapsed_s = (later.time_ns - self.time_ns) * _NS
        if elapsed_s <= 0:
            return self
        weight = min(elapsed_s / _SPEED_MEMORY_S, 1.0)
        scale = max(later.height_px, _LEAST_HEIGHT_PX) * elapsed_s
        x_per_s = (later.x_px - self.x_px) / scale
        y_per_s = (later.y_px - self.y_px) / scale
        return Spot(
            later.x_px,
            later.y_px,
            later.height_px,
            later.time_ns,
            self.x_per_s + weight * (x_per_s - self.x_per_s),
            self.y_per_s + weight * (y_per_s - self.y_per_s),
        )


def same_spot_evidence(left: Spot, now: Spot, config: AssociationConfig) -> float:
    """Return the evidence that who was lost at one spot is who is found at another.

    Whoever stood or sat most likely still is there; whoever walked has gone on, at
    first straight ahead. Against it stands somebody new, anywhere within the part of
    the picture that one stranger takes.

    Returns:
        Log-likelihood ratio, nats, within the limits for places.
    """
    gap_s = max((now.time_ns - left.time_ns) * _NS, 0.0)
    height_px = max((left.height_px + now.height_px) / 2.0, _LEAST_HEIGHT_PX)
    dx = (now.x_px - left.x_px) / height_px
    dy = (now.y_px - left.y_px) / height_px
    speed = float(np.hypot(left.x_per_s, left.y_per_s))
    stays = config.stay_probability
    if speed > config.standing_heights_per_s:
        stays = 1.0 - config.move_on_probability
    stays *= float(np.exp(-gap_s / config.stay_s))
    ahead_s = min(gap_s, 1.0)
    still = _density(dx, dy, config.spot_sigma_heights)
    moved = _density(
        dx - left.x_per_s * ahead_s,
        dy - left.y_per_s * ahead_s,
        float(np.hypot(config.spot_sigma_heights, config.spot_spread_per_s * gap_s)),
    )
    place = stays * still + (1.0 - stays) * moved
    ratio = max(now.height_px, _LEAST_HEIGHT_PX) / max(left.height_px, _LEAST_HEIGHT_PX)
    size = float(np.log(ratio)) / config.spot_sigma_log_height
    nats = (
        float(np.log(max(place * config.stranger_space_heights, 1e-30)))
        - 0.5 * size**2
        - float(np.log(np.sqrt(2.0 * np.pi) * config.spot_sigma_log_height))
    )
    least, most = config.return_floor_floor, config.spot_evidence_limit
    return config.return_prior + min(max(nats, least), most)


def _density(x: float, y: float, sigma: float) -> float:
    """Return the density of a round normal distribution, per squared height."""
    squared = (x * x + y * y) / sigma**2
    return float(np.exp(-0.5 * squared)) / (2.0 * float(np.pi) * sigma**2)
