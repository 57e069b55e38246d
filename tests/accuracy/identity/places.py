"""The environment that a recording was made in, as the mapper takes it."""

import json
import re

from services.common.ids import EnvironmentId
from tests.accuracy.identity.recording import Camera, Recording

FLOOR_ID = "ground"


def environment_id_of(recording: Recording) -> EnvironmentId:
    """Return a name that the mesh accepts."""
    plain = re.sub(r"[^a-z0-9]+", "-", recording.name.lower()).strip("-")[:50]
    named = plain if plain[:1].isalpha() else f"recording-{plain}"
    return EnvironmentId(named.strip("-"))


def document_of(recording: Recording) -> str:
    """Return the environment with its cameras and calibrations, as JSON."""
    name = environment_id_of(recording)
    return json.dumps(
        {
            "version": 1,
            "environment": {
                "environment_id": name,
                "display_name": f"Evaluation: {recording.name}"[:200],
                "floors": [{"floor_id": FLOOR_ID, "display_name": "Ground"}],
            },
            "cameras": [_camera(camera) for camera in recording.cameras],
        }
    )


def _camera(camera: Camera) -> dict[str, object]:
    document: dict[str, object] = {
        "camera_id": camera.camera_id,
        "display_name": camera.name[:200],
        "floor_id": FLOOR_ID,
        # A camera must have a source; nobody opens it.
        "source": {"file": {"path": f"{camera.camera_id}.none"}},
    }
    if camera.bias_floor_m is not None:
        document["bias_floor_m"] = camera.bias_floor_m
    if camera.image_to_floor is not None:
        width, height = camera.size_px
        document["calibration"] = {
            "image_to_floor": list(camera.image_to_floor),
            "image_size": {"width": width, "height": height},
            "note": "as the recording states it",
        }
    return document
