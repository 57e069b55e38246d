"""Imported calibrations: brought to the floor and to what cameras deliver."""

import re
from dataclasses import replace

import numpy as np
import pytest

from services.common.errors import InvalidInput
from services.mapper.domain.calibration import geometry_of
from services.mapper.domain.calibration_files.source import SourceFile
from services.mapper.domain.calibration_import import (
    CalibrationFormat,
    CalibrationSource,
    geometry_for,
    match_cameras,
    read_cameras,
)
from services.mapper.domain.environment import (
    Box,
    Calibration,
    Camera,
    FrameTransform,
    ImageSize,
)
from services.mapper.domain.homography import FloatArray
from tests.unit.mapper.calibrated_rig import (
    CAMERAS,
    RigCamera,
    looking_at,
    opencv,
    qualisys,
    wildtrack,
)

FLOOR_M = np.array([[0.0, 0.0], [0.5, 0.3], [-0.4, 0.2], [0.1, -0.5]])
FIRST = CAMERAS[0]
CAMERA = Camera("cam-01")


def rig(*cameras: RigCamera) -> CalibrationSource:
    """Return a Qualisys file of cameras."""
    file = SourceFile("rig.qca.txt", qualisys(cameras), "files[0].content")
    return CalibrationSource(CalibrationFormat.QUALISYS, (file,), {})


def on_floor(height_m: float = 0.0) -> FloatArray:
    """Return points of the floor in the room."""
    return np.column_stack([FLOOR_M, np.full(len(FLOOR_M), height_m)])


def located(calibration: Calibration, points_px: FloatArray) -> FloatArray:
    """Return where on the floor pixels are."""
    homography, optics = geometry_of(calibration, "calibration")
    assert optics is not None
    return homography.map_points(optics.undistort(points_px)[0])


def imported(
    source: CalibrationSource, camera: Camera = CAMERA, index: int = 0
) -> Calibration:
    """Return the calibration of one of the cameras of files."""
    return geometry_for(source, read_cameras(source)[index], camera).calibration


def sources() -> list[CalibrationSource]:
    """Return the rig in every format."""
    texts = [opencv(one, "yml") for one in CAMERAS]
    pairs = [
        (f"{kind}_{camera.name}.xml", content)
        for camera in CAMERAS
        for kind, content in zip(("intr", "extr"), wildtrack(camera), strict=True)
    ]
    named = [
        (f"{one.name}.yml", text) for one, text in zip(CAMERAS, texts, strict=True)
    ]
    return [
        rig(*CAMERAS),
        CalibrationSource(CalibrationFormat.OPENCV, _files(named), {}),
        CalibrationSource(CalibrationFormat.WILDTRACK, _files(pairs), {}),
    ]


def _files(named: list[tuple[str, str]]) -> tuple[SourceFile, ...]:
    return tuple(
        SourceFile(name, content, f"files[{index}].content")
        for index, (name, content) in enumerate(named)
    )


@pytest.mark.parametrize("source", sources(), ids=lambda one: one.format)
def test_all_cameras_agree_on_points_of_the_floor(source: CalibrationSource) -> None:
    """What OpenCV projects into each picture is located where it is, in any format."""
    found = read_cameras(source)
    for described, camera in zip(found, CAMERAS, strict=True):
        geometry = geometry_for(source, described, CAMERA)
        seen_px = camera.see(on_floor())
        assert located(geometry.calibration, seen_px) == pytest.approx(
            FLOOR_M, abs=1e-6
        )
        assert geometry.position_m == pytest.approx(camera.position_m)


def test_a_real_rig_sees_its_origin_where_it_is() -> None:
    """The origin of a Qualisys room is at the pixel where the picture shows it."""
    camera = """<?xml version="1.0"?><calibration type="regular"><cameras>
      <camera serial="cam01" viewrotation="0">
      <fov_video bottom="1919" left="0" right="1087" top="0"/>
      <transform r11="0.55363805" r12="0.80467199" r13="0.21444791" r21="-0.43453007"
       r22="0.05946489" r23="0.89869213" r31="0.71040026" r32="-0.59073422"
       r33="0.38257621" x="1460.2324" y="-1909.1590" z="1896.5059"/>
      <intrinsic centerPointU="34110.3164" centerPointV="60680.7930"
       focalLengthU="107599.6719" focalLengthV="107588.8281"
       radialDistortion1="-0.046183" radialDistortion2="0.139983"
       radialDistortion3="0" skew="0" tangentalDistortion1="0.000608"
       tangentalDistortion2="0.00069"/></camera></cameras></calibration>"""
    source = replace(rig(FIRST), files=_files([("a.qca.txt", camera)]))
    origin_px = np.array([[719.0, 1502.0]])
    assert located(imported(source), origin_px) == pytest.approx(
        np.zeros((1, 2)), abs=0.01
    )


def test_the_floor_may_lie_above_the_origin() -> None:
    """Points at the floor's height are located, and heights count from the floor."""
    source = replace(rig(FIRST), floor_height_m=0.35)
    geometry = geometry_for(source, read_cameras(source)[0], CAMERA)
    seen_px = FIRST.see(on_floor(0.35))
    assert located(geometry.calibration, seen_px) == pytest.approx(FLOOR_M, abs=1e-6)
    assert geometry.position_m is not None
    assert geometry.position_m[2] == pytest.approx(FIRST.position_m[2] - 0.35)


def test_another_unit_and_other_axes_are_turned_to_the_floor() -> None:
    """A room with y up, in the given unit, gives the floor's x, y and metres."""
    turn = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    y_up = replace(
        FIRST, rotation=FIRST.rotation @ turn.T, position_m=turn @ FIRST.position_m / 2
    )
    source = replace(rig(y_up), axes="x,-z,y", metres_per_unit=0.002)
    geometry = geometry_for(source, read_cameras(source)[0], CAMERA)
    assert located(geometry.calibration, FIRST.see(on_floor())) == pytest.approx(
        FLOOR_M
    )
    assert geometry.position_m == pytest.approx(FIRST.position_m)


def test_crop_and_scale_of_the_camera_are_taken_into_account() -> None:
    """The calibration holds for the picture that is delivered, cut and scaled."""
    region = Box(100.0, 300.0, 800.0, 1400.0)
    camera = replace(CAMERA, transform=FrameTransform(region, 0.5))
    calibration = imported(replace(rig(FIRST), image_scale=0.75), camera)
    seen_px = (FIRST.see(on_floor()) * 0.75 - [100, 300]) * 0.5
    assert located(calibration, seen_px) == pytest.approx(FLOOR_M, abs=1e-6)
    assert calibration.image_size == ImageSize(350, 550)


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"axes": "x,y"}, "axes", "must be as x,y,z"),
        ({"axes": "x,x,z"}, "axes", "three different"),
        ({"axes": "x,-y,z"}, "axes", "right-handed"),
        ({"axes": "x,-y,-z"}, "axes", "camera 'Cam 01': would hang 2.2 m below"),
        ({"floor_height_m": 2.5}, "axes", "would hang 0.3 m below"),
        ({"floor_height_m": np.nan}, "floor_height_m", "not finite"),
        ({"metres_per_unit": 0.0}, "metres_per_unit", "larger than 0"),
        ({"image_scale": 4.5}, "image_scale", r"in \(0, 4\]"),
        ({"image_scale": 1e-9}, "image_scale", "from 1 to"),
        ({"image_size": ImageSize(0, 5)}, "image_size.width", "from 1 to"),
        ({"files": ()}, "files", "needs 1 to 200 entries"),
        ({"files": _files([("", "")])}, "files[0].name", "must not be empty"),
        (
            {"files": _files([("a", " " * (1024 * 1024 + 1))])},
            "files[0].content",
            "larger than 1 MiB",
        ),
        (
            {"files": rig(FIRST).files * 2},
            "files[0].content",
            "describes camera 'Cam 01' a second time",
        ),
    ],
)
def test_options_out_of_range_are_refused_by_field(
    change: dict[str, object], field: str, message: str
) -> None:
    """Axes, heights, units, sizes and files that cannot be are named."""
    source = replace(rig(FIRST), **change)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=message) as caught:
        imported(source)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("pattern", "instead", "message"),
    [
        (r'focalLengthU="', 'focalLengthU="-', "lens.fx_px: must be larger than 0"),
        (r'Distortion2="0.14', 'Distortion2="9e9', "lens.brown_conrady.k2: must be in"),
        (r'centerPointV="[\d.]+', 'centerPointV="9e6', "lower edge does not|horizon"),
        (r'right="1087"', 'right="99999"', "must be from 1 to"),
    ],
)
def test_unusable_cameras_are_refused_by_name(
    pattern: str, instead: str, message: str
) -> None:
    """The error names the camera and what is wrong with it."""
    text = re.sub(pattern, instead, qualisys(), count=1)
    source = replace(rig(FIRST), files=_files([("a.qca.txt", text)]))
    with pytest.raises(InvalidInput, match=f"camera 'Cam 01': .*({message})"):
        imported(source)


def test_a_camera_that_looks_up_is_refused() -> None:
    """The side of the horizon that would be taken for floor must be floor."""
    upward = looking_at("Up", (3.0, -4.0, 2.2), (0.0, 0.0, 9.0))
    with pytest.raises(InvalidInput, match=r"camera 'Up': .*does not show the floor"):
        imported(rig(upward))


def test_a_crop_larger_than_the_picture_is_refused() -> None:
    """A camera cut for other pictures than those of the file is named."""
    region = Box(0.0, 0.0, 1920.0, 1080.0)
    camera = replace(CAMERA, transform=FrameTransform(region))
    with pytest.raises(InvalidInput, match="camera 'Cam 01': picture: has 1088x1920"):
        imported(rig(FIRST), camera)


def test_the_size_must_be_known() -> None:
    """A file without a size needs one in the request, and then has it."""
    text = opencv(FIRST, "xml").replace("image_width", "w").replace("image_height", "h")
    source = CalibrationSource(CalibrationFormat.OPENCV, _files([("a.xml", text)]), {})
    with pytest.raises(InvalidInput, match="needed") as caught:
        imported(source)
    assert caught.value.field == "image_size"
    size = ImageSize(1088, 1920)
    assert imported(replace(source, image_size=size)).image_size == size


def test_names_stand_for_cameras() -> None:
    """A stated camera comes before the one of the same name; others are left out."""
    found = read_cameras(rig(*CAMERAS))
    there = ["cam-01", "cam-02", "north"]
    assert list(match_cameras(found, {}, there)) == ["cam-01", "cam-02"]
    stated = match_cameras(found, {"Cam 02": "north"}, there)
    assert {key: one.name for key, one in stated.items()} == {
        "cam-01": "Cam 01",
        "north": "Cam 02",
    }
    assert match_cameras(found, {}, ["north"]) == {}


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"Cam 9": "north"}, "no file has a camera 'Cam 9'"),
        ({"Cam 01": "south"}, "the environment has no camera 'south'"),
        ({"Cam 01": "cam-02"}, "two names stand for camera 'cam-02'"),
    ],
)
def test_names_that_stand_for_nothing_are_refused(
    stated: dict[str, str], message: str
) -> None:
    """Unknown names, unknown cameras and cameras named twice are refused."""
    found = read_cameras(rig(*CAMERAS))
    with pytest.raises(InvalidInput, match=message) as caught:
        match_cameras(found, stated, ["cam-01", "cam-02", "north"])
    assert caught.value.field == "camera_ids"
