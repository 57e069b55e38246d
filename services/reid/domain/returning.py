"""What the place of arrival says about who has come back."""

import numpy as np

from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.motion import Array, Motion, fix_arrays, sure_speed_mps
from services.reid.domain.values import FloorFix

IMPLAUSIBLE = float("-inf")

_NS = 1e-9
_GAP_WITHOUT_NEWS_S = 300.0


def return_evidence(
    left: Motion, fix: FloorFix, time_ns: int, config: AssociationConfig
) -> float | None:
    """Return the evidence that somebody who left stands at `fix` now, nats.

    Whoever was lost while standing or sitting most likely still is there; whoever
    walked has gone on, first straight ahead and then anywhere.

    Args:
        left: The person's motion when last located.
        fix: Where the new track was first located.
        time_ns: When, nanoseconds since 1970 UTC.
        config: Speeds and limits.

    Returns:
        Minus infinity if nobody is that fast, None if the place says nothing.
    """
    if left.floor_id != fix.floor_id:
        return None
    gap_s = max(0.0, (time_ns - left.time_ns) * _NS)
    if gap_s > _GAP_WITHOUT_NEWS_S:
        return None
    point, noise = fix_arrays(fix)
    offset = point - left.mean[:2]
    spread = left.covariance[:2, :2] + noise
    spread = spread + np.eye(2) * config.bias_sigma_m**2
    doubt_m = 3.0 * float(np.sqrt(np.trace(spread) / 2.0))
    reach_m = config.top_speed_mps * gap_s + config.gate_slack_m + doubt_m
    if float(np.linalg.norm(offset)) > reach_m:
        return IMPLAUSIBLE
    stood = sure_speed_mps(left) < config.standing_speed_mps
    stays = config.stay_probability if stood else 1.0 - config.move_on_probability
    stays *= float(np.exp(-gap_s / config.stay_s))
    still = _density(offset, spread + np.eye(2) * config.stay_spread_m**2)
    # A walker keeps going for a second at most before the way is unknown.
    ahead = offset - left.mean[2:] * min(gap_s, 1.0)
    walked_m = max(config.return_spread_mps * gap_s, config.stay_spread_m)
    moved = _density(ahead, spread + np.eye(2) * walked_m**2)
    ratio = float(
        np.log(max(stays * still + (1.0 - stays) * moved, 1e-30))
        + np.log(config.floor_space_m2)
    )
    bounded = min(max(ratio, config.return_floor_floor), config.floor_evidence_limit)
    return config.return_prior + bounded


def _density(offset: Array, covariance: Array) -> float:
    """Return the density of a normal distribution around 0, 1/m^2."""
    squared = float(offset @ np.linalg.solve(covariance, offset))
    area = 2.0 * float(np.pi) * float(np.sqrt(np.linalg.det(covariance)))
    return float(np.exp(-0.5 * squared)) / area
