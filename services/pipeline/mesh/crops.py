"""Appearance of people in a frame, computed when somebody asks for it."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Executor
from typing import TYPE_CHECKING

import cv2
import structlog

from services.common.convert import image_to_proto
from services.common.errors import SpotOnError
from services.common.item_stream import ItemStream, StatelessDialect
from services.pipeline.adapters.pixels import cut_crop
from services.pipeline.domain.tiles import fitted_size_px
from services.pipeline.mesh.asking import ask_patiently
from services.pipeline.mesh.seen import SeenFrame
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.reid.v1 import reid_pb2

if TYPE_CHECKING:
    from spoton.reid.v1.reid_pb2_grpc import ReidServiceAsyncStub

_log = structlog.get_logger(__name__)

_LARGEST_PICTURE_PX = (256, 512)
_JPEG_QUALITY = 90


class CropEmbedder:
    """Cuts people out of one camera's frames and asks what they look like."""

    def __init__(
        self,
        reid: "ReidServiceAsyncStub",
        model: reid_pb2.EmbedderModel,
        name: str,
        threads: Executor,
    ) -> None:
        self._model_id = model.model_id
        self._size_px = (model.input_size.width, model.input_size.height)
        self._threads = threads
        self._crop_id = 0
        self._stream: ItemStream[reid_pb2.EmbedRequest, reid_pb2.EmbedResponse] = (
            ItemStream(reid.Embed, StatelessDialect(), name=f"embed {name}")
        )

    async def embed(self, seen: SeenFrame, detection_indices: Iterable[int]) -> None:
        """Complete `seen.embeddings` for some detections of the frame.

        A crop that the embedder cannot use stays without a vector.
        """
        missing = [index for index in detection_indices if index not in seen.embeddings]
        await asyncio.gather(*(self._embed_one(seen, index) for index in missing))

    async def close(self) -> None:
        """End the stream."""
        await self._stream.close()

    async def _embed_one(self, seen: SeenFrame, index: int) -> None:
        self._crop_id += 1
        crop_id = self._crop_id
        loop = asyncio.get_running_loop()
        crop = await loop.run_in_executor(self._threads, self._cut, seen, index)
        request = reid_pb2.EmbedRequest(
            frame=seen.ref, crop_id=crop_id, crop=crop, model_id=self._model_id
        )
        try:
            answer = await ask_patiently(self._stream, request)
        except SpotOnError as error:
            if self._stream.failed:
                raise
            _log.info("no vector", peer=self._stream.name, cause=str(error))
            return
        seen.embeddings[index] = answer.embedding

    def _cut(self, seen: SeenFrame, index: int) -> frame_pb2.Image:
        box = _box_px(seen.detections[index].box)
        return image_to_proto(cut_crop(seen.frame.pixels, box, self._size_px))


def picture_of(seen: SeenFrame, box: geometry_pb2.Box) -> bytes:
    """Return a JPEG file of a person, for people to look at."""
    width, height = box.x_max - box.x_min, box.y_max - box.y_min
    size_px = fitted_size_px(round(width), round(height), *_LARGEST_PICTURE_PX)
    crop = cut_crop(seen.frame.pixels, _box_px(box), size_px)
    options = (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)
    encoded, jpeg = cv2.imencode(".jpg", crop[:, :, ::-1], options)
    if not encoded:
        raise RuntimeError("a crop could not be encoded")
    return jpeg.tobytes()


def _box_px(box: geometry_pb2.Box) -> tuple[float, float, float, float]:
    return box.x_min, box.y_min, box.x_max, box.y_max
