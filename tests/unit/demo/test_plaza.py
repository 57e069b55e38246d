"""The demo's environment."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.plaza import compose
from services.mapper.domain.exported import read_document

FULL_VIEW = json.loads((compose.FOLDER / "full_view.json").read_text())


def _floor(image_to_floor: list[float], x: float, y: float) -> np.ndarray:
    mapped = np.array(image_to_floor).reshape(3, 3) @ (x, y, 1.0)
    return mapped[:2] / mapped[2]


def test_the_document_is_what_compose_writes() -> None:
    """Nobody edits it by hand."""
    assert json.loads(compose.DOCUMENT.read_text()) == compose.environment_document()


def test_the_document_can_be_imported() -> None:
    """The mapper accepts every field and every homography."""
    exported = read_document(compose.DOCUMENT.read_text())
    assert [camera.camera_id for camera in exported.cameras] == [
        "centre",
        "east",
        "west",
    ]
    assert all(camera.calibration for camera in exported.cameras)


@given(u=st.floats(0, 1), v=st.floats(0.2, 1))
@pytest.mark.parametrize("camera", compose.CAMERAS, ids=lambda c: c.camera_id)
def test_a_cropped_pixel_stands_where_the_whole_view_says(
    camera: compose.VirtualCamera, u: float, v: float
) -> None:
    """Cutting and scaling a picture moves nobody on the floor."""
    x_min, y_min, x_max, y_max = camera.transform.crop_region or (0, 0, 768, 576)
    width, height = camera.transform.output_size_px(768, 576)
    cropped = compose.frame_to_floor(camera.transform, FULL_VIEW)
    x, y = x_min + u * (x_max - x_min), y_min + v * (y_max - y_min)
    expected = _floor(FULL_VIEW["image_to_floor"], x, y)
    assert np.allclose(_floor(cropped, u * width, v * height), expected, atol=1e-6)


def test_neighbouring_cameras_overlap_generously() -> None:
    """Whoever crosses the plaza is seen by two cameras on the way."""
    regions = [camera.transform.crop_region for camera in compose.CAMERAS]
    for left, right in ((0, 1), (1, 2)):
        before, after = regions[left], regions[right]
        assert before is not None
        assert after is not None
        assert before[2] - after[0] > 250


def test_corrected_clocks_agree() -> None:
    """The cameras' clocks differ, and after correction they took the same pictures."""
    cameras = read_document(compose.DOCUMENT.read_text()).cameras
    starts = set()
    for camera in cameras:
        assert camera.source.file is not None
        assert camera.source.file.start_time is not None
        assert camera.clock_offset is not None
        starts.add(camera.source.file.start_time - camera.clock_offset)
    assert len(starts) == 1
    assert len({camera.clock_offset for camera in cameras}) == len(cameras)
