"""A detector: it misses for a few frames, shakes, cuts who is half hidden, invents."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.accuracy.scenes.rig import SIZE_PX
from tests.accuracy.scenes.seeing import View

Array = NDArray[np.float64]

HIGH_SCORE, LOW_SCORE = 0.5, 0.1

_MISS = 0.03
_MISS_FRAMES = 3.0
_JITTER = 0.015
_FALSE_PER_FRAME = 0.02
_LEAST_SEEN = 0.2
_SURELY_SEEN = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """What was found in one frame, N boxes.

    Attributes:
        boxes_px: Corners. Shape (N, 4).
        scores: In [0, 1]. Shape (N,).
        people: Whom each box shows, -1 for nobody. Shape (N,).
        shares: How much of each person a box shows. Shape (N, people).
    """

    boxes_px: Array
    scores: Array
    people: NDArray[np.int64]
    shares: Array


class Detector:
    """Looks at the frames of one camera, in order."""

    def __init__(self, noise: float, people: int, rng: np.random.Generator) -> None:
        """Begin with nobody missed.

        Args:
            noise: 0 is none, 1 that of a good detector.
            people: How many there are.
            rng: What chance decides.
        """
        self._noise = noise
        self._people = people
        self._rng = rng
        self._missing = np.zeros(people, np.bool_)

    def look(self, view: View) -> Detected:
        """Return what is found in a frame."""
        rng, noise = self._rng, self._noise
        share = min(_MISS * noise, 0.6)
        begin = share / max(1.0 - share, 1e-9) / _MISS_FRAMES
        end = 1.0 / _MISS_FRAMES
        drawn = rng.random(self._people)
        self._missing = np.where(self._missing, drawn >= end, drawn < begin)
        visible = view.visible
        ramp = (visible - _LEAST_SEEN) / (_SURELY_SEEN - _LEAST_SEEN)
        seen = (rng.random(len(visible)) < ramp.clip(0, 1)) & ~self._missing[
            view.people
        ]
        heights = view.boxes_px[seen, 3] - view.boxes_px[seen, 1]
        # A detector completes whom little hides, and cuts whom much hides.
        cut = (1.0 - visible[seen, None]).clip(0, 1) > 1.0 - _SURELY_SEEN
        boxes = np.where(cut, view.visible_px[seen], view.boxes_px[seen])
        boxes = boxes + rng.normal(size=boxes.shape) * (
            _JITTER * noise * heights[:, None]
        )
        scores = 0.45 + 0.5 * visible[seen] - 0.04 * noise * rng.random(len(boxes))
        false = self._invented(rng.poisson(_FALSE_PER_FRAME * noise))
        return Detected(
            np.concatenate((_inside(boxes), false)),
            np.concatenate(
                (scores.clip(0.05, 0.99), rng.uniform(0.3, 0.65, len(false)))
            ),
            np.concatenate((view.people[seen], np.full(len(false), -1))),
            np.concatenate((view.shares[seen], np.zeros((len(false), self._people)))),
        )

    def _invented(self, count: int) -> Array:
        """Return boxes that show nobody, shape (count, 4)."""
        width, height = SIZE_PX
        tall = self._rng.uniform(80.0, 260.0, count)
        left = self._rng.uniform(0.0, width - 0.4 * tall)
        bottom = self._rng.uniform(0.4 * height, height, count)
        boxes = np.column_stack((left, bottom - tall, left + 0.4 * tall, bottom))
        return _inside(boxes)


def _inside(boxes: Array) -> Array:
    """Return boxes within the frame that have at least two pixels on each side."""
    width, height = SIZE_PX
    x = np.sort(boxes[:, 0::2], axis=1).clip(0, width)
    y = np.sort(boxes[:, 1::2], axis=1).clip(0, height)
    x[:, 1] = np.maximum(x[:, 1], np.minimum(x[:, 0] + 2, width))
    y[:, 1] = np.maximum(y[:, 1], np.minimum(y[:, 0] + 2, height))
    x[:, 0], y[:, 0] = (
        np.minimum(x[:, 0], x[:, 1] - 2),
        np.minimum(y[:, 0], y[:, 1] - 2),
    )
    return np.column_stack((x[:, 0], y[:, 0], x[:, 1], y[:, 1]))
