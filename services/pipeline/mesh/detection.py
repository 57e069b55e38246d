"""Find the people in one camera's frames."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from services.common.convert import image_to_proto
from services.common.item_stream import ItemStream, StatelessDialect
from services.pipeline.adapters.pixels import cut_tiles
from services.pipeline.domain.masks import outside_masks
from services.pipeline.domain.tiles import TilePolicy
from services.pipeline.mesh.asking import ask_patiently
from services.pipeline.mesh.seen import SeenFrame
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.detector.v1 import detector_pb2

if TYPE_CHECKING:
    from spoton.detector.v1.detector_pb2_grpc import DetectorServiceAsyncStub


class FrameDetector:
    """Sends one camera's frames to the detector, cut and scaled as it wants them."""

    def __init__(
        self,
        detector: "DetectorServiceAsyncStub",
        model: detector_pb2.DetectorModel,
        masks: Sequence[npt.NDArray[np.float64]],
        name: str,
        threads: Executor,
    ) -> None:
        policy = model.tile_policy
        self._model_id = model.model_id
        self._input_size_px = (model.input_size.width, model.input_size.height)
        self._policy = TilePolicy(
            max(1, policy.columns), max(1, policy.rows), policy.overlap
        )
        self._high_score = model.thresholds.high_score
        self._masks = masks
        self._threads = threads
        self._stream: ItemStream[
            detector_pb2.DetectRequest, detector_pb2.DetectResponse
        ] = ItemStream(detector.Detect, StatelessDialect(), name=f"detect {name}")

    async def detect(self, seen: SeenFrame) -> None:
        """Complete `seen.found`, and `seen.detections` without people in masks.

        Raises:
            SpotOnError: The frame cannot be used, or the stream ended for good.
        """
        loop = asyncio.get_running_loop()
        request = await loop.run_in_executor(self._threads, self._request, seen)
        answer = await ask_patiently(self._stream, request)
        seen.found = answer.result.detections
        seen.detections = self._unmasked(seen.found)

    def count_strong(self, seen: SeenFrame) -> int:
        """Return how many detections reach the detector's high threshold."""
        return sum(found.score >= self._high_score for found in seen.detections)

    @property
    def failed(self) -> bool:
        """Whether the stream ended for good."""
        return self._stream.failed

    async def close(self) -> None:
        """End the stream."""
        await self._stream.close()

    def _request(self, seen: SeenFrame) -> detector_pb2.DetectRequest:
        tiles = [
            detector_pb2.Tile(
                image=image_to_proto(pixels),
                region=geometry_pb2.Box(
                    x_min=region.x_min,
                    y_min=region.y_min,
                    x_max=region.x_max,
                    y_max=region.y_max,
                ),
            )
            for pixels, region in cut_tiles(
                seen.frame.pixels, self._policy, self._input_size_px
            )
        ]
        return detector_pb2.DetectRequest(
            frame=seen.ref,
            frame_size=seen.size,
            tiles=tiles,
            model_id=self._model_id,
        )

    def _unmasked(
        self, detections: Sequence[frame_pb2.Detection]
    ) -> Sequence[frame_pb2.Detection]:
        """Return the detections whose box does not stand in a mask."""
        if not self._masks or not detections:
            return detections
        feet_px = np.array(
            [((d.box.x_min + d.box.x_max) / 2, d.box.y_max) for d in detections]
        )
        outside = outside_masks(feet_px, self._masks)
        return [found for found, keep in zip(detections, outside, strict=True) if keep]
