"""Calibrations of Qualisys Track Manager, `.qca.txt`.

XML. Lengths in the picture are in 64ths of a pixel, those in the room in millimetres,
and the distortion is that of OpenCV, without unit. The rotation's rows are the
camera's axes in the room: x to the right, y upwards, z backwards.
"""

import xml.etree.ElementTree as ET

import numpy as np

from services.mapper.domain.calibration_files.markup import xml_root
from services.mapper.domain.calibration_files.rotation import is_rotation
from services.mapper.domain.calibration_files.source import FileCamera, Pose, SourceFile
from services.mapper.domain.environment import BrownConrady, ImageSize, Lens

METRES_PER_UNIT = 0.001

_SUBPIXELS = 64.0
_TO_OPENCV = np.diag([1.0, -1.0, -1.0])
"""From y up and z backwards to y down and z forwards."""


def read_qualisys(file: SourceFile) -> list[FileCamera]:
    """Return the cameras of a file.

    Raises:
        InvalidInput: Something is missing or unusable; its place is named.
    """
    root = xml_root(file, "calibration")
    if root.get("type", "regular") != "regular":
        message = f"calibrations of type {root.get('type')!r} are not supported"
        raise file.refusal("calibration", message)
    found = root.findall("cameras/camera")
    if not found:
        raise file.refusal("calibration/cameras", "has no camera")
    return [
        _Reader(file, camera, f"camera[{index}]").camera()
        for index, camera in enumerate(found)
    ]


class _Reader:
    """Reads one camera."""

    def __init__(self, file: SourceFile, camera: ET.Element, place: str) -> None:
        self._file = file
        self._camera = camera
        self._place = place

    def camera(self) -> FileCamera:
        name = self._camera.get("serial", "")
        if not name:
            raise self._file.refusal(f"{self._place}/serial", "is missing")
        if self._camera.get("viewrotation", "0") != "0":
            message = "a turned view is not supported"
            raise self._file.refusal(f"{self._place}/viewrotation", message)
        left, top = self._number("fov_video", "left"), self._number("fov_video", "top")
        right = self._number("fov_video", "right")
        bottom = self._number("fov_video", "bottom")
        return FileCamera(
            name=name,
            field=self._file.field,
            lens=self._lens(left, top),
            image_size=ImageSize(int(right - left) + 1, int(bottom - top) + 1),
            pose=self._pose(),
        )

    def _lens(self, left_px: float, top_px: float) -> Lens:
        if self._number("intrinsic", "skew") != 0:
            raise self._file.refusal(f"{self._place}/intrinsic/skew", "must be 0")
        return Lens(
            fx_px=self._number("intrinsic", "focalLengthU") / _SUBPIXELS,
            fy_px=self._number("intrinsic", "focalLengthV") / _SUBPIXELS,
            cx_px=self._number("intrinsic", "centerPointU") / _SUBPIXELS - left_px,
            cy_px=self._number("intrinsic", "centerPointV") / _SUBPIXELS - top_px,
            brown_conrady=BrownConrady(
                k1=self._number("intrinsic", "radialDistortion1"),
                k2=self._number("intrinsic", "radialDistortion2"),
                p1=self._number("intrinsic", "tangentalDistortion1"),
                p2=self._number("intrinsic", "tangentalDistortion2"),
                k3=self._number("intrinsic", "radialDistortion3"),
            ),
        )

    def _pose(self) -> Pose:
        axes = np.array(
            [
                [self._number("transform", f"r{row}{column}") for column in "123"]
                for row in "123"
            ]
        )
        if not is_rotation(axes):
            message = "r11 to r33 are not a rotation"
            raise self._file.refusal(f"{self._place}/transform", message)
        centre = np.array([self._number("transform", axis) for axis in "xyz"])
        rotation = _TO_OPENCV @ axes
        return Pose(rotation, -rotation @ centre)

    def _number(self, tag: str, attribute: str) -> float:
        element = self._camera.find(tag)
        text = None if element is None else element.get(attribute)
        return self._file.number(text, f"{self._place}/{tag}/{attribute}")
