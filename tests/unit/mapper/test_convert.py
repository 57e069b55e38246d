"""Messages to values and back; checks of what callers send."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from services.common.errors import InvalidInput
from services.mapper.convert.environment import (
    calibration_from_proto,
    calibration_to_proto,
    camera_from_proto,
    camera_to_proto,
    environment_from_proto,
    environment_to_proto,
    zone_from_proto,
    zone_to_proto,
)
from services.mapper.convert.lens import lens_from_proto, lens_to_proto
from services.mapper.convert.projection import foot_points_from_proto
from services.mapper.domain.checks import check_camera, check_environment, check_zone
from services.mapper.domain.environment import Environment, Floor, Perception
from services.mapper.domain.paging import PageRequest, page_of
from services.mapper.domain.stored import Stored, StoredCamera
from spoton.common.v1 import geometry_pb2
from spoton.mapper.v1 import environment_pb2

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def camera_message() -> environment_pb2.Camera:
    """Return a camera with every field that a client may set."""
    message = environment_pb2.Camera(
        environment_id="plaza",
        camera_id="north",
        display_name="North",
        floor_id="ground",
        max_rate_hz=5.0,
        bias_floor_m=0.0,
        etag="e1",
        calibration_revision=3,
    )
    message.source.file.path = "a.avi"
    message.source.file.start_time.FromDatetime(NOW)
    message.transform.crop_region.x_max = 400
    message.transform.crop_region.y_max = 300
    message.transform.scale = 2.0
    message.transform.colour_gain.extend([1, 2, 3])
    message.transform.colour_offset.extend([-1, 0, 1])
    for x, y in ((0, 0), (1, 0), (1, 1)):
        (message.ignore_masks or [message.ignore_masks.add()])[0].corners.add(x=x, y=y)
    message.clock_offset.FromTimedelta(timedelta(seconds=-1.5))
    return message


@pytest.mark.parametrize(
    "perception",
    [
        None,
        environment_pb2.Perception(
            detector_model_id="yolox:s", embedder_model_id="clip", tracker="boxmot:oc"
        ),
    ],
)
def test_an_environment_survives_conversion(
    perception: environment_pb2.Perception | None,
) -> None:
    """Message to value and back gives the same message, with models or without."""
    message = environment_pb2.Environment(
        environment_id="plaza", display_name="Plaza", etag="e", perception=perception
    )
    message.floors.add(floor_id="ground", display_name="Ground")
    message.privacy.blur_heads = True
    message.create_time.FromDatetime(NOW)
    message.update_time.FromDatetime(NOW)
    stored = Stored(environment_from_proto(message), "e", NOW, NOW)
    assert environment_to_proto(stored) == message


def test_a_camera_survives_conversion() -> None:
    """Message to value and back gives the same message."""
    message = camera_message()
    stored = StoredCamera(Stored(camera_from_proto(message), "e1", NOW, NOW), 3)
    assert camera_to_proto("plaza", stored) == message


def test_an_empty_camera_stays_empty() -> None:
    """Fields that are absent do not appear."""
    message = environment_pb2.Camera(environment_id="plaza", camera_id="north")
    message.source.file.path = "a.avi"
    stored = StoredCamera(Stored(camera_from_proto(message), "", NOW, NOW), 0)
    assert camera_to_proto("plaza", stored) == message


def test_a_calibration_survives_conversion() -> None:
    """Message to value and back gives the same message."""
    message = environment_pb2.Calibration(
        environment_id="plaza",
        camera_id="north",
        image_to_floor=range(9),
        image_size=geometry_pb2.ImageSize(width=640, height=480),
        residual_rms_m=0.0,
        note="n",
    )
    message.point_pairs.add().image.x = 5
    message.point_pairs[0].floor.y_m = 7
    value = calibration_from_proto(message)
    assert calibration_to_proto("plaza", "north", value) == message


@pytest.mark.parametrize("kind", ["", "brown_conrady", "fisheye"])
def test_a_lens_survives_conversion(kind: str) -> None:
    """Message to value and back gives the same message, whatever the distortion."""
    message = environment_pb2.Lens(fx_px=1.0, fy_px=2.0, cx_px=3.0, cy_px=4.0)
    if kind:
        distortion = getattr(message, kind)
        for index, field in enumerate(distortion.DESCRIPTOR.fields):
            setattr(distortion, field.name, 0.1 * (index + 1))
    assert lens_to_proto(lens_from_proto(message)) == message
    calibration = environment_pb2.Calibration(environment_id="a", camera_id="b")
    calibration.image_size.width = 1
    calibration.lens.CopyFrom(message)
    value = calibration_from_proto(calibration)
    assert calibration_to_proto("a", "b", value) == calibration


def test_a_zone_survives_conversion() -> None:
    """Message to value and back gives the same message."""
    message = environment_pb2.Zone(
        environment_id="plaza", zone_id="door", floor_id="ground", etag="e"
    )
    message.corners.add(x_m=1, y_m=2)
    stored = Stored(zone_from_proto(message), "e", NOW, NOW)
    assert zone_to_proto("plaza", stored) == message


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda c: c.ClearField("source"), "camera.source"),
        (lambda c: c.source.file.ClearField("path"), "camera.source.file.path"),
        (lambda c: setattr(c, "camera_id", "-"), "camera.camera_id"),
        (lambda c: setattr(c, "display_name", "x" * 201), "camera.display_name"),
        (lambda c: setattr(c, "max_rate_hz", 0), "camera.max_rate_hz"),
        (lambda c: setattr(c, "max_rate_hz", math.nan), "camera.max_rate_hz"),
        (lambda c: setattr(c, "bias_floor_m", -1), "camera.bias_floor_m"),
        (lambda c: setattr(c, "bias_floor_m", math.inf), "camera.bias_floor_m"),
        (lambda c: setattr(c.transform, "scale", 0), "camera.transform.scale"),
        (lambda c: setattr(c.transform, "scale", 4.1), "camera.transform.scale"),
        (lambda c: c.transform.colour_gain.pop(), "camera.transform.colour_gain"),
        (
            lambda c: c.transform.colour_gain.__setitem__(1, math.nan),
            "camera.transform.colour_gain[1]",
        ),
        (
            lambda c: c.transform.colour_offset.__setitem__(2, 256),
            "camera.transform.colour_offset[2]",
        ),
        (
            lambda c: setattr(c.transform.crop_region, "x_min", 400),
            "camera.transform.crop_region.x_max",
        ),
        (
            lambda c: setattr(c.transform.crop_region, "y_min", -1),
            "camera.transform.crop_region.y_min",
        ),
        (
            lambda c: setattr(c.transform.crop_region, "y_max", math.nan),
            "camera.transform.crop_region.y_max",
        ),
        (
            lambda c: c.ignore_masks[0].corners.pop(),
            "camera.ignore_masks[0].corners",
        ),
        (
            lambda c: setattr(c.ignore_masks[0].corners[1], "y", math.inf),
            "camera.ignore_masks[0].corners[1].y",
        ),
        (
            lambda c: setattr(c.source.file.start_time, "nanos", -5),
            "camera.source.file.start_time",
        ),
        (
            lambda c: setattr(c.clock_offset, "seconds", 10**15),
            "camera.clock_offset",
        ),
    ],
)
def test_bad_cameras_are_refused_by_field(
    spoil: Callable[[environment_pb2.Camera], object], field: str
) -> None:
    """Each field out of range is named."""
    message = camera_message()
    spoil(message)
    with pytest.raises(InvalidInput) as caught:
        check_camera(camera_from_proto(message), "camera")
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("environment", "field"),
    [
        (Environment(""), "environment.environment_id"),
        (Environment("a", "x" * 201), "environment.display_name"),
        (Environment("a", "\x00"), "environment.display_name"),
        (Environment("a", "", (Floor("G"),)), "environment.floors[0].floor_id"),
        (
            Environment("a", "", (Floor("g"), Floor("g"))),
            "environment.floors[1].floor_id",
        ),
        (
            Environment("a", perception=Perception("x" * 101)),
            "environment.perception.detector_model_id",
        ),
        (
            Environment("a", perception=Perception(embedder_model_id="a/b")),
            "environment.perception.embedder_model_id",
        ),
        (
            Environment("a", perception=Perception(tracker="boxmot:\n")),
            "environment.perception.tracker",
        ),
    ],
)
def test_bad_environments_are_refused_by_field(
    environment: Environment, field: str
) -> None:
    """Ids, texts, repeated levels and names of models are named."""
    with pytest.raises(InvalidInput) as caught:
        check_environment(environment, "environment")
    assert caught.value.field == field


@pytest.mark.parametrize("count", [0, 2, 257])
def test_zones_have_3_to_256_corners(count: int) -> None:
    """Fewer and more corners are refused."""
    message = environment_pb2.Zone(zone_id="door")
    for index in range(count):
        message.corners.add(x_m=index)
    with pytest.raises(InvalidInput) as caught:
        check_zone(zone_from_proto(message), "zone")
    assert caught.value.field == "zone.corners"


@pytest.mark.parametrize(
    ("sigma_px", "visibility", "field"),
    [
        (0.0, 1.0, "foot_points[1].sigma_px"),
        (math.inf, 1.0, "foot_points[1].sigma_px"),
        (1.0, 1.01, "foot_points[1].visibility"),
        (1.0, math.nan, "foot_points[1].visibility"),
    ],
)
def test_bad_foot_points_are_refused_by_index(
    sigma_px: float, visibility: float, field: str
) -> None:
    """A sigma that is not positive and a visibility out of range are named."""
    good = geometry_pb2.FootPoint(sigma_px=1.0, visibility=1.0)
    bad = geometry_pb2.FootPoint(sigma_px=sigma_px, visibility=visibility)
    with pytest.raises(InvalidInput) as caught:
        foot_points_from_proto([good, bad])
    assert caught.value.field == field


def test_pages_follow_each_other() -> None:
    """The token of a page leads to the entry after its last."""
    page = page_of(["a", "b", "c"], 2, "letters", lambda letter: letter)
    assert page.entries == ("a", "b")
    assert PageRequest(token=page.next_page_token).after("letters") == "b"
    assert page_of(["c"], 2, "letters", lambda letter: letter).next_page_token == ""
    with pytest.raises(InvalidInput):
        PageRequest(token=page.next_page_token).after("digits")
