"""The cameras of an environment as the demo draws them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from demo.client import CalibratedCamera
from services.mapper.convert.environment import calibration_from_proto
from services.mapper.domain.calibration import geometry_of
from services.mapper.domain.homography import Homography
from services.mapper.domain.lens import Optics
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
        homography: From undistorted pixels to metres on the floor.
        optics: What the lens does to pixels. None for nothing.
    """

    camera_id: str
    title: str
    path: Path
    transform: FrameTransform
    size_px: tuple[int, int]
    homography: Homography
    optics: Optics | None

    def frames(self) -> Iterator[tuple[int, Pixels]]:
        """Yield each frame of the recording with its index, as the pipeline saw it."""
        reader = VideoReader(self.path)
        transformer = FrameTransformer(self.transform, reader.width, reader.height)
        for picture in reader.read():
            yield picture.index, transformer.apply(reader.to_rgb(picture.image))

    def from_floor(self, points_m: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return where the camera sees points of the floor.

        Args:
            points_m: Metres, shape (N, 2).

        Returns:
            Frame pixels, shape (N, 2); NaN for what it does not see.
        """
        from_floor = np.linalg.inv(self.homography.matrix)
        rays = points_m @ from_floor[:, :2].T + from_floor[:, 2]
        depth = np.where(rays[:, 2] > 0, rays[:, 2], np.nan)
        seen_px = rays[:, :2] / depth[:, None]
        if self.optics is not None:
            seen_px = self.optics.distort(seen_px)
        with np.errstate(invalid="ignore"):
            inside = ((seen_px >= 0) & (seen_px < self.size_px)).all(axis=1)
        return np.where(inside[:, None], seen_px, np.nan)


def drawn_camera(calibrated: CalibratedCamera, media_dir: Path) -> DrawnCamera:
    """Return a camera as the mapper describes it.

    Args:
        calibrated: The camera and its calibration.
        media_dir: Folder that the paths of recordings are relative to.
    """
    camera, calibration = calibrated.camera, calibrated.calibration
    geometry = calibration_from_proto(calibration)
    homography, optics = geometry_of(geometry, "calibration")
    return DrawnCamera(
        camera_id=camera.camera_id,
        title=camera.display_name or camera.camera_id,
        path=media_dir / camera.source.file.path,
        transform=transform_from_proto(camera.transform),
        size_px=(calibration.image_size.width, calibration.image_size.height),
        homography=homography,
        optics=optics,
    )
