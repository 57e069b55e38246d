"""Which environments and cameras exist, asked of the mapper."""

from collections.abc import Sequence

from grpc import aio

from services.common.grpc_errors import error_from_rpc
from services.common.ids import CameraId, EnvironmentId
from services.pipeline.service import CatalogCamera
from spoton.mapper.v1 import mapper_pb2, mapper_pb2_grpc

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
        cameras: list[CatalogCamera] = []
        request = mapper_pb2.ListCamerasRequest(
            environment_id=environment_id, page_size=_PAGE_SIZE
        )
        while True:
            page = await self._page(request)
            cameras += (
                CatalogCamera(
                    camera_id=CameraId(camera.camera_id),
                    has_source=camera.source.WhichOneof("kind") is not None,
                    is_recording=camera.source.WhichOneof("kind") == "file",
                )
                for camera in page.cameras
            )
            if not page.next_page_token:
                return cameras
            request.page_token = page.next_page_token

    async def _page(
        self, request: mapper_pb2.ListCamerasRequest
    ) -> mapper_pb2.ListCamerasResponse:
        try:
            return await self._mapper.ListCameras(request, timeout=_DEADLINE_S)
        except aio.AioRpcError as error:
            raise error_from_rpc(error) from error
