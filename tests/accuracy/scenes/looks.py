"""What people look like to an embedder that is neither perfect nor useless."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId, ModelId
from tests.accuracy.identity.recording import VectorModel
from tests.accuracy.scenes.script import Script

Array = NDArray[np.float64]

DIMENSIONS = 64
VIEW_SHARE = 0.8
"""Length of what a camera adds to a look, against the look itself."""

FRAME_SHARE = 0.9
"""Length of what a single frame adds."""

UNIFORM_SHARE = 0.95
"""Correlation of the looks of two people in one uniform."""

MODEL = VectorModel(ModelId("scripted"), DIMENSIONS, 0.22)
"""Cosines: one person in one camera .67, in two .41, two people 0 with a deviation of
.13; in the middle between the last two, people are as likely one as two."""


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What everybody looks like to every camera.

    Attributes:
        own: Of each person, unit length. Shape (people, D).
        views: What a camera adds to each person. Shape (people, D), by camera.
    """

    own: Array
    views: dict[CameraId, Array]

    def of(
        self, camera_id: CameraId, shares: Array, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the vectors of boxes, unit length. Shape (N, D).

        Args:
            camera_id: Who looks.
            shares: How much of each person a box shows, shape (N, people); a box that
                shows nobody looks like nothing that was seen before.
            rng: Of what the frame adds.
        """
        nobody = 1.0 - shares.sum(axis=1, keepdims=True).clip(0, 1)
        seen = shares @ (self.own + VIEW_SHARE * self.views[camera_id])
        seen = seen + nobody * _units(rng, len(shares))
        seen = seen + FRAME_SHARE * _units(rng, len(shares))
        lengths = np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), 1e-9)
        return np.asarray(seen / lengths, np.float32)


def looks_of(script: Script, camera_ids: list[CameraId]) -> Looks:
    """Return what the people of a scene look like."""
    rng = np.random.default_rng((script.seed, 3))
    own = _units(rng, script.people)
    uniform = _units(rng, 1)
    alike = np.sqrt(UNIFORM_SHARE) * uniform + np.sqrt(1 - UNIFORM_SHARE) * own
    own[: script.in_uniform] = alike[: script.in_uniform]
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    return Looks(own, {one: _units(rng, script.people) for one in camera_ids})


def _units(rng: np.random.Generator, count: int) -> Array:
    values = rng.normal(size=(count, DIMENSIONS))
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))
