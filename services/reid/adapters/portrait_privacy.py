"""Hide heads in pictures of persons, where their environment asks for it."""

import asyncio

import cv2
from grpc import aio

from services.common.errors import NotFound, Unavailable
from services.common.grpc_errors import error_from_rpc
from services.common.head_blur import blur_regions, head_region
from services.common.ids import EnvironmentId
from services.common.images import decode_image
from services.common.privacy import HeadPrivacy
from spoton.mapper.v1 import mapper_pb2, mapper_pb2_grpc

_DEADLINE_S = 2.0
_QUALITY = 90


class PortraitPrivacy:
    """Asks the mapper what pictures may show."""

    def __init__(self, channel: aio.Channel) -> None:
        self._mapper = mapper_pb2_grpc.MapperServiceStub(channel)
        self._heads = HeadPrivacy(self._blurs_heads)

    async def shown(self, environment_id: EnvironmentId, jpeg: bytes) -> bytes:
        """Return a person's picture as it may leave.

        The picture is the person's box, so the head is in its upper part.

        Raises:
            NotFound: There is no such environment.
        """
        if not await self._heads.blurs_heads(environment_id):
            return jpeg
        return await asyncio.to_thread(_blurred, jpeg)

    async def _blurs_heads(self, environment_id: EnvironmentId) -> bool:
        request = mapper_pb2.GetEnvironmentRequest(environment_id=environment_id)
        try:
            answer = await self._mapper.GetEnvironment(request, timeout=_DEADLINE_S)
        except aio.AioRpcError as rpc_error:
            error = error_from_rpc(rpc_error)
            if isinstance(error, NotFound):
                raise error from rpc_error
            raise Unavailable(f"the mapper cannot be asked: {error}") from rpc_error
        return answer.environment.privacy.blur_heads


def _blurred(jpeg: bytes) -> bytes:
    """Return a picture of a person without its head."""
    pixels = decode_image(jpeg, field="jpeg")
    height, width = pixels.shape[:2]
    blurred = blur_regions(pixels, [head_region((0.0, 0.0, width, height))])
    bgr = cv2.cvtColor(blurred, cv2.COLOR_RGB2BGR)
    encoded, file = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    if not encoded:
        raise RuntimeError("a picture could not be encoded")
    return file.tobytes()
