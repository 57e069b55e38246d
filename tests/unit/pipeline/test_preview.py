"""How previews look, and what may be asked of them."""

import cv2
import numpy as np
import pytest

from services.common.errors import InvalidInput
from services.common.ids import CameraId
from services.pipeline.adapters.preview_picture import (
    Outline,
    Picture,
    colour_of,
    preview_picture,
)
from services.pipeline.domain.preview import (
    PictureClass,
    PreviewWish,
    checked_wish,
    turn,
)

GREY = np.full((240, 320, 3), 90, np.uint8)
OUTLINE = Outline((100.0, 100.0, 160.0, 220.0), 7, "3")


def decoded(picture: Picture) -> np.ndarray:
    """Return the pixels of a JPEG file, RGB."""
    return cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)


def kind(**changes: object) -> PictureClass:
    """Return a class of plain pictures, with changes."""
    plain = {"width_px": 320, "quality": 90, "overlays": False, "blur_heads": False}
    return PictureClass(**(plain | changes))  # type: ignore[arg-type]


def test_a_picture_is_scaled_down_and_never_up() -> None:
    """Its shape is kept, and its size told."""
    small = preview_picture(GREY, kind(width_px=160), [], [])
    assert (small.width, small.height) == (160, 120)
    assert decoded(small).shape == (120, 160, 3)
    assert preview_picture(GREY, kind(width_px=1920), [], []).width == 320


def test_boxes_are_drawn_in_the_persons_colour_when_asked() -> None:
    """The frame itself stays as it is."""
    plain = decoded(preview_picture(GREY, kind(), [OUTLINE], []))
    drawn = decoded(preview_picture(GREY, kind(overlays=True), [OUTLINE], []))
    assert np.abs(plain.astype(int) - 90).max() < 4
    edge = drawn[160, 100].astype(int)
    assert np.abs(edge - colour_of(7)).max() < 60
    assert np.abs(drawn[10:90, 10:90].astype(int) - 90).max() < 4
    assert (GREY == 90).all()


def test_heads_are_blurred_where_they_are_after_scaling() -> None:
    """What is inside the region cannot be made out, what is outside can."""
    y, x = np.indices((240, 320))
    striped = np.repeat((x // 4 % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)
    heads = [(80.0, 40.0, 160.0, 120.0)]
    shown = decoded(preview_picture(striped, kind(blur_heads=True), [], heads))
    assert shown[45:115, 85:155].std() < 20
    assert shown[130:200, 85:155].std() > 90
    half = kind(width_px=160, blur_heads=True)
    shown = decoded(preview_picture(striped, half, [], heads))
    assert shown[23:57, 43:77].std() < 20
    assert shown[65:100, 43:77].std() > 60
    assert y.shape == x.shape


def test_neighbouring_persons_differ_in_colour() -> None:
    """Ids that follow one another are told apart at a glance."""
    colours = [np.array(colour_of(number)) for number in range(1, 9)]
    distances = [
        np.abs(one - other).max()
        for index, one in enumerate(colours)
        for other in colours[:index]
    ]
    assert min(distances) > 40


def test_zero_stands_for_the_default() -> None:
    """A request that states nothing is a modest one."""
    assert checked_wish(frozenset(), 0.0, 0, 0, overlays=False) == PreviewWish()


@pytest.mark.parametrize(
    ("rate_hz", "width_px", "quality", "field"),
    [
        (31.0, 0, 0, "max_rate_hz"),
        (-1.0, 0, 0, "max_rate_hz"),
        (float("nan"), 0, 0, "max_rate_hz"),
        (0.0, 63, 0, "width_px"),
        (0.0, 1921, 0, "width_px"),
        (0.0, 0, 9, "quality"),
        (0.0, 0, 96, "quality"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(
    rate_hz: float, width_px: int, quality: int, field: str
) -> None:
    """Rate, width and quality are bounded."""
    with pytest.raises(InvalidInput) as refused:
        checked_wish(frozenset(), rate_hz, width_px, quality, overlays=False)
    assert refused.value.field == field


def test_too_many_cameras_are_refused() -> None:
    """One stream carries so many and no more."""
    names = frozenset(CameraId(f"c{number}") for number in range(65))
    with pytest.raises(InvalidInput) as refused:
        checked_wish(names, 0.0, 0, 0, overlays=False)
    assert refused.value.field == "camera_ids"


def test_viewers_of_one_rate_share_their_moments() -> None:
    """At 5 a second, pictures 50 ms apart mostly belong to one moment."""
    turns = [turn(100 + 0.05 * step, 5.0) for step in range(20)]
    assert len(set(turns)) == 5
