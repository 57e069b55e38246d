"""What the measurements run on: the demo's plaza, shorter or with one camera more."""

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from demo.plaza.compose import FOLDER, environment_document


@dataclass(frozen=True, slots=True)
class Scene:
    """An environment over the beginning of the demo's recording.

    Attributes:
        environment_id: Its name.
        frames: Pictures of each camera.
        fourth_camera: Whether a camera that sees the whole picture is added.
    """

    environment_id: str
    frames: int
    fourth_camera: bool = False

    @property
    def cameras(self) -> int:
        """How many cameras it has."""
        return 4 if self.fourth_camera else 3

    @property
    def clip_name(self) -> str:
        """Name of its recording in the media folder."""
        return f"{self.environment_id}.avi"

    def document(self) -> str:
        """Return the environment as the mapper's import reads it."""
        document = environment_document()
        document["environment"]["environment_id"] = self.environment_id
        if self.fourth_camera:
            document["cameras"].append(_whole_view(document["cameras"][0]))
        for camera in document["cameras"]:
            camera["source"]["file"]["path"] = self.clip_name
        return json.dumps(document)

    def cut(self, clip: Path, media: Path) -> None:
        """Copy the first pictures of the demo's recording, as they are."""
        media.mkdir(parents=True, exist_ok=True)
        target = media / self.clip_name
        with av.open(str(clip)) as whole, av.open(str(target), "w") as part:
            video = whole.streams.video[0]
            copied = part.add_stream_from_template(video)
            for count, packet in enumerate(whole.demux(video)):
                if count == self.frames or packet.dts is None:
                    break
                packet.stream = copied
                part.mux(packet)


def _whole_view(like: dict[str, Any]) -> dict[str, Any]:
    """Return a camera that shows the recording as it is, at the same moments."""
    full_view = json.loads((FOLDER / "full_view.json").read_text())
    camera = deepcopy(like)
    camera["camera_id"] = "whole"
    camera["display_name"] = "The whole view"
    del camera["transform"]
    camera["calibration"] = {
        "image_to_floor": full_view["image_to_floor"],
        "image_size": full_view["image_size"],
    }
    return camera
