"""What every head of a network has in common: its input, its output, its people."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.detections import Detections
from services.detector.domain.geometry import Boxes, Size

Outputs = Mapping[str, NDArray[Any]]
"""The outputs for one picture by name, without the axis of the batch."""

Shapes = Mapping[str, tuple[int, ...]]
"""Their shapes."""

PADDING_GREY = 114
"""Samples beside a picture that does not fill its input."""

_LARGEST_EXPONENT = 80.0


class Fit(StrEnum):
    """How a picture is brought to the size of the input."""

    LETTERBOX = "letterbox"
    STRETCH = "stretch"


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a picture becomes the input of a network.

    Attributes:
        fit: LETTERBOX puts the picture at the top left and grey beside it, STRETCH
            scales it to the input, whatever its shape.
        scale: What samples are multiplied with, for red, green and blue.
        offset: What is added then.
    """

    fit: Fit
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Reading:
    """What is looked for in the output of a network.

    Attributes:
        input_size: Size of the input, padding included.
        person_class: Index of the class "person".
        least_score: People below are left out, [0, 1].
    """

    input_size: Size
    person_class: int
    least_score: float


class Decode(Protocol):
    """Reads the outputs for one picture."""

    def __call__(self, outputs: Outputs, reading: Reading) -> Detections:
        """Return the people in pixels of the input, the highest score first.

        Args:
            outputs: What the network answered.
            reading: What is looked for.

        Raises:
            NotFinite: The network answered NaN or infinity.
        """


class Head(Protocol):
    """A family of networks; each is a module of this package."""

    PREPARATION: Preparation

    def recognise(self, shapes: Shapes, reading: Reading) -> Decode:
        """Return what reads outputs of these shapes.

        Raises:
            UnknownLayout: No export of the family has them.
        """


class UnknownLayout(ValueError):
    """A network's outputs are not those of its head."""

    def __init__(self, expected: str) -> None:
        """Take what the head's exports answer."""
        super().__init__(f"expected {expected}")


class NotFinite(ArithmeticError):
    """A network answered NaN or infinity."""


def confidence(
    objectness: NDArray[Any], probability: NDArray[Any]
) -> NDArray[np.float32]:
    """Return the scores of boxes, each shape (N,); what is no number stays none."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(objectness * probability, np.float32)


def likely(scores: NDArray[Any], least_score: float) -> NDArray[np.intp]:
    """Return the indices of the scores from `least_score` on.

    Raises:
        NotFinite: One of all the scores is not finite. A network that answers NaN
            shows nobody, and an empty room must not look like a broken network.
    """
    if not np.isfinite(scores).all():
        raise NotFinite
    return np.flatnonzero(scores >= least_score)


def people(boxes: NDArray[Any], scores: NDArray[Any]) -> Detections:
    """Return people without keypoints.

    Args:
        boxes: Shape (N, 4): x_min, y_min, x_max, y_max in pixels.
        scores: Shape (N,).

    Raises:
        NotFinite: A box is not finite.
    """
    if not np.isfinite(boxes).all():
        raise NotFinite
    return Detections(
        boxes.astype(np.float32, copy=False),
        scores.astype(np.float32, copy=False),
        np.zeros((len(scores), 0, 3), np.float32),
    )


def corners(centred: NDArray[Any]) -> Boxes:
    """Return boxes by their corners.

    Args:
        centred: Shape (N, 4): centre x, centre y, width, height.

    >>> corners(np.array([[5, 5, 2, 4]])).tolist()
    [[4.0, 3.0, 6.0, 7.0]]
    """
    exact = centred.astype(np.float32)
    centres, halves = exact[:, :2], exact[:, 2:] / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def sigmoid(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Return the probability of each logit, without overflow.

    Raises:
        NotFinite: A logit is not finite.
    """
    exact = logits.astype(np.float32)
    if not np.isfinite(exact).all():
        raise NotFinite
    clipped = np.clip(exact, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
    return np.asarray(1.0 / (1.0 + np.exp(-clipped)), np.float32)
