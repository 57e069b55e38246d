"""The newest picture of every camera whose session this process runs.

Showing a frame keeps a reference to it and nothing else; it is scaled and encoded when
somebody looks, once for each way of looking.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from functools import cached_property

from services.common.errors import NotReady
from services.common.head_blur import Region, head_region
from services.common.ids import CameraId, EnvironmentId, SessionId
from services.pipeline.adapters.preview_picture import (
    Outline,
    Picture,
    preview_picture,
)
from services.pipeline.domain.preview import PictureClass
from services.pipeline.domain.session import Session
from services.pipeline.mesh.association import IdentifiedSet
from services.pipeline.mesh.seen import SeenFrame
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.reid.v1 import reid_pb2
from spoton.tracker.v1 import tracker_pb2

_FACE = frozenset(
    {
        frame_pb2.KEYPOINT_KIND_NOSE,
        frame_pb2.KEYPOINT_KIND_LEFT_EYE,
        frame_pb2.KEYPOINT_KIND_RIGHT_EYE,
        frame_pb2.KEYPOINT_KIND_LEFT_EAR,
        frame_pb2.KEYPOINT_KIND_RIGHT_EAR,
    }
)
_LEAST_FACE_SCORE = 0.3
_LEAST_FACE_POINTS = 3


class ShownFrame:
    """A frame that was tracked, and its pictures as far as somebody wanted them."""

    def __init__(self, seen: SeenFrame, result: reid_pb2.AssociateResult) -> None:
        self.seen = seen
        self.shown_s = time.monotonic()
        self._result = result
        self._pictures: dict[PictureClass, asyncio.Future[Picture]] = {}

    async def picture(self, kind: PictureClass, threads: Executor) -> Picture:
        """Return the frame in one class of pictures."""
        if kind not in self._pictures:
            loop = asyncio.get_running_loop()
            self._pictures[kind] = loop.run_in_executor(threads, self._make, kind)
        return await asyncio.shield(self._pictures[kind])

    def _make(self, kind: PictureClass) -> Picture:
        heads = self.heads if kind.blur_heads else ()
        outlines = self.outlines if kind.overlays else ()
        return preview_picture(self.seen.frame.pixels, kind, outlines, heads)

    @cached_property
    def outlines(self) -> tuple[Outline, ...]:
        """People to draw: the tracks that were published."""
        labels = {person.global_id: person.label for person in self._result.persons}
        who = {
            assignment.track.track_id: assignment.global_id
            for assignment in self._result.assignments
            if assignment.track.camera_id == self.seen.camera_id
        }
        outlines = []
        for track, _ in self.seen.published_tracks():
            global_id = who.get(track.track_id, 0)
            label = labels.get(global_id)
            outlines.append(
                Outline(
                    _region(track.box),
                    global_id,
                    "" if label is None else str(label),
                    predicted=track.state == tracker_pb2.TRACK_STATE_COASTED,
                )
            )
        return tuple(outlines)

    @cached_property
    def heads(self) -> tuple[Region, ...]:
        """Heads of all people that were found or are believed to be there."""
        found = [
            head_region(_region(detection.box), _face_points(detection))
            for detection in self.seen.found
        ]
        # What was only predicted has no keypoints.
        believed = [
            head_region(_region(track.box))
            for track in self.seen.result.tracks
            if not track.HasField("detection_index")
        ]
        return (*found, *believed)


class SessionShow:
    """What one session shows.

    Attributes:
        session_id: The session.
        environment_id: Its environment.
        camera_ids: Its cameras.
        has_ended: Whether nothing more will be shown.
        next_change: Set when something else is shown, or nothing more will be; then
            another event takes its place.
    """

    def __init__(self, session: Session) -> None:
        self.session_id: SessionId = session.session_id
        self.environment_id: EnvironmentId = session.request.environment_id
        self.camera_ids = frozenset(session.request.camera_ids)
        self.has_ended = False
        self._frames: dict[CameraId, ShownFrame] = {}
        self.next_change = asyncio.Event()

    @property
    def frames(self) -> Mapping[CameraId, ShownFrame]:
        """The newest frame of each camera."""
        return self._frames

    def show(self, identified: IdentifiedSet) -> None:
        """Show the newest frame of each camera in a set."""
        for camera_id, items in identified.frame_set.items.items():
            self._frames[camera_id] = ShownFrame(items[-1], identified.result)
        self._wake()

    def end(self) -> None:
        """Show nothing more."""
        self.has_ended = True
        self._frames.clear()
        self._wake()

    def _wake(self) -> None:
        self.next_change.set()
        self.next_change = asyncio.Event()


class PreviewBoard:
    """What all sessions of this process show."""

    def __init__(self) -> None:
        self._shows: dict[SessionId, SessionShow] = {}

    @contextlib.contextmanager
    def showing(self, session: Session) -> Iterator[SessionShow]:
        """Let a session be watched while the context is open."""
        show = SessionShow(session)
        self._shows[show.session_id] = show
        try:
            yield show
        finally:
            show.end()
            if self._shows.get(show.session_id) is show:
                del self._shows[show.session_id]

    def find(self, environment_id: EnvironmentId, session_id: SessionId) -> SessionShow:
        """Return what a session shows.

        Raises:
            NotReady: This process does not run it.
        """
        show = self._shows.get(session_id)
        if show is None or show.environment_id != environment_id:
            raise NotReady(f"this process does not run session {session_id}")
        return show


def _region(box: geometry_pb2.Box) -> Region:
    return box.x_min, box.y_min, box.x_max, box.y_max


def _face_points(detection: frame_pb2.Detection) -> list[tuple[float, float]]:
    """Return the certain points of a face, none if there are too few."""
    points = [
        (keypoint.point.x, keypoint.point.y)
        for keypoint in detection.keypoints
        if keypoint.kind in _FACE and keypoint.score >= _LEAST_FACE_SCORE
    ]
    return points if len(points) >= _LEAST_FACE_POINTS else []
