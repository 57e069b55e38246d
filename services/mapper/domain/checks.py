"""Checks of what callers send. Each raises InvalidInput with the path of the field."""

import math
import re
from collections.abc import Sequence

from services.common.errors import InvalidInput
from services.common.ids import require_resource_id
from services.common.outgoing.url import read_url
from services.mapper.domain.environment import (
    Box,
    Camera,
    Environment,
    FloorPlan,
    FrameTransform,
    ImagePoint,
    ImageSize,
    Perception,
    Source,
    Zone,
)

MAX_TEXT = 200
"""Most characters of a display name or a note."""

MAX_SIDE_PX = 16384
"""Largest width and height of a picture, pixels."""

MAX_PLAN_BYTES = 16 * 1024 * 1024
"""Largest file of a floor plan."""

MAX_FLOORS = 200
MAX_MASKS = 200
CORNERS = (3, 256)
_MODEL_NAME = re.compile(r"[A-Za-z0-9._:-]{0,100}")
_PLAN_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def check_environment(environment: Environment, path: str) -> None:
    """Check an environment's own fields."""
    require_resource_id(environment.environment_id, f"{path}.environment_id")
    check_text(environment.display_name, f"{path}.display_name")
    if len(environment.floors) > MAX_FLOORS:
        raise InvalidInput(f"has more than {MAX_FLOORS} levels", field=f"{path}.floors")
    seen: set[str] = set()
    for index, floor in enumerate(environment.floors):
        place = f"{path}.floors[{index}]"
        require_resource_id(floor.floor_id, f"{place}.floor_id")
        check_text(floor.display_name, f"{place}.display_name")
        if floor.floor_id in seen:
            message = f"names level {floor.floor_id!r} twice"
            raise InvalidInput(message, field=f"{place}.floor_id")
        seen.add(floor.floor_id)
    _check_perception(environment.perception, f"{path}.perception")


def check_camera(camera: Camera, path: str) -> None:
    """Check a camera, except that its level exists."""
    require_resource_id(camera.camera_id, f"{path}.camera_id")
    check_text(camera.display_name, f"{path}.display_name")
    _check_source(camera.source, f"{path}.source")
    _check_transform(camera.transform, f"{path}.transform")
    if camera.max_rate_hz is not None:
        check_positive(camera.max_rate_hz, f"{path}.max_rate_hz")
    if camera.bias_floor_m is not None and not 0 <= camera.bias_floor_m < math.inf:
        raise InvalidInput("must be 0 or more", field=f"{path}.bias_floor_m")
    if len(camera.ignore_masks) > MAX_MASKS:
        message = f"has more than {MAX_MASKS} masks"
        raise InvalidInput(message, field=f"{path}.ignore_masks")
    for index, mask in enumerate(camera.ignore_masks):
        _check_corners(mask.corners, f"{path}.ignore_masks[{index}].corners")


def check_zone(zone: Zone, path: str) -> None:
    """Check a zone, except that its level exists and that its border is simple."""
    require_resource_id(zone.zone_id, f"{path}.zone_id")
    check_text(zone.display_name, f"{path}.display_name")
    check_count(zone.corners, *CORNERS, f"{path}.corners")
    for index, corner in enumerate(zone.corners):
        check_finite(corner.x_m, f"{path}.corners[{index}].x_m")
        check_finite(corner.y_m, f"{path}.corners[{index}].y_m")


def check_floor_plan(plan: FloorPlan, path: str) -> None:
    """Check a floor plan, except that its level exists."""
    require_resource_id(plan.floor_id, f"{path}.floor_id")
    if len(plan.image) > MAX_PLAN_BYTES:
        raise InvalidInput("is larger than 16 MiB", field=f"{path}.image")
    if not plan.image.startswith(_PLAN_SIGNATURES):
        raise InvalidInput("is not a PNG or JPEG file", field=f"{path}.image")
    place = f"{path}.image_to_floor"
    check_count(plan.image_to_floor, 6, 6, place)
    for index, value in enumerate(plan.image_to_floor):
        check_finite(value, f"{place}[{index}]")
    a, b, _, c, d, _ = plan.image_to_floor
    if not abs(a * d - b * c) > 0:
        raise InvalidInput("squeezes the plan onto a line", field=place)


def check_image_size(size: ImageSize, path: str) -> None:
    """Check the size of a picture."""
    for name, side_px in (("width", size.width), ("height", size.height)):
        if not 1 <= side_px <= MAX_SIDE_PX:
            message = f"must be from 1 to {MAX_SIDE_PX}, got {side_px}"
            raise InvalidInput(message, field=f"{path}.{name}")


def check_text(text: str, path: str) -> None:
    """Check a text for people."""
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"has more than {MAX_TEXT} characters", field=path)
    if "\x00" in text:
        raise InvalidInput("has a NUL character", field=path)


def check_count(values: Sequence[object], least: int, most: int, path: str) -> None:
    """Check how many entries a list has."""
    if not least <= len(values) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise InvalidInput(f"needs {wanted} entries, got {len(values)}", field=path)


def check_finite(value: float, path: str) -> None:
    """Check that a number is one."""
    if not math.isfinite(value):
        raise InvalidInput("is not finite", field=path)


def check_positive(value: float, path: str) -> None:
    """Check that a number is finite and larger than 0."""
    if not 0 < value < math.inf:
        raise InvalidInput(f"must be larger than 0, got {value}", field=path)


def check_image_point(point: ImagePoint, path: str) -> None:
    """Check a point in a picture; it may lie outside the picture."""
    check_finite(point.x, f"{path}.x")
    check_finite(point.y, f"{path}.y")


def _check_perception(perception: Perception, path: str) -> None:
    for name, value in (
        ("detector_model_id", perception.detector_model_id),
        ("embedder_model_id", perception.embedder_model_id),
        ("tracker", perception.tracker),
    ):
        if not _MODEL_NAME.fullmatch(value):
            message = "must have at most 100 characters of A-Z a-z 0-9 . _ : -"
            raise InvalidInput(message, field=f"{path}.{name}")


def _check_source(source: Source, path: str) -> None:
    if (source.file is None) is (source.network is None):
        raise InvalidInput("needs one kind", field=path)
    if source.network is not None:
        read_url(source.network.url, f"{path}.network.url")
    if source.file is None:
        return
    if not source.file.path.strip() or "\x00" in source.file.path:
        raise InvalidInput("must name a file", field=f"{path}.file.path")


def _check_transform(transform: FrameTransform, path: str) -> None:
    if transform.crop_region is not None:
        _check_region(transform.crop_region, f"{path}.crop_region")
    if transform.scale is not None and not 0 < transform.scale <= 4:
        message = f"must be in (0, 4], got {transform.scale}"
        raise InvalidInput(message, field=f"{path}.scale")
    for name, values, least, most in (
        ("colour_gain", transform.colour_gain, 0.0, 4.0),
        ("colour_offset", transform.colour_offset, -255.0, 255.0),
    ):
        if values:
            check_count(values, 3, 3, f"{path}.{name}")
        for index, value in enumerate(values):
            if not least <= value <= most:
                message = f"must be in [{least:g}, {most:g}], got {value}"
                raise InvalidInput(message, field=f"{path}.{name}[{index}]")


def _check_region(region: Box, path: str) -> None:
    for name, low, high in (
        ("x_max", region.x_min, region.x_max),
        ("y_max", region.y_min, region.y_max),
    ):
        if not 0 <= low <= MAX_SIDE_PX:
            message = f"must be in [0, {MAX_SIDE_PX}], got {low}"
            raise InvalidInput(message, field=f"{path}.{name.replace('max', 'min')}")
        if not low < high <= MAX_SIDE_PX:
            message = f"must be in ({low:g}, {MAX_SIDE_PX}], got {high}"
            raise InvalidInput(message, field=f"{path}.{name}")


def _check_corners(corners: Sequence[ImagePoint], path: str) -> None:
    check_count(corners, *CORNERS, path)
    for index, corner in enumerate(corners):
        check_image_point(corner, f"{path}[{index}]")
