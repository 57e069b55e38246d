"""One camera's way through the services when its detections are recorded."""

from collections.abc import Iterable, Sequence
from time import perf_counter

import numpy as np

from services.common.convert import embedding_to_proto
from services.common.errors import NotReady
from services.common.item_stream import ItemStream, StatelessDialect
from services.pipeline.domain.frames import Frame as PipelineFrame
from services.pipeline.mesh.asking import ask_patiently
from services.pipeline.mesh.camera_lane import LaneTools
from services.pipeline.mesh.dialects import TrackDialect
from services.pipeline.mesh.seen import SeenFrame, frame_ref
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.mapper.v1 import mapper_pb2
from spoton.tracker.v1 import tracker_pb2
from tests.accuracy.identity.recording import Camera, Frame


class RecordedLane:
    """Takes recorded detections through tracker and mapper, as the pipeline's lane.

    There are no pixels: frames are black, and so are the pictures that `reid` keeps.
    Whoever asks for the appearance of a detection gets the recorded vector of that
    detection.

    Attributes:
        asked: How many vectors were asked for.
    """

    def __init__(self, camera: Camera, tools: LaneTools) -> None:
        """Open the streams of a camera."""
        self.asked = 0
        self._session = tools.lease.session
        self._model_id = tools.models.embedder.model_id
        self._camera = camera
        width, height = camera.size_px
        black = np.zeros((1, 1, 3), np.uint8)
        self._pixels = np.broadcast_to(black, (height, width, 3))
        self._recorded: dict[int, Frame] = {}
        size = geometry_pb2.ImageSize(width=width, height=height)
        name = f"{self._session.session_id}/{camera.camera_id}"
        track = TrackDialect(
            tools.lease, camera.camera_id, size, tools.models, b"", first_track_id=1
        )
        self._tracker: ItemStream[
            tracker_pb2.TrackRequest, tracker_pb2.TrackResponse
        ] = ItemStream(tools.peers.tracker.Track, track, name=f"track {name}")
        self._projector: ItemStream[
            mapper_pb2.ProjectRequest, mapper_pb2.ProjectResponse
        ] = ItemStream(
            tools.peers.mapper.Project, StatelessDialect(), name=f"project {name}"
        )

    async def look(self, recorded: Frame) -> SeenFrame:
        """Track and project the detections of a frame; frames come in order.

        Raises:
            SpotOnError: A service refused the frame.
        """
        frame = PipelineFrame(
            self._camera.camera_id,
            recorded.number,
            recorded.time_ns,
            self._pixels,
            decode_s=0.0,
        )
        ref = frame_ref(frame, self._session.session_id)
        if recorded.clock is not None:
            ref.clock.CopyFrom(recorded.clock)
        seen = SeenFrame(frame, ref, perf_counter(), _detections(recorded))
        self._recorded[recorded.number] = recorded
        await self._track(seen)
        await self._project(seen)
        return seen

    def done_with(self, frames: Iterable[SeenFrame]) -> None:
        """Forget frames that nobody will ask about again."""
        for seen in frames:
            del self._recorded[seen.frame.frame_index]

    async def embed(self, seen: SeenFrame, detection_indices: Iterable[int]) -> None:
        """Complete `seen.embeddings` for some detections."""
        vectors = self._recorded[seen.frame.frame_index].vectors
        if vectors is None:
            return
        for index in detection_indices:
            if index not in seen.embeddings:
                self.asked += 1
                seen.embeddings[index] = embedding_to_proto(
                    vectors[index], model_id=self._model_id
                )

    async def close(self) -> None:
        """End the streams."""
        await self._tracker.close()
        await self._projector.close()

    async def _track(self, seen: SeenFrame) -> None:
        async def embed(answer: tracker_pb2.TrackResponse) -> tracker_pb2.TrackRequest:
            wanted = answer.embeddings_wanted.detection_indices
            await self.embed(seen, wanted)
            vectors = [
                tracker_pb2.DetectionEmbedding(
                    detection_index=index, embedding=seen.embeddings[index]
                )
                for index in wanted
                if index in seen.embeddings
            ]
            return tracker_pb2.TrackRequest(
                embeddings=tracker_pb2.TrackEmbeddings(
                    frame=seen.ref, embeddings=vectors
                )
            )

        frame = tracker_pb2.TrackFrame(frame=seen.ref, detections=seen.detections)
        request = tracker_pb2.TrackRequest(frame=frame)
        seen.result = (await ask_patiently(self._tracker, request, embed)).result

    async def _project(self, seen: SeenFrame) -> None:
        """Complete `seen.points`; a camera without calibration has none."""
        if not seen.result.tracks:
            return
        request = mapper_pb2.ProjectRequest(
            frame=seen.ref,
            foot_points=[track.foot_point for track in seen.result.tracks],
            environment_id=self._session.request.environment_id,
        )
        try:
            seen.points = (await ask_patiently(self._projector, request)).result.points
        except NotReady:
            return


def _detections(recorded: Frame) -> Sequence[frame_pb2.Detection]:
    """Return the detections of a frame as a detector would answer them."""
    return [
        frame_pb2.Detection(
            box=geometry_pb2.Box(
                x_min=corners[0], y_min=corners[1], x_max=corners[2], y_max=corners[3]
            ),
            score=score,
        )
        for corners, score in zip(
            recorded.boxes_px.tolist(), recorded.scores.tolist(), strict=True
        )
    ]
