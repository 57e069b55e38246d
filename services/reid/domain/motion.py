"""Constant-velocity Kalman filter on the floor.

State (x, y, vx, vy) in metres and metres per second, driven by white acceleration
(Bar-Shalom, Li, Kirubarajan: Estimation with Applications to Tracking and Navigation,
2001, section 6.2.2, discretised continuous white noise).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from services.reid.domain.values import FloorFix

Array = NDArray[np.float64]

_NS = 1e-9
_SURE_SPEED_SIGMAS = 2.0


@dataclass(frozen=True, slots=True)
class Motion:
    """Filtered position and velocity at one time.

    Attributes:
        mean: float64, shape (4,): x, y in metres, vx, vy in metres per second.
        covariance: float64, shape (4, 4).
        time_ns: Time of the state, nanoseconds since 1970 UTC.
        floor_id: Level of the building.
        calibration_revision: Calibration of the newest position in it.
    """

    mean: Array
    covariance: Array
    time_ns: int
    floor_id: str
    calibration_revision: int

    @property
    def fix(self) -> FloorFix:
        """The filtered position."""
        return FloorFix(
            x_m=float(self.mean[0]),
            y_m=float(self.mean[1]),
            xx_m2=float(self.covariance[0, 0]),
            xy_m2=float(self.covariance[0, 1]),
            yy_m2=float(self.covariance[1, 1]),
            floor_id=self.floor_id,
            calibration_revision=self.calibration_revision,
        )

    @property
    def velocity_mps(self) -> tuple[float, float]:
        """Velocity along the floor's axes, metres per second."""
        return float(self.mean[2]), float(self.mean[3])


def fix_arrays(fix: FloorFix) -> tuple[Array, Array]:
    """Return the point, shape (2,), and its covariance, shape (2, 2)."""
    return (
        np.array((fix.x_m, fix.y_m)),
        np.array(((fix.xx_m2, fix.xy_m2), (fix.xy_m2, fix.yy_m2))),
    )


def begin(fix: FloorFix, time_ns: int, speed_sigma_mps: float) -> Motion:
    """Return a motion that knows one position and nothing about its velocity."""
    point, covariance = fix_arrays(fix)
    start = np.zeros((4, 4))
    start[:2, :2] = covariance
    start[2, 2] = start[3, 3] = speed_sigma_mps**2
    return Motion(
        mean=np.concatenate((point, np.zeros(2))),
        covariance=start,
        time_ns=time_ns,
        floor_id=fix.floor_id,
        calibration_revision=fix.calibration_revision,
    )


def predict(motion: Motion, time_ns: int, acceleration_mps2: float) -> Motion:
    """Return the motion moved to a later time; an earlier time changes nothing."""
    dt_ns = time_ns - motion.time_ns
    if dt_ns <= 0:
        return motion
    step, noise = _transition(dt_ns, acceleration_mps2)
    return Motion(
        mean=step @ motion.mean,
        covariance=step @ motion.covariance @ step.T + noise,
        time_ns=time_ns,
        floor_id=motion.floor_id,
        calibration_revision=motion.calibration_revision,
    )


@lru_cache(maxsize=1024)
def _transition(dt_ns: int, acceleration_mps2: float) -> tuple[Array, Array]:
    """Return how a state moves in a time, and the noise it gathers; shapes (4, 4)."""
    dt_s = dt_ns * _NS
    step = np.eye(4)
    step[0, 2] = step[1, 3] = dt_s
    noise = np.zeros((4, 4))
    for axis in (0, 1):
        noise[axis, axis] = dt_s**3 / 3
        noise[axis, axis + 2] = noise[axis + 2, axis] = dt_s**2 / 2
        noise[axis + 2, axis + 2] = dt_s
    return step, noise * acceleration_mps2**2


def update(motion: Motion, fix: FloorFix) -> Motion:
    """Return the motion corrected by a position of its own time."""
    seen = motion.covariance[:, :2]
    xx = float(seen[0, 0]) + fix.xx_m2
    xy = float(seen[0, 1]) + fix.xy_m2
    yy = float(seen[1, 1]) + fix.yy_m2
    inverse = np.array(((yy, -xy), (-xy, xx))) / (xx * yy - xy * xy)
    gain = seen @ inverse
    innovation = np.array((fix.x_m, fix.y_m)) - motion.mean[:2]
    return Motion(
        mean=motion.mean + gain @ innovation,
        covariance=motion.covariance - gain @ seen.T,
        time_ns=motion.time_ns,
        floor_id=fix.floor_id,
        calibration_revision=fix.calibration_revision,
    )


def follow(
    motion: Motion | None,
    fix: FloorFix,
    time_ns: int,
    *,
    acceleration_mps2: float,
    speed_sigma_mps: float,
) -> Motion:
    """Return the motion after a position, begun anew on another floor."""
    if motion is None or motion.floor_id != fix.floor_id:
        return begin(fix, time_ns, speed_sigma_mps)
    return update(predict(motion, time_ns, acceleration_mps2), fix)


def sure_speed_mps(motion: Motion) -> float:
    """Return the speed of a motion; 0 while it may as well be noise."""
    speed = float(np.hypot(motion.mean[2], motion.mean[3]))
    sigma = float(np.sqrt((motion.covariance[2, 2] + motion.covariance[3, 3]) / 2))
    return speed if speed > _SURE_SPEED_SIGMAS * sigma else 0.0
