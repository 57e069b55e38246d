"""Write `environment.json` from the homography of the whole view.

Each virtual camera shows a part of the recording, with a scale, colours and a clock of
its own. Run `python -m demo.plaza.compose` after changing any of that.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.pipeline.domain.transform import FrameTransform

FOLDER = Path(__file__).parent
DOCUMENT = FOLDER / "environment.json"
CLIP_NAME = "vtest.avi"

_START = datetime(2026, 1, 1, 12, tzinfo=UTC)

Corners = tuple[tuple[float, float], ...]
"""A polygon by its corners: pixels of the whole view, or metres on the floor."""


@dataclass(frozen=True, slots=True)
class VirtualCamera:
    """A part of the recording that is treated as a camera.

    Attributes:
        camera_id: Name in addresses.
        display_name: Name for people.
        transform: What makes it different from the others.
        clock_offset: How far its clock runs ahead of UTC.
        masks: Parts of the whole view in which nobody is looked for, each by its
            corners in pixels.
    """

    camera_id: str
    display_name: str
    transform: FrameTransform
    clock_offset: timedelta
    masks: tuple[Corners, ...] = ()


# A jacket that lies on the lawn from the first frame to the last.
_JACKET: Corners = ((62, 488), (168, 488), (168, 534), (62, 534))

CAMERAS = (
    VirtualCamera(
        "west",
        "West, the lawn and the path",
        FrameTransform((0, 0, 450, 576), 1.1, (1.06, 1.0, 0.94), (3.0, 0.0, -3.0)),
        timedelta(milliseconds=-120),
        masks=(_JACKET,),
    ),
    VirtualCamera(
        "centre",
        "Centre, the lamp post",
        FrameTransform((170, 0, 620, 576), 0.95, (0.93, 0.98, 1.05), (5.0, 4.0, 6.0)),
        timedelta(milliseconds=350),
    ),
    VirtualCamera(
        "east",
        "East, the road",
        FrameTransform((320, 0, 768, 576), 1.2, (1.0, 1.04, 0.97), (-6.0, -4.0, -2.0)),
        timedelta(milliseconds=1270),
    ),
)


# Where the footpath meets the road, and what leads there; metres on the floor.
ZONES: dict[str, tuple[str, Corners]] = {
    "path": ("Footpath", ((-10.0, 4.5), (-5.0, 4.5), (-4.5, -2.5), (-9.5, -2.5))),
    "junction": (
        "Junction",
        ((-10.5, -3.0), (-2.5, -3.0), (-2.5, -9.5), (-11.0, -9.5)),
    ),
    "road": ("Road", ((-2.5, -5.0), (8.0, -5.0), (8.0, -10.0), (-2.5, -10.0))),
}
TRIPWIRE: Corners = ((-2.5, -10.0), (-2.5, -5.0))
"""Between junction and road; from its left to its right leads to the road."""


def environment_document() -> dict[str, Any]:
    """Return the environment as the mapper's import reads it."""
    full_view = json.loads((FOLDER / "full_view.json").read_text())
    return {
        "version": 1,
        "environment": {
            "environment_id": "plaza",
            "display_name": "Plaza (three virtual cameras on one recording)",
            "floors": [{"floor_id": "ground", "display_name": "Ground"}],
        },
        "cameras": [
            _camera(camera, full_view)
            for camera in sorted(CAMERAS, key=lambda camera: camera.camera_id)
        ],
        "zones": [
            {
                "zone_id": zone_id,
                "display_name": name,
                "floor_id": "ground",
                "corners": [_floor_point(corner) for corner in corners],
            }
            for zone_id, (name, corners) in sorted(ZONES.items())
        ],
        "tripwires": [
            {
                "tripwire_id": "road-side",
                "display_name": "To the road and back",
                "floor_id": "ground",
                "start": _floor_point(TRIPWIRE[0]),
                "end": _floor_point(TRIPWIRE[1]),
            }
        ],
    }


def _floor_point(point: tuple[float, float]) -> dict[str, float]:
    x_m, y_m = point
    return {"x_m": x_m, "y_m": y_m}


def _camera(camera: VirtualCamera, full_view: dict[str, Any]) -> dict[str, Any]:
    transform = camera.transform
    width, height = full_view["image_size"]["width"], full_view["image_size"]["height"]
    edges = ("x_min", "y_min", "x_max", "y_max")
    out_width, out_height = transform.output_size_px(width, height)
    # The camera's own clock said this when the first picture was taken.
    start = _START + camera.clock_offset
    return {
        "camera_id": camera.camera_id,
        "display_name": camera.display_name,
        "floor_id": "ground",
        "source": {
            "file": {
                "path": CLIP_NAME,
                "start_time": start.isoformat().replace("+00:00", "Z"),
            }
        },
        "transform": {
            "crop_region": dict(
                zip(edges, map(float, transform.crop_region or ()), strict=True)
            ),
            "scale": transform.scale,
            "colour_gain": list(transform.colour_gain),
            "colour_offset": list(transform.colour_offset),
        },
        "ignore_masks": [
            {"corners": _mapped(mask, transform.decoded_to_frame(width, height))}
            for mask in camera.masks
        ],
        "clock_offset": f"{camera.clock_offset.total_seconds():.6f}s",
        "bias_floor_m": 0.1,
        "calibration": {
            "image_to_floor": frame_to_floor(transform, full_view),
            "image_size": {"width": out_width, "height": out_height},
            "note": "composed from the homography of the whole view",
        },
    }


def _mapped(
    corners: Corners, to_frame: npt.NDArray[np.float64]
) -> list[dict[str, float]]:
    """Return corners of the whole view as corners of the camera's frame."""
    points = [to_frame @ (x, y, 1.0) for x, y in corners]
    return [{"x": float(point[0]), "y": float(point[1])} for point in points]


def frame_to_floor(transform: FrameTransform, full_view: dict[str, Any]) -> list[float]:
    """Return the homography of a part, row by row, scaled so that it ends with 1.

    A pixel of the part is first taken back to the whole view, then to the floor.

    Args:
        transform: What was done to the whole view.
        full_view: Its homography and size.
    """
    size = full_view["image_size"]
    whole = np.array(full_view["image_to_floor"]).reshape(3, 3)
    to_frame = transform.decoded_to_frame(size["width"], size["height"])
    homography = whole @ np.linalg.inv(to_frame)
    return [float(value) for value in (homography / homography[2, 2]).ravel()]


def main() -> None:
    """Write the document."""
    text = json.dumps(environment_document(), indent=2) + "\n"
    DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
