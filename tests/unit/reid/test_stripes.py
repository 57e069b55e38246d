"""Colour stripes."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.reid.adapters.embedders.stripes import DIMENSIONS, MODEL, StripesEmbedder
from tests.accuracy.embedders import embed, pair_auc, read_crops

EMBEDDER = StripesEmbedder()


def dressed(shirt: tuple[int, int, int], trousers: tuple[int, int, int]) -> np.ndarray:
    """Return a crop of somebody in front of a grey wall."""
    crop = np.full((128, 64, 3), 120, np.uint8)
    crop[20:70, 16:48] = shirt
    crop[70:120, 18:46] = trousers
    return crop


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Return the cosine of two crops."""
    one, other = EMBEDDER.embed([first, second])
    return float(one @ other)


@settings(max_examples=25, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 20), st.just(3))))
def test_every_crop_has_a_unit_vector(crop: np.ndarray) -> None:
    """Whatever the pixels, the vector is finite and of unit length."""
    (vector,) = EMBEDDER.embed([crop])
    assert vector.shape == (DIMENSIONS,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_a_colour_shift_of_the_camera_changes_little() -> None:
    """A gain and an offset per channel leave a person more alike than a stranger."""
    person = dressed((180, 40, 40), (30, 30, 90))
    stranger = dressed((60, 140, 70), (120, 100, 60))
    shifted = np.clip(person * (1.12, 1.0, 0.88) + 6, 0, 255).astype(np.uint8)
    assert similarity(person, shifted) > MODEL.match_similarity
    assert similarity(person, stranger) < similarity(person, shifted) - 0.2


def test_the_order_of_stripes_matters() -> None:
    """Red over blue is not blue over red, though as bright and as colourful."""
    red, blue = (180, 40, 40), (40, 40, 180)
    assert similarity(dressed(red, blue), dressed(blue, red)) < 0.85


@pytest.mark.skipif(
    not os.environ.get("SPOTON_EVAL_DATA"), reason="SPOTON_EVAL_DATA is not set"
)
def test_real_crops_of_different_cameras_can_be_told_apart() -> None:
    """The area under the curve over pairs of crops is what the README says."""
    folder = Path(os.environ["SPOTON_EVAL_DATA"]) / "epfl-4p-crops"
    crops = read_crops(folder)
    assert pair_auc(crops, embed(EMBEDDER, crops)) > 0.92
