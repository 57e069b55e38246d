"""Whether two cameras show the same walks, and if not, how they must be shifted.

Who walks in view of two cameras is shown by both at one place and with one velocity.
Every pair of such walkers, now or a few seconds apart, votes for a lag between the two
clocks and a shift between the two floors (a generalised Hough transform, Ballard 1981).
Votes of different people scatter, those of one person agree. Nobody has to be
recognised for that, so it also works where a wrong clock keeps the same person apart.
"""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId
from services.reid.domain.motion import sure_speed_mps
from services.reid.domain.tracklet import Tracklet

Array = NDArray[np.float64]
CameraPair = tuple[CameraId, CameraId]
"""Two cameras, sorted."""

STEP_S = 0.5
"""Time from one look to the next, and width of a bin of lags."""

MOST_LAG_STEPS = 10
_STEP_NS = round(STEP_S * 1e9)
_CELL_M = 0.5
_REACH_CELLS = 12
LEAST_SPEED_MPS = 0.6
"""Who is slower does not walk."""

_SAME_VELOCITY_MPS = 0.6
_FEW_VOTES, _MANY_VOTES = 24.0, 400.0
_CLEARLY_MORE = 1.7
_NEAR_CELLS = 2


@dataclass(frozen=True, slots=True)
class Walkers:
    """Who walks before a camera at one time.

    Attributes:
        step: The time, in steps.
        points_m: Where, shape (N, 2).
        velocities_mps: How, shape (N, 2).
    """

    step: int
    points_m: Array
    velocities_mps: Array


@dataclass(slots=True)
class Votes:
    """Votes about one pair of cameras.

    Attributes:
        counts: By lag, and shift along x and y. The middle is agreement.
    """

    counts: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros(
            (
                2 * MOST_LAG_STEPS + 1,
                2 * _REACH_CELLS + 1,
                2 * _REACH_CELLS + 1,
            ),
            np.float32,
        )
    )

    def add(self, now: Walkers, earlier: Collection[Walkers], sign: int) -> None:
        """Take in who walks before one camera, against what the other one showed.

        Args:
            now: Of the one camera.
            earlier: Of the other.
            sign: 1 where the one camera is the first of the pair, else -1.
        """
        points = np.concatenate([one.points_m for one in earlier])
        velocities = np.concatenate([one.velocities_mps for one in earlier])
        steps = np.repeat(
            [one.step for one in earlier], [len(one.points_m) for one in earlier]
        )
        turn = now.velocities_mps[:, None] - velocities[None]
        alike = np.hypot(turn[..., 0], turn[..., 1]) < _SAME_VELOCITY_MPS
        shift_m = sign * (now.points_m[:, None] - points[None])
        lag = np.broadcast_to(sign * (now.step - steps)[None], alike.shape)[alike]
        cells = np.rint(shift_m[alike] / _CELL_M).astype(np.int64) + _REACH_CELLS
        inside = ((cells >= 0) & (cells <= 2 * _REACH_CELLS)).all(axis=1)
        inside &= np.abs(lag) <= MOST_LAG_STEPS
        place = (lag[inside] + MOST_LAG_STEPS, *cells[inside].T)
        np.add.at(self.counts, place, 1.0)
        if self.counts.max(initial=0.0) > _MANY_VOTES:
            self.counts *= 0.5

    def verdict(self) -> tuple[float, float] | None:
        """Return lag in seconds and shift in metres; None where votes do not agree.

        Either is 0 where the other alone explains what is seen. Up to a second and a
        metre cameras are taken to agree: a walker's shift and lag are hard to tell.
        """
        near = np.zeros_like(self.counts)
        for x in (-1, 0, 1):
            for y in (-1, 0, 1):
                near += np.roll(self.counts, (x, y), axis=(1, 2))
        middle = slice(_REACH_CELLS - _NEAR_CELLS, _REACH_CELLS + _NEAR_CELLS + 1)
        now = slice(MOST_LAG_STEPS - 1, MOST_LAG_STEPS + 2)
        agreeing = float(near[now, middle, middle].max())
        by_lag = near[:, middle, middle].max(axis=(1, 2))
        by_lag[now] = 0.0
        by_shift = near[MOST_LAG_STEPS].copy()
        by_shift[middle, middle] = 0.0
        lagging, shifted = float(by_lag.max()), float(by_shift.max())
        if max(lagging, shifted) < max(_FEW_VOTES, _CLEARLY_MORE * agreeing):
            return (0.0, 0.0) if agreeing >= _FEW_VOTES else None
        if lagging >= shifted:
            return (int(by_lag.argmax()) - MOST_LAG_STEPS) * STEP_S, 0.0
        row, column = np.unravel_index(int(by_shift.argmax()), by_shift.shape)
        cells = np.hypot(int(row) - _REACH_CELLS, int(column) - _REACH_CELLS)
        return 0.0, float(cells) * _CELL_M


@dataclass(slots=True)
class Alignment:
    """Votes about all pairs of cameras of a timeline.

    Nothing of it decides who is who, so it is not kept over a restart.

    Attributes:
        seen: Latest walkers of each camera, oldest first.
        votes: By pair of cameras.
    """

    seen: dict[CameraId, deque[Walkers]] = field(default_factory=dict)
    votes: dict[CameraPair, Votes] = field(default_factory=dict)

    def look(self, camera_id: CameraId, walkers: Walkers) -> None:
        """Take in who walks before a camera; once in a step."""
        own = self.seen.setdefault(camera_id, deque(maxlen=MOST_LAG_STEPS + 1))
        if own and own[-1].step >= walkers.step:
            return
        own.append(walkers)
        if not len(walkers.points_m):
            return
        for other, earlier in self.seen.items():
            if other == camera_id or not earlier:
                continue
            first = camera_id < other
            pair = (camera_id, other) if first else (other, camera_id)
            votes = self.votes.setdefault(pair, Votes())
            votes.add(walkers, earlier, 1 if first else -1)


def walkers_of(tracks: Iterable[Tracklet | None], captured_ns: int) -> Walkers:
    """Return who walks, of the tracks that a camera supports in a frame."""
    means = [
        track.motion.mean
        for track in tracks
        if track is not None
        and track.motion is not None
        and sure_speed_mps(track.motion) > LEAST_SPEED_MPS
    ]
    states = np.array(means).reshape(-1, 4)
    return Walkers(captured_ns // _STEP_NS, states[:, :2], states[:, 2:])
