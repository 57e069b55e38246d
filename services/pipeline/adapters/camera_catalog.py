"""Which environments and cameras exist, and what they chose, asked of the mapper."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grpc import aio

from services.common.errors import NotFound, SpotOnError, Unavailable
from services.common.grpc_errors import error_from_rpc
from services.common.ids import CameraId, EnvironmentId
from services.pipeline.convert import perception_from_proto
from services.pipeline.domain.session import Perception
from services.pipeline.service import CatalogCamera
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc

if TYPE_CHECKING:  # Names that exist in the type stubs only.
    from spoton.mapper.v1.mapper_pb2_grpc import MapperServiceAsyncStub

_DEADLINE_S = 5.0
_PAGE_SIZE = 1000


class MapperCameraCatalog:
    """Asks the mapper; see CameraCatalog."""

    def __init__(self, channel: aio.Channel) -> None:
        self._mapper = mapper_pb2_grpc.MapperServiceStub(channel)

    async def cameras(self, environment_id: EnvironmentId) -> Sequence[CatalogCamera]:
        """Return an environment's cameras, by name.

        Raises:
            NotFound: There is no such environment.
            Unavailable: The mapper cannot be asked.
        """
        return [
            CatalogCamera(
                camera_id=CameraId(camera.camera_id),
                has_source=camera.source.WhichOneof("kind") is not None,
                is_recording=camera.source.WhichOneof("kind") == "file",
            )
            for camera in await list_cameras(self._mapper, environment_id)
        ]

    async def perception(self, environment_id: EnvironmentId) -> Perception:
        """Return the models and the tracker that an environment chose.

        Raises:
            NotFound: There is no such environment.
            Unavailable: The mapper cannot be asked.
        """
        environment = await self._environment(environment_id)
        return perception_from_proto(environment.perception)

    async def blurs_heads(self, environment_id: EnvironmentId) -> bool:
        """Return whether an environment wants heads blurred.

        Raises:
            NotFound: There is no such environment.
            Unavailable: The mapper cannot be asked.
        """
        return (await self._environment(environment_id)).privacy.blur_heads

    async def _environment(
        self, environment_id: EnvironmentId
    ) -> environment_pb2.Environment:
        """Return an environment; raises what the methods above raise."""
        request = mapper_pb2.GetEnvironmentRequest(environment_id=environment_id)
        try:
            answer = await self._mapper.GetEnvironment(request, timeout=_DEADLINE_S)
        except aio.AioRpcError as rpc_error:
            raise _translated(rpc_error) from rpc_error
        return answer.environment


async def list_cameras(
    mapper: "MapperServiceAsyncStub", environment_id: EnvironmentId
) -> list[environment_pb2.Camera]:
    """Return an environment's cameras, by name.

    Raises:
        NotFound: There is no such environment.
        Unavailable: The mapper cannot be asked.
    """
    cameras: list[environment_pb2.Camera] = []
    request = mapper_pb2.ListCamerasRequest(
        environment_id=environment_id, page_size=_PAGE_SIZE
    )
    while True:
        try:
            page = await mapper.ListCameras(request, timeout=_DEADLINE_S)
        except aio.AioRpcError as rpc_error:
            raise _translated(rpc_error) from rpc_error
        cameras += page.cameras
        if not page.next_page_token:
            return cameras
        request.page_token = page.next_page_token


def _translated(rpc_error: aio.AioRpcError) -> SpotOnError:
    error = error_from_rpc(rpc_error)
    if isinstance(error, NotFound):
        return error
    return Unavailable(f"environment unknown: {error}")
