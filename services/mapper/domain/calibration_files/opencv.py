"""Calibrations written with OpenCV, in the names of its samples.

A camera has one file, or two whose names differ by the beginnings `intr_` and `extr_`:
its optics, and its pose as a rotation (`rvec`, or `R`) and a translation (`tvec`, or
`T`) from the world to the camera. Without a pose there is only the lens.
"""

from collections.abc import Sequence

import numpy as np

from services.mapper.domain.calibration_files.rotation import is_rotation, rotation_of
from services.mapper.domain.calibration_files.source import FileCamera, Pose, SourceFile
from services.mapper.domain.calibration_files.storage import Storage, read_storage
from services.mapper.domain.environment import BrownConrady, Fisheye, ImageSize, Lens
from services.mapper.domain.homography import FloatArray

METRES_PER_UNIT = 1.0

INTRINSIC, EXTRINSIC = "intr_", "extr_"
_POSES = (("rvec", "tvec"), ("R", "T"))


def read_opencv(files: Sequence[SourceFile]) -> list[FileCamera]:
    """Return the cameras of files.

    Raises:
        InvalidInput: Something is missing or unusable; its place is named.
    """
    extrinsics: dict[str, Storage] = {}
    for file in files:
        if file.stem.startswith(EXTRINSIC):
            name = file.stem.removeprefix(EXTRINSIC)
            if name in extrinsics:
                raise file.refusal("", f"describes camera {name!r} a second time")
            extrinsics[name] = read_storage(file)
    cameras = []
    for file in files:
        if not file.stem.startswith(EXTRINSIC):
            name, storage = file.stem.removeprefix(INTRINSIC), read_storage(file)
            cameras.append(_camera(name, storage, extrinsics.pop(name, storage)))
    for storage in extrinsics.values():
        raise storage.file.refusal("", f"there is no file that begins {INTRINSIC!r}")
    return cameras


def _camera(name: str, storage: Storage, extrinsic: Storage) -> FileCamera:
    return FileCamera(
        name=name,
        field=storage.file.field,
        lens=_lens(storage),
        image_size=_image_size(storage),
        pose=_pose(extrinsic),
    )


def _lens(storage: Storage) -> Lens:
    matrix = storage.numbers("camera_matrix", 9)
    if np.any(matrix[[1, 3, 6, 7]] != 0) or matrix[8] != 1:
        message = "must be fx 0 cx, 0 fy cy, 0 0 1"
        raise storage.file.refusal("camera_matrix", message)
    fisheye = storage.has("fisheye_model") and storage.number("fisheye_model") != 0
    return Lens(
        fx_px=float(matrix[0]),
        fy_px=float(matrix[4]),
        cx_px=float(matrix[2]),
        cy_px=float(matrix[5]),
        brown_conrady=None if fisheye else _brown_conrady(storage),
        fisheye=_fisheye(storage) if fisheye else None,
    )


def _brown_conrady(storage: Storage) -> BrownConrady:
    values = storage.numbers("distortion_coefficients", 4, 5, 8, 12, 14)
    if np.any(values[8:] != 0):
        message = "thin prisms and tilted sensors, values 9 to 14, are not supported"
        raise storage.file.refusal("distortion_coefficients", message)
    return BrownConrady(*values[:8].tolist())


def _fisheye(storage: Storage) -> Fisheye:
    return Fisheye(*storage.numbers("distortion_coefficients", 4).tolist())


def _image_size(storage: Storage) -> ImageSize | None:
    if not storage.has("image_width") and not storage.has("image_height"):
        return None
    sides = storage.number("image_width"), storage.number("image_height")
    return ImageSize(*map(int, sides))


def _pose(storage: Storage) -> Pose | None:
    for turn, shift in _POSES:
        if storage.has(turn) or storage.has(shift):
            rotation = _rotation(storage, turn)
            return Pose(rotation, storage.numbers(shift, 3))
    return None


def _rotation(storage: Storage, name: str) -> FloatArray:
    values = storage.numbers(name, 3, 9)
    if len(values) == 3:
        return rotation_of(values)
    matrix: FloatArray = values.reshape(3, 3)
    if not is_rotation(matrix):
        raise storage.file.refusal(name, "is not a rotation")
    return matrix
