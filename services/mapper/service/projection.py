"""The use case of the hot path: where on the floor is this?"""

from dataclasses import dataclass

from services.common.errors import NotFound, NotReady
from services.mapper.domain.projection import FloorPositions, FootPoints, locate
from services.mapper.service.geometry_cache import CameraGeometry, GeometryCache


@dataclass(frozen=True, slots=True)
class Located:
    """Positions, and what they were made with.

    Attributes:
        positions: One for each foot point.
        floor_id: Level of all of them.
        calibration_revision: Calibration that produced them.
    """

    positions: FloorPositions
    floor_id: str
    calibration_revision: int


class Projection:
    """Locates foot points with the newest calibration of their camera."""

    def __init__(self, cache: GeometryCache) -> None:
        self._cache = cache

    async def project(
        self, environment_id: str, camera_id: str, feet: FootPoints
    ) -> Located:
        """Locate the foot points of one frame.

        Raises:
            NotFound: There is no such environment or camera.
            NotReady: The camera has no calibration.
            Unavailable: The environment is not in memory and the store is away.
        """
        camera = await self.camera(environment_id, camera_id)
        if camera.homography is None:
            name = f"{environment_id}/{camera_id}"
            raise NotReady(f"camera {name!r} has no calibration")
        positions = locate(feet, camera.homography, camera.bias_floor_m, camera.optics)
        return Located(positions, camera.floor_id, camera.revision)

    async def camera(self, environment_id: str, camera_id: str) -> CameraGeometry:
        """Return how a camera sees the floor.

        Raises:
            NotFound: There is no such environment or camera.
            Unavailable: The environment is not in memory and the store is away.
        """
        cameras = await self._cache.of(environment_id)
        found = cameras.get(camera_id)
        if found is None:
            name = f"{environment_id}/{camera_id}"
            raise NotFound(f"camera {name[:160]!r} does not exist")
        return found
