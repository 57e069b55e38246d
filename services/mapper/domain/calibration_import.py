"""Calibrations of other systems: read, matched to cameras, brought to their floor."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from services.common.errors import InvalidInput
from services.mapper.domain.calibration import checked_calibration, geometry_of
from services.mapper.domain.calibration_files import opencv, qualisys, wildtrack
from services.mapper.domain.calibration_files.source import (
    FileCamera,
    SourceFile,
)
from services.mapper.domain.checks import (
    check_count,
    check_image_size,
    check_text,
)
from services.mapper.domain.environment import (
    Calibration,
    Camera,
    ImageSize,
)
from services.mapper.domain.floor_plane import (
    FloorPlane,
    camera_position_m,
    floor_plane,
    image_to_floor,
)
from services.mapper.domain.homography import FloatArray
from services.mapper.domain.lens import optics_of
from services.mapper.domain.picture import scaled, transformed

MAX_FILES = 200
MAX_FILE_CHARACTERS = 1024 * 1024
MAX_SCALE = 4.0
DEFAULT_AXES = "x,y,z"
_OPTIONS = ("axes", "image_size", "image_scale")
"""Fields of the request, beside its files, that may not suit a camera."""


class CalibrationFormat(StrEnum):
    """How files are written."""

    QUALISYS = "Qualisys"
    OPENCV = "OpenCV"
    WILDTRACK = "WILDTRACK"


_METRES_PER_UNIT = {
    CalibrationFormat.QUALISYS: qualisys.METRES_PER_UNIT,
    CalibrationFormat.OPENCV: opencv.METRES_PER_UNIT,
    CalibrationFormat.WILDTRACK: wildtrack.METRES_PER_UNIT,
}


@dataclass(frozen=True, slots=True)
class CalibrationSource:
    """Files, and how what they tell is to be taken.

    Attributes:
        format: How the files are written.
        files: The files.
        camera_ids: Cameras by the names in the files, where those differ.
        floor_height_m: Height of the floor above the files' origin.
        metres_per_unit: Length of the files' unit; None for that of the format.
        axes: The files' axes along the floor's x, its y, and up.
        image_size: Size of the pictures, where the files do not tell.
        image_scale: Factor from those pictures to the ones that cameras deliver.
    """

    format: CalibrationFormat
    files: tuple[SourceFile, ...]
    camera_ids: Mapping[str, str]
    floor_height_m: float = 0.0
    metres_per_unit: float | None = None
    axes: str = DEFAULT_AXES
    image_size: ImageSize | None = None
    image_scale: float = 1.0

    def plane(self) -> FloorPlane:
        """Return where the floor is, checked."""
        unit_m = self.metres_per_unit
        if unit_m is None:
            unit_m = _METRES_PER_UNIT[self.format]
        return floor_plane(self.axes, unit_m, self.floor_height_m)


@dataclass(frozen=True, slots=True)
class ImportedGeometry:
    """What files tell about one camera.

    Attributes:
        calibration: Ready to be stored; without a homography where there is no pose.
        position_m: float64, shape (3,), where it is, up from the floor; None where
            there is no pose.
    """

    calibration: Calibration
    position_m: FloatArray | None


def read_cameras(source: CalibrationSource) -> list[FileCamera]:
    """Return the cameras that files describe, each name once.

    Raises:
        InvalidInput: A file or an option is not usable; it is named.
    """
    source.plane()
    if source.image_size is not None:
        check_image_size(source.image_size, "image_size")
    if not 0 < source.image_scale <= MAX_SCALE:
        message = f"must be in (0, {MAX_SCALE:g}], got {source.image_scale}"
        raise InvalidInput(message, field="image_scale")
    _check_files(source.files)
    cameras = _read(source)
    seen: set[str] = set()
    for camera in cameras:
        if camera.name in seen:
            message = f"describes camera {camera.name[:80]!r} a second time"
            raise InvalidInput(message, field=camera.field)
        seen.add(camera.name)
    return cameras


def match_cameras(
    cameras: Sequence[FileCamera],
    stated: Mapping[str, str],
    camera_ids: Iterable[str],
) -> dict[str, FileCamera]:
    """Return the cameras of files by the camera_id that each stands for, ordered.

    Args:
        cameras: Cameras of files.
        stated: Cameras by the names in the files, where those differ.
        camera_ids: Cameras that there are.

    Raises:
        InvalidInput: `stated` has a name that is in no file or a camera that does not
            exist, or two names stand for one camera.
    """
    existing = set(camera_ids)
    names = {camera.name for camera in cameras}
    for name, camera_id in stated.items():
        if name not in names:
            message = f"no file has a camera {name[:80]!r}"
            raise InvalidInput(message, field="camera_ids")
        if camera_id not in existing:
            message = f"the environment has no camera {camera_id[:80]!r}"
            raise InvalidInput(message, field="camera_ids")
    matched: dict[str, FileCamera] = {}
    for camera in cameras:
        camera_id = stated.get(camera.name, camera_id_of(camera.name))
        if camera_id in matched:
            message = f"two names stand for camera {camera_id[:80]!r}"
            raise InvalidInput(message, field="camera_ids")
        if camera_id in existing:
            matched[camera_id] = camera
    return dict(sorted(matched.items()))


def camera_id_of(name: str) -> str:
    """Return the camera_id that is nearest to a name.

    >>> camera_id_of("CVLab 1")
    'cvlab-1'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def geometry_for(
    source: CalibrationSource, described: FileCamera, camera: Camera
) -> ImportedGeometry:
    """Return what files tell about one camera, for the pictures that it delivers.

    Raises:
        InvalidInput: The lens is not usable, the size of the picture is unknown or
            its crop does not fit, or the camera does not look at the floor; the
            camera is named.
    """
    try:
        return _geometry(source, described, camera)
    except InvalidInput as error:
        option = error.field.partition(".")[0]
        stated = option in _OPTIONS
        where = "" if stated or not error.field else f"{error.field}: "
        message = f"camera {described.name[:80]!r}: {where}{error.message}"
        field = option if stated else described.field
        raise InvalidInput(message, field=field) from None


def _geometry(
    source: CalibrationSource, described: FileCamera, camera: Camera
) -> ImportedGeometry:
    size = described.image_size or source.image_size
    if size is None:
        raise InvalidInput("is needed, as the file does not tell", field="image_size")
    check_image_size(size, "picture")
    optics_of(described.lens, "lens")
    lens, size = scaled(described.lens, size, source.image_scale)
    check_image_size(size, "image_scale")
    lens, size = transformed(lens, size, camera.transform, "picture")
    note = f"imported from {source.format}"
    if described.pose is None:
        return ImportedGeometry(Calibration((), size, note=note, lens=lens), None)
    pose = source.plane().in_metres(described.pose)
    position_m = camera_position_m(pose)
    if not position_m[2] > 0:
        message = f"would hang {-position_m[2]:.3g} m below the floor"
        raise InvalidInput(message, field="axes")
    matrix = image_to_floor(lens, pose)
    values = tuple(matrix.ravel().tolist())
    calibration = Calibration(values, size, note=note, lens=lens)
    _require_floor_below(calibration, matrix)
    return ImportedGeometry(checked_calibration(calibration, "calibration"), position_m)


def _require_floor_below(calibration: Calibration, matrix: FloatArray) -> None:
    """Refuse a camera whose lowest pixels do not show the floor.

    A stored calibration does not say on which side of the horizon the floor is: the
    lowest pixel decides. The matrix of a known pose does say it.
    """
    homography, _ = geometry_of(calibration, "")
    if np.sum(homography.matrix * matrix) < 0:
        message = "the middle of its picture's lower edge does not show the floor"
        raise InvalidInput(message)


def _check_files(files: Sequence[SourceFile]) -> None:
    check_count(files, 1, MAX_FILES, "files")
    for index, file in enumerate(files):
        path = f"files[{index}].name"
        check_text(file.name, path)
        if not file.name:
            raise InvalidInput("must not be empty", field=path)
        if len(file.content) > MAX_FILE_CHARACTERS:
            raise InvalidInput("is larger than 1 MiB", field=file.field)


def _read(source: CalibrationSource) -> list[FileCamera]:
    match source.format:
        case CalibrationFormat.QUALISYS:
            return [
                camera
                for file in source.files
                for camera in qualisys.read_qualisys(file)
            ]
        case CalibrationFormat.OPENCV:
            return opencv.read_opencv(source.files)
        case CalibrationFormat.WILDTRACK:
            return wildtrack.read_wildtrack(source.files)
