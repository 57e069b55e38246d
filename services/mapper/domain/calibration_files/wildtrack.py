"""Calibrations of WILDTRACK: two files of OpenCV's XML for each camera.

Chavdarova et al., "WILDTRACK: A multi-camera HD dataset for dense unscripted
pedestrian detection", 2018. The room is in centimetres, the floor is z = 0.
"""

from collections.abc import Sequence
from dataclasses import replace

from services.mapper.domain.calibration_files.opencv import (
    EXTRINSIC,
    INTRINSIC,
    read_opencv,
)
from services.mapper.domain.calibration_files.source import FileCamera, SourceFile
from services.mapper.domain.environment import ImageSize

METRES_PER_UNIT = 0.01

_IMAGE_SIZE = ImageSize(1920, 1080)
"""Size of the data set's pictures, which the files do not tell."""


def read_wildtrack(files: Sequence[SourceFile]) -> list[FileCamera]:
    """Return the cameras of pairs of files, `intr_<camera>.xml` and `extr_….xml`.

    Raises:
        InvalidInput: Something is missing or unusable; its place is named.
    """
    for file in files:
        if not file.stem.startswith((INTRINSIC, EXTRINSIC)):
            message = f"must be named {INTRINSIC}<camera> or {EXTRINSIC}<camera>"
            raise file.refusal("", message)
    cameras = read_opencv(files)
    for camera in cameras:
        if camera.pose is None:
            file = next(one for one in files if one.field == camera.field)
            message = f"there is no pose in {EXTRINSIC}{camera.name}"
            raise file.refusal("", message)
    return [replace(one, image_size=one.image_size or _IMAGE_SIZE) for one in cameras]
