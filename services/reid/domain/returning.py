"""What the place of arrival says about who has come back."""

import numpy as np

from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.motion import Motion, fix_arrays
from services.reid.domain.values import FloorFix

IMPLAUSIBLE = float("-inf")

_NS = 1e-9
_GAP_WITHOUT_NEWS_S = 300.0


def return_evidence(
    left: Motion, fix: FloorFix, time_ns: int, config: AssociationConfig
) -> float | None:
    """Return the evidence that somebody who left stands at `fix` now, nats.

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
    doubt_m = 3.0 * float(np.sqrt(np.trace(spread) / 2.0))
    reach_m = config.top_speed_mps * gap_s + config.gate_slack_m + doubt_m
    if float(np.linalg.norm(offset)) > reach_m:
        return IMPLAUSIBLE
    # A walker keeps going for a second at most before the way is unknown.
    offset = offset - left.mean[2:] * min(gap_s, 1.0)
    spread = spread + np.eye(2) * (config.return_spread_mps * gap_s) ** 2
    ratio = (
        -0.5 * float(offset @ np.linalg.solve(spread, offset))
        - float(np.log(2.0 * np.pi * np.sqrt(np.linalg.det(spread))))
        + float(np.log(config.floor_space_m2))
    )
    bounded = min(max(ratio, config.return_floor_floor), config.floor_evidence_limit)
    return config.return_prior + bounded
