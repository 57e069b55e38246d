"""Find out who is who in each frame set."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from services.common.convert import ns_to_timestamp
from services.common.errors import Conflict
from services.common.ids import CameraId
from services.common.item_stream import ItemStream
from services.pipeline.domain.frame_sets import FrameSet
from services.pipeline.domain.lease import LeaseLost
from services.pipeline.mesh.asking import ask_patiently
from services.pipeline.mesh.camera_lane import CameraLane, LaneTools
from services.pipeline.mesh.crops import picture_of
from services.pipeline.mesh.dialects import AssociateDialect
from services.pipeline.mesh.seen import SeenFrame
from spoton.reid.v1 import reid_pb2
from spoton.tracker.v1 import tracker_pb2


@dataclass(frozen=True, slots=True)
class IdentifiedSet:
    """A frame set whose tracks have their persons.

    Attributes:
        frame_set: What the cameras saw.
        result: Who is who in the newest frame of each camera.
    """

    frame_set: FrameSet[SeenFrame]
    result: reid_pb2.AssociateResult


class Associator:
    """Asks about one frame set after the other, in order."""

    def __init__(self, tools: LaneTools, lanes: Mapping[CameraId, CameraLane]) -> None:
        lease = tools.lease
        self._lanes = lanes
        self._crops: list[reid_pb2.PersonCrop] = []
        self._stream: ItemStream[
            reid_pb2.AssociateRequest, reid_pb2.AssociateResponse
        ] = ItemStream(
            tools.peers.reid.Associate,
            AssociateDialect(lease, tools.models.embedder.model_id),
            name=f"associate {lease.session.timeline_id}",
        )

    async def identify(self, frame_set: FrameSet[SeenFrame]) -> IdentifiedSet:
        """Return the persons of a frame set.

        Raises:
            LeaseLost: Another owner writes to the timeline.
            SpotOnError: The frame set cannot be used.
        """
        newest = {camera: items[-1] for camera, items in frame_set.items.items()}

        async def embed(
            answer: reid_pb2.AssociateResponse,
        ) -> reid_pb2.AssociateRequest:
            wanted = answer.embeddings_wanted.tracks
            embeddings = await self._embed(newest, list(wanted))
            return reid_pb2.AssociateRequest(
                embeddings=reid_pb2.AssociateEmbeddings(
                    frame_set=frame_set.number, embeddings=embeddings
                )
            )

        tick = reid_pb2.AssociateTick(
            frame_set=frame_set.number,
            capture_time=ns_to_timestamp(frame_set.start_ns),
            cameras=[_observations(items) for items in frame_set.items.values()],
            crops=self._crops,
        )
        try:
            answer = await ask_patiently(
                self._stream, reid_pb2.AssociateRequest(tick=tick), embed
            )
        except Conflict as error:
            if self._stream.failed:  # Not this set was refused, but this owner.
                raise LeaseLost(error.message) from error
            raise
        self._crops = _crops(newest, answer.result.crops_wanted)
        return IdentifiedSet(frame_set, answer.result)

    async def close(self) -> None:
        """End the stream."""
        await self._stream.close()

    async def _embed(
        self, newest: Mapping[CameraId, SeenFrame], wanted: list[reid_pb2.TrackKey]
    ) -> list[reid_pb2.TrackEmbedding]:
        """Return the vectors of tracks, all cameras at once."""
        indices: dict[CameraId, dict[int, int]] = defaultdict(dict)
        for key in wanted:
            camera_id = CameraId(key.camera_id)
            track = _track(newest[camera_id], key.track_id)
            if track.HasField("detection_index"):
                indices[camera_id][key.track_id] = track.detection_index
        await asyncio.gather(
            *(
                self._lanes[camera_id].embed(newest[camera_id], list(tracks.values()))
                for camera_id, tracks in indices.items()
            )
        )
        return [
            reid_pb2.TrackEmbedding(
                track=reid_pb2.TrackKey(camera_id=camera_id, track_id=track_id),
                embedding=newest[camera_id].embeddings[index],
            )
            for camera_id, tracks in indices.items()
            for track_id, index in tracks.items()
            if index in newest[camera_id].embeddings
        ]


def _observations(items: tuple[SeenFrame, ...]) -> reid_pb2.CameraObservations:
    """Return what one camera saw in a frame set: its newest frame."""
    newest = items[-1]
    return reid_pb2.CameraObservations(
        frame=newest.ref,
        tracks=[
            reid_pb2.TrackObservation(
                track_id=track.track_id,
                box=track.box,
                score=track.score,
                coasted=track.state == tracker_pb2.TRACK_STATE_COASTED,
                position=position,
                occlusion=track.occlusion,
                embedding=newest.embeddings.get(track.detection_index)
                if track.HasField("detection_index")
                else None,
            )
            for track, position in newest.published_tracks()
        ],
        ended_track_ids=[
            track_id for seen in items for track_id in seen.result.ended_track_ids
        ],
    )


def _crops(
    newest: Mapping[CameraId, SeenFrame], wanted: list[reid_pb2.CropWanted]
) -> list[reid_pb2.PersonCrop]:
    """Return the pictures that an answer asked for."""
    crops = []
    for crop in wanted:
        seen = newest[CameraId(crop.track.camera_id)]
        track = _track(seen, crop.track.track_id)
        crops.append(
            reid_pb2.PersonCrop(
                global_id=crop.global_id,
                camera_id=crop.track.camera_id,
                track_id=crop.track.track_id,
                capture_time=seen.ref.capture_time,
                quality=crop.quality,
                jpeg=picture_of(seen, track.box),
            )
        )
    return crops


def _track(seen: SeenFrame, track_id: int) -> tracker_pb2.Track:
    """Return a track of a frame.

    Raises:
        KeyError: The service asked for a track that it was not told about.
    """
    for track in seen.result.tracks:
        if track.track_id == track_id:
            return track
    raise KeyError(track_id)
