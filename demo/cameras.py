"""The cameras of an environment as the demo draws them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from demo.client import CalibratedCamera
from services.pipeline.adapters.pixels import FrameTransformer
from services.pipeline.adapters.video_reader import VideoReader
from services.pipeline.domain.frames import Pixels
from services.pipeline.domain.transform import FrameTransform
from services.pipeline.mesh.cameras import transform_from_proto


@dataclass(frozen=True, slots=True, eq=False)
class DrawnCamera:
    """A camera whose pictures can be read again.

    Attributes:
        camera_id: The camera.
        title: Name for people.
        path: Its recording.
        transform: What is done to each picture.
        size_px: Width and height of its frames.
        image_to_floor: Homography from frame pixels to metres, shape (3, 3).
    """

    camera_id: str
    title: str
    path: Path
    transform: FrameTransform
    size_px: tuple[int, int]
    image_to_floor: npt.NDArray[np.float64]

    def frames(self) -> Iterator[tuple[int, Pixels]]:
        """Yield each frame of the recording with its index, as the pipeline saw it."""
        reader = VideoReader(self.path)
        transformer = FrameTransformer(self.transform, reader.width, reader.height)
        for picture in reader.read():
            yield picture.index, transformer.apply(reader.to_rgb(picture.image))


def drawn_camera(calibrated: CalibratedCamera, media_dir: Path) -> DrawnCamera:
    """Return a camera as the mapper describes it.

    Args:
        calibrated: The camera and its calibration.
        media_dir: Folder that the paths of recordings are relative to.
    """
    camera, calibration = calibrated.camera, calibrated.calibration
    return DrawnCamera(
        camera_id=camera.camera_id,
        title=camera.display_name or camera.camera_id,
        path=media_dir / camera.source.file.path,
        transform=transform_from_proto(camera.transform),
        size_px=(calibration.image_size.width, calibration.image_size.height),
        image_to_floor=np.array(calibration.image_to_floor).reshape(3, 3),
    )
