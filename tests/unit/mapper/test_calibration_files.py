"""Calibration files of other systems: read, and refused by file and place."""

import re
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from services.common.errors import InvalidInput
from services.mapper.domain.calibration_files.opencv import read_opencv
from services.mapper.domain.calibration_files.qualisys import read_qualisys
from services.mapper.domain.calibration_files.source import FileCamera, SourceFile
from services.mapper.domain.calibration_files.wildtrack import read_wildtrack
from services.mapper.domain.environment import (
    BrownConrady,
    Fisheye,
    ImageSize,
    Lens,
)
from tests.unit.mapper.calibrated_rig import (
    CAMERAS,
    RigCamera,
    file_storage,
    opencv,
    qualisys,
    wildtrack,
)

FIRST = CAMERAS[0]
MATRIX = np.array([[500.0, 0.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]])


def source(name: str, content: str, index: int = 0) -> SourceFile:
    """Return a file of a request."""
    return SourceFile(name, content, f"files[{index}].content")


def assert_describes(found: FileCamera, camera: RigCamera, unit_m: float) -> None:
    """Check lens and pose of a camera that was read."""
    k1, k2, p1, p2 = camera.distortion
    assert found.name == camera.name
    assert found.lens.fx_px == pytest.approx(camera.focal_px)
    assert found.lens.fy_px == pytest.approx(camera.focal_px)
    assert (found.lens.cx_px, found.lens.cy_px) == pytest.approx(camera.centre_px)
    assert found.lens.brown_conrady == BrownConrady(k1, k2, p1, p2)
    assert found.pose is not None
    assert found.pose.rotation == pytest.approx(camera.rotation, abs=1e-9)
    translation_m = found.pose.translation * unit_m
    assert translation_m == pytest.approx(camera.translation_m)


def refused(read: Callable[[], object]) -> InvalidInput:
    """Return the error that reading ends with."""
    with pytest.raises(InvalidInput) as caught:
        read()
    return caught.value


def test_a_qualisys_file_gives_its_cameras() -> None:
    """Lens, size and pose of each camera come out in OpenCV's terms."""
    found = read_qualisys(source("rig.qca.txt", qualisys()))
    assert len(found) == len(CAMERAS)
    for one, camera in zip(found, CAMERAS, strict=True):
        assert_describes(one, camera, 0.001)
        assert one.image_size == ImageSize(1088, 1920)


def test_the_view_of_a_qualisys_camera_may_be_a_part_of_its_sensor() -> None:
    """The principal point is counted from the part's corner."""
    text = qualisys().replace('left="0"', 'left="100"').replace('top="0"', 'top="20"')
    found = read_qualisys(source("rig.qca.txt", text))[0]
    assert (found.lens.cx_px, found.lens.cy_px) == pytest.approx((440.0, 935.0))
    assert found.image_size == ImageSize(988, 1900)


@pytest.mark.parametrize(
    ("pattern", "instead", "message"),
    [
        (r"(?s).{200}\Z", "", "is not XML"),
        (r"(?s)\A.*\Z", "", "is not XML"),
        (r"\A<\?xml.*\?>", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "document type"),
        (r"(?s)\A.*\Z", "<cameras/>", "outermost element must be calibration"),
        (r"(?s)<cameras>.*</cameras>", "", "calibration/cameras: has no camera"),
        ('type="regular"', 'type="fisheye"', "type 'fisheye' are not supported"),
        (r'focalLengthU="\d+', 'focalLengthU="x', r"camera\[0\]/intrinsic/focalLength"),
        (r'focalLengthV="[^"]+"', "", "focalLengthV: is missing"),
        (r'r23="[^"]+"', 'r23="nan"', r"camera\[0\]/transform/r23: 'nan' is not a fin"),
        (r'r23="[^"]+"', 'r23="7"', r"camera\[0\]/transform: r11 to r33 are not a rot"),
        (r"<transform[^>]*>", "", r"camera\[0\]/transform/r11: is missing"),
        (r"<fov_video[^>]*>", "", r"camera\[0\]/fov_video/left: is missing"),
        ('skew="0.0', 'skew="0.1', r"camera\[0\]/intrinsic/skew: must be 0"),
        ('viewrotation="0"', 'viewrotation="90"', r"camera\[0\]/viewrotation"),
        ('serial="Cam 01"', "", r"camera\[0\]/serial: is missing"),
    ],
)
def test_bad_qualisys_files_are_refused_by_place(
    pattern: str, instead: str, message: str
) -> None:
    """The error names the file, the element and what is wrong with it."""
    text = re.sub(pattern, instead, qualisys(), count=1)
    error = refused(lambda: read_qualisys(source("rig.qca.txt", text)))
    assert error.field == "files[0].content"
    assert "'rig.qca.txt'" in error.message
    assert re.search(message, error.message)


@pytest.mark.parametrize("suffix", ["yml", "json", "xml"])
def test_an_opencv_file_gives_its_camera(suffix: str) -> None:
    """What OpenCV writes in each of its forms is read, whatever else is in it."""
    (found,) = read_opencv([source(f"rig/Cam 01.{suffix}", opencv(FIRST, suffix))])
    assert_describes(found, FIRST, 1.0)
    assert found.image_size == ImageSize(1088, 1920)


@pytest.mark.parametrize("suffix", ["yml", "json", "xml"])
def test_an_opencv_file_without_a_pose_gives_the_lens(suffix: str) -> None:
    """Eight coefficients are the rational model; size and pose may be missing."""
    values = np.array([0.5, 0.1, 1e-3, -1e-3, 0.01, 0.4, 0.05, 1e-17])
    text = file_storage(suffix, Camera_Matrix=MATRIX, Distortion_Coefficients=values)
    (found,) = read_opencv([source(f"hall.{suffix}", text)])
    assert found.lens == Lens(500.0, 510.0, 320.0, 240.0, BrownConrady(*values))
    assert found.image_size is None
    assert found.pose is None


def test_an_opencv_fisheye_is_told_apart() -> None:
    """With `fisheye_model` the four coefficients are those of the fisheye model."""
    values = np.array([-0.02, 0.01, -0.003, 5e-4])
    text = file_storage(
        "yml", fisheye_model=1, camera_matrix=MATRIX, distortion_coefficients=values
    )
    (found,) = read_opencv([source("dome.yml", text)])
    assert found.lens.fisheye == Fisheye(*values)
    assert found.lens.brown_conrady is None


def test_an_opencv_pose_may_be_a_matrix_in_another_file() -> None:
    """`intr_` and `extr_` belong together by what follows; R may be a matrix."""
    intrinsic = file_storage(
        "yml", camera_matrix=MATRIX, distortion_coefficients=np.zeros(5)
    )
    extrinsic = file_storage("json", R=FIRST.rotation, T=FIRST.translation_m)
    (found,) = read_opencv(
        [source("extr_a.json", extrinsic), source("intr_a.yml", intrinsic, 1)]
    )
    assert found.name == "a"
    assert found.pose is not None
    assert found.pose.rotation == pytest.approx(FIRST.rotation)
    assert found.pose.translation == pytest.approx(FIRST.translation_m)


@pytest.mark.parametrize("suffix", ["yml", "json", "xml"])
@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"camera_matrix": MATRIX[:2]}, "camera_matrix: needs 9 numbers, got 6"),
        ({"camera_matrix": np.zeros((3, 3))}, "camera_matrix: must be fx 0 cx"),
        ({"camera_matrix": MATRIX + 1}, "camera_matrix: must be fx 0 cx"),
        ({"camera_matrix": MATRIX * np.nan}, "camera_matrix: .* not a finite number"),
        ({"distortion_coefficients": np.zeros(6)}, "needs 4 or 5 or 8 or 12 or 14"),
        ({"distortion_coefficients": np.ones(12)}, "thin prisms"),
        ({"distortion_coefficients": np.full(5, np.inf)}, "not a finite number"),
        ({"fisheye_model": 1}, "distortion_coefficients: needs 4 numbers, got 5"),
        ({"rvec": np.zeros(3)}, "tvec: is missing"),
        ({"T": np.zeros(3)}, "R: is missing"),
        ({"R": np.ones((3, 3)), "T": np.zeros(3)}, "R: is not a rotation"),
        ({"image_width": 640}, "image_height: is missing"),
        ({"image_width": 640, "image_height": "tall"}, "image_height: .* not a fin"),
    ],
)
def test_bad_opencv_entries_are_refused_by_name(
    suffix: str, entries: dict[str, object], message: str
) -> None:
    """Each form names the entry that is missing, of the wrong size or no number."""
    good = {"camera_matrix": MATRIX, "distortion_coefficients": np.zeros(5)}
    text = file_storage(suffix, **(good | entries))
    error = refused(lambda: read_opencv([source(f"hall.{suffix}", text)]))
    assert error.field == "files[0].content"
    assert re.search(message, error.message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "neither YAML"),
        ("camera_matrix: 5", "neither YAML"),
        ("%YAML:1.0\n---\nhello", "line 3: is not `name: value`"),
        ("%YAML:1.0\na: 1\na: 2", "a: is there twice"),
        ("%YAML:1.0\ncamera_matrix: !!m\n   data: [ 1, 2", "camera_matrix: is cut off"),
        ('{"camera_matrix": {', "is not JSON"),
        ("{" + '"a": [' * 50_000, "is not JSON"),
        ('{"camera_matrix": {"rows": 3}}', "camera_matrix: needs 9 numbers"),
        ('{"camera_matrix": [[[1]]]}', "camera_matrix: needs 9 numbers"),
        ("<opencv_storage>", "is not XML"),
        ("<storage/>", "outermost element must be opencv_storage"),
        ("<opencv_storage/>", "camera_matrix: is missing"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><opencv_storage/>", "document type"),
        ("<opencv_storage>&b;</opencv_storage>", "is not XML"),
    ],
)
def test_texts_that_are_no_calibration_are_refused(content: str, message: str) -> None:
    """Other texts, cut ones and entities are refused with the file and the reason."""
    error = refused(lambda: read_opencv([source("hall.yml", content)]))
    assert error.field == "files[0].content"
    assert re.search(message, error.message)


@pytest.mark.parametrize("suffix", ["yml", "json", "xml", "qca.txt"])
def test_a_file_cut_anywhere_is_read_or_refused(suffix: str) -> None:
    """No part of a file leads to anything but cameras or a clear error."""
    whole = qualisys() if suffix == "qca.txt" else opencv(FIRST, suffix)
    fields = []
    for length in range(0, len(whole), 7):
        file = source(f"a.{suffix}", whole[:length])
        try:
            read_qualisys(file) if suffix == "qca.txt" else read_opencv([file])
        except InvalidInput as error:
            fields.append(error.field)
    assert len(fields) > len(whole) // 7 // 2
    assert set(fields) == {"files[0].content"}


def test_wildtrack_files_are_paired() -> None:
    """Two files make a camera; centimetres, and the data set's size of pictures."""
    files = []
    for camera in CAMERAS:
        intrinsic, extrinsic = wildtrack(camera)
        files.append(source(f"extr_{camera.name}.xml", extrinsic, len(files)))
        files.append(source(f"intr_{camera.name}.xml", intrinsic, len(files)))
    found = read_wildtrack(files)
    assert [one.field for one in found] == ["files[1].content", "files[3].content"]
    for one, camera in zip(found, CAMERAS, strict=True):
        assert_describes(one, camera, 0.01)
        assert one.image_size == ImageSize(1920, 1080)


@pytest.mark.parametrize(
    ("names", "message", "field"),
    [
        (("intr_a.xml", "extr_b.xml"), "no file that begins 'intr_'", 1),
        (("intr_a.xml", "b.xml"), "must be named intr_", 1),
        (("intr_a.xml", None), "no pose in extr_a", 0),
        (("extr_a.xml", "extr_a.xml"), "camera 'a' a second time", 1),
    ],
)
def test_unpaired_wildtrack_files_are_refused(
    names: tuple[str, str | None], message: str, field: int
) -> None:
    """The file that misses the other, or has another name, is named."""
    files = [
        source(name, content, index)
        for index, (name, content) in enumerate(
            zip(names, wildtrack(FIRST), strict=True)
        )
        if name is not None
    ]
    error = refused(lambda: read_wildtrack(files))
    assert error.field == f"files[{field}].content"
    assert message in error.message


def test_rotation_vectors_are_those_of_opencv() -> None:
    """A rotation vector becomes the matrix that OpenCV makes of it."""
    turn = np.array([0.4, -1.7, 2.0])
    text = file_storage(
        "yml",
        camera_matrix=MATRIX,
        distortion_coefficients=np.zeros(4),
        rvec=turn,
        tvec=np.zeros(3),
    )
    (found,) = read_opencv([source("a.yml", text)])
    assert found.pose is not None
    assert found.pose.rotation == pytest.approx(cv2.Rodrigues(turn)[0])
