"""Documents: what is written is read back, and what is wrong is named."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidInput
from services.mapper.domain.documents import from_document, to_document
from services.mapper.domain.environment import (
    Box,
    BrownConrady,
    Calibration,
    Camera,
    Environment,
    FileSource,
    Floor,
    FloorPlan,
    FloorPoint,
    FrameTransform,
    ImagePoint,
    ImageSize,
    Lens,
    PointPair,
    Polygon,
    Source,
    Zone,
)
from services.mapper.domain.exported import (
    ExportedEnvironment,
    exported_camera,
    read_document,
    write_document,
)

FINITE = st.floats(-1e6, 1e6)
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone.
CAMERAS = st.builds(
    Camera,
    camera_id=st.just("north"),
    display_name=st.text(st.characters(codec="utf-8"), max_size=20),
    floor_id=st.just("ground"),
    source=st.builds(
        Source, st.builds(FileSource, st.just("a.avi"), st.none() | TIMES)
    ),
    transform=st.builds(
        FrameTransform,
        crop_region=st.none() | st.just(Box(0.0, 0.0, 10.0, 20.0)),
        scale=st.none() | st.floats(0.1, 4),
        colour_gain=st.just(()) | st.just((1.0, 0.5, 2.0)),
    ),
    max_rate_hz=st.none() | st.floats(0.1, 100),
    ignore_masks=st.lists(
        st.builds(
            Polygon,
            st.lists(st.builds(ImagePoint, FINITE, FINITE), min_size=3, max_size=5).map(
                tuple
            ),
        ),
        max_size=2,
    ).map(tuple),
    clock_offset=st.none() | st.timedeltas(timedelta(days=-9), timedelta(days=9)),
    bias_floor_m=st.none() | st.floats(0, 10),
)


def exported() -> ExportedEnvironment:
    """Return an environment with one of everything."""
    calibration = Calibration(
        image_to_floor=(0.01, 0.0, 0.0, 0.0, 0.01, 0.0, 0.0, 0.0, 1.0),
        image_size=ImageSize(640, 480),
        point_pairs=(PointPair(ImagePoint(1.0, 2.0), FloorPoint(0.1, 0.2)),),
        residual_rms_m=0.02,
        note="by hand",
        lens=Lens(500.0, 501.0, 320.0, 240.0, BrownConrady(k1=-0.1, k2=0.01)),
    )
    camera = Camera("north", source=Source(FileSource("a.avi")), floor_id="ground")
    corners = (FloorPoint(0.0, 0.0), FloorPoint(1.0, 0.0), FloorPoint(1.0, 1.0))
    return ExportedEnvironment(
        version=1,
        environment=Environment("plaza", "Plaza", (Floor("ground", "Ground"),)),
        cameras=(exported_camera(camera, calibration),),
        zones=(Zone("door", "Door", "ground", corners),),
        floor_plans=(
            FloorPlan("ground", b"\xff\xd8\xff\x00", (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)),
        ),
    )


def changed(path: list[str | int], value: object) -> str:
    """Return the document of `exported` with one place changed."""
    document = json.loads(write_document(exported()))
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(document)


@given(CAMERAS)
def test_cameras_survive_json(camera: Camera) -> None:
    """Any camera is read back as it was written."""
    text = json.dumps(to_document(camera))
    assert from_document(json.loads(text), Camera, "camera") == camera


def test_an_export_is_read_back() -> None:
    """A whole environment survives, and writing it again gives the same text."""
    text = write_document(exported())
    assert read_document(text) == exported()
    assert write_document(read_document(text)) == text


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (["version"], 2, "document.version"),
        (["version"], True, "document.version"),
        (["colour"], "red", "document.colour"),
        (["environment", "etag"], "x", "document.environment.etag"),
        (["environment", "environment_id"], 5, "document.environment.environment_id"),
        (["cameras"], {}, "document.cameras"),
        (["cameras", 0], [], "document.cameras[0]"),
        (["cameras", 0, "camera_id"], "NO", "document.cameras[0].camera_id"),
        (["cameras", 0, "source"], {}, "document.cameras[0].source"),
        (
            ["cameras", 0, "calibration", "lens", "fx_px"],
            0,
            "document.cameras[0].calibration.lens.fx_px",
        ),
        (
            ["cameras", 0, "calibration", "lens", "brown_conrady", "k9"],
            0,
            "document.cameras[0].calibration.lens.brown_conrady.k9",
        ),
        (
            ["cameras", 0, "calibration", "lens"],
            {"fx_px": 1},
            "document.cameras[0].calibration.lens.fy_px",
        ),
        (
            ["cameras", 0, "source", "file", "path"],
            " ",
            "document.cameras[0].source.file.path",
        ),
        (
            ["cameras", 0, "source", "file", "start_time"],
            "2026-01-01T00:00:00",
            "document.cameras[0].source.file.start_time",
        ),
        (["cameras", 0, "clock_offset"], "40ms", "document.cameras[0].clock_offset"),
        (["cameras", 0, "max_rate_hz"], -1, "document.cameras[0].max_rate_hz"),
        (["cameras", 0, "max_rate_hz"], "5", "document.cameras[0].max_rate_hz"),
        (["cameras", 0, "max_rate_hz"], 10**400, "document.cameras[0].max_rate_hz"),
        (["cameras", 0, "bias_floor_m"], -0.1, "document.cameras[0].bias_floor_m"),
        (
            ["cameras", 0, "calibration", "image_size", "width"],
            1.5,
            "document.cameras[0].calibration.image_size.width",
        ),
        (
            ["cameras", 0, "calibration", "image_to_floor"],
            [0] * 9,
            "document.cameras[0].calibration.image_to_floor",
        ),
        (["zones", 0, "corners", 1], {"x_m": 1}, "document.zones[0].corners[1].y_m"),
        (["zones", 0, "corners"], [], "document.zones[0].corners"),
        (["floor_plans", 0, "image"], "not base64", "document.floor_plans[0].image"),
        (["floor_plans", 0, "image"], "R0lG", "document.floor_plans[0].image"),
    ],
)
def test_wrong_documents_are_refused_by_path(
    path: list[str | int], value: object, field: str
) -> None:
    """Unknown, missing, mistyped and out-of-range values are named by their path."""
    with pytest.raises(InvalidInput) as caught:
        read_document(changed(path, value))
    assert caught.value.field == field


def test_a_name_that_is_there_twice_is_refused() -> None:
    """The second camera of a name is the one at fault."""
    document = json.loads(write_document(exported()))
    document["cameras"] *= 2
    with pytest.raises(InvalidInput) as caught:
        read_document(json.dumps(document))
    assert caught.value.field == "document.cameras[1].camera_id"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "[" * 100_000, '{"a":"\\ud800"}']
)
def test_what_is_no_document_is_refused(text: str) -> None:
    """Broken, deep and foreign JSON is refused, not crashed on."""
    with pytest.raises(InvalidInput):
        read_document(text)


def test_text_without_an_encoding_is_refused() -> None:
    """A lone surrogate, which no store can keep, is refused by path."""
    with pytest.raises(InvalidInput) as caught:
        read_document(changed(["environment", "display_name"], "\ud800"))
    assert caught.value.field == "document.environment.display_name"


def test_numbers_that_are_none_are_refused() -> None:
    """NaN, which some writers put into JSON, is refused by path."""
    with pytest.raises(InvalidInput) as caught:
        read_document(changed(["cameras", 0, "max_rate_hz"], float("nan")))
    assert caught.value.field == "document.cameras[0].max_rate_hz"
