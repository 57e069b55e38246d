"""How the detector is reached."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.duration_pb2 import Duration
from grpc import aio

from services.common.answer_stream import answer_in_order
from services.common.drain import DrainSignal
from services.common.errors import SpotOnError
from services.common.grpc_errors import status_from_error
from services.common.image_messages import image_from_proto
from services.common.tracing import span
from services.detector.convert import (
    detections_to_proto,
    model_to_proto,
    needs_decoding,
    require_frame,
    size_from_proto,
    tiles_from_proto,
)
from services.detector.domain.geometry import Size
from services.detector.domain.tiles import Tile
from services.detector.observe import outcome_counted
from services.detector.served import ServedModels
from services.detector.service import ImageSlots
from spoton.common.v1 import geometry_pb2, stream_pb2
from spoton.detector.v1 import detector_pb2, detector_pb2_grpc

Context = aio.ServicerContext[Any, Any]


class DetectorServicer(detector_pb2_grpc.DetectorServiceServicer):
    """Serves `spoton.detector.v1`."""

    def __init__(
        self,
        models: ServedModels,
        images: ImageSlots,
        drain: DrainSignal,
        *,
        window: int,
        max_pixels: int,
    ) -> None:
        """Take what it answers with.

        Args:
            models: What finds people.
            images: Limits how many single images are under way.
            drain: When to ask streams to reopen.
            window: Frames of one stream that may be unanswered.
            max_pixels: Largest image that is decoded.
        """
        self._models = models
        self._images = images
        self._drain = drain
        self._window = window
        self._max_pixels = max_pixels

    async def Detect(
        self,
        request_iterator: AsyncIterator[detector_pb2.DetectRequest],
        context: Context,
    ) -> AsyncIterator[detector_pb2.DetectResponse]:
        """Answer the frames of one camera."""
        stream = _DetectStream(self._models, self._max_pixels)
        async for answer in answer_in_order(
            request_iterator, stream, window=self._window, drain=self._drain
        ):
            yield answer

    async def DetectImage(
        self,
        request: detector_pb2.DetectImageRequest,
        context: Context,
    ) -> detector_pb2.DetectImageResponse:
        """Search one image."""
        with outcome_counted(), self._images.taken():
            model = self._models.named(request.model_id)
            image = await asyncio.to_thread(
                image_from_proto,
                request.image,
                field="image",
                max_pixels=self._max_pixels,
            )
            found = await model.service.detect_image(image)
        height, width = image.shape[:2]
        return detector_pb2.DetectImageResponse(
            detections=detections_to_proto(found),
            model_id=model.entry.model_id,
            image_size=geometry_pb2.ImageSize(width=width, height=height),
        )

    async def GetModel(
        self,
        request: detector_pb2.GetModelRequest,
        context: Context,
    ) -> detector_pb2.GetModelResponse:
        """Describe one running model."""
        model = self._models.named(request.model_id)
        return detector_pb2.GetModelResponse(model=model_to_proto(model.entry))

    async def ListModels(
        self,
        request: detector_pb2.ListModelsRequest,
        context: Context,
    ) -> detector_pb2.ListModelsResponse:
        """Describe all running models."""
        return detector_pb2.ListModelsResponse(
            models=[model_to_proto(model.entry) for model in self._models],
            default_model_id=self._models.default.entry.model_id,
        )


class _DetectStream:
    """Answers the items of one `Detect` stream."""

    def __init__(self, models: ServedModels, max_pixels: int) -> None:
        self._models = models
        self._max_pixels = max_pixels

    def opening(self, window: int) -> detector_pb2.DetectResponse:
        """Return the credit window."""
        return detector_pb2.DetectResponse(
            window=stream_pb2.CreditWindow(max_in_flight=window)
        )

    async def answer(
        self, request: detector_pb2.DetectRequest
    ) -> detector_pb2.DetectResponse:
        """Return the people of one frame."""
        trace = span("detector.detect", request.frame.traceparent)
        with outcome_counted(), trace:
            require_frame(request)
            model = self._models.named(request.model_id)
            frame = size_from_proto(request.frame_size, field="frame_size")
            tiles = await self._tiles(request, frame)
            found = await model.service.detect(frame, tiles)
        result = detector_pb2.DetectResult(
            detections=detections_to_proto(found), model_id=model.entry.model_id
        )
        return detector_pb2.DetectResponse(frame=request.frame, result=result)

    async def _tiles(
        self, request: detector_pb2.DetectRequest, frame: Size
    ) -> list[Tile]:
        """Read the tiles; files are decoded in a thread."""
        if not needs_decoding(request):
            return tiles_from_proto(request, frame, max_pixels=self._max_pixels)
        return await asyncio.to_thread(
            tiles_from_proto, request, frame, max_pixels=self._max_pixels
        )

    def refusal(
        self, request: detector_pb2.DetectRequest, error: SpotOnError
    ) -> detector_pb2.DetectResponse:
        """Return why a frame was not searched."""
        return detector_pb2.DetectResponse(
            frame=request.frame, status=status_from_error(error)
        )

    def draining(self, grace_s: float) -> detector_pb2.DetectResponse:
        """Return the wish that the client reopens its stream."""
        grace = Duration()
        grace.FromNanoseconds(round(grace_s * 1e9))
        return detector_pb2.DetectResponse(drain=stream_pb2.Drain(grace=grace))
