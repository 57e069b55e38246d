"""What became of every frame.

A frame is counted once, however often it is read: reading again after a seek
backwards, or after a new owner took over, changes nothing for frames that were
counted before.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.common.ids import CameraId
from services.pipeline.domain.frames import SourceEnd
from services.pipeline.domain.index_set import IndexSet
from services.pipeline.domain.progress import CameraProgress, DropReason

_VERSION = 2
_TOTALS = (
    "received",
    "processed",
    "lost_upstream",
    "detections",
    "strong_detections",
    "tracks",
    "embeddings",
)


@dataclass(frozen=True, slots=True)
class FrameResult:
    """What one processed frame gave.

    Attributes:
        detections: Detections, weak ones included.
        strong_detections: Detections at or above the detector's high threshold.
        tracks: Tracks that this frame confirmed.
        embeddings: Detections for which a vector was computed.
    """

    detections: int = 0
    strong_detections: int = 0
    tracks: int = 0
    embeddings: int = 0


class CameraLedger:
    """Accounts for the frames of one camera.

    At any moment the frames received are those processed, dropped and in flight.
    """

    def __init__(self) -> None:
        self.container_frames: int | None = None
        self._received = IndexSet()
        self._in_flight: dict[int, int] = {}
        self._dropped: dict[DropReason, int] = {}
        self._lost_at_end = 0
        self._end_index = 0
        self._totals = dict.fromkeys(_TOTALS, 0)

    def receive(
        self, frame_index: int, *, skipped_before: int = 0, lost_before: int = 0
    ) -> bool:
        """Count a frame as received and in flight.

        Args:
            frame_index: The frame.
            skipped_before: Frames directly before it that were received too, and
                dropped to keep the rate.
            lost_before: Frames before those that were lost upstream.

        Returns:
            Whether the frame is counted now. If it was counted before, what becomes
            of it now is not counted either.
        """
        self._skip(range(frame_index - skipped_before, frame_index))
        if not self._received.add(frame_index):
            return False
        self._in_flight[frame_index] = lost_before
        self._totals["received"] += 1
        self._totals["lost_upstream"] += lost_before
        return True

    def end(self, end: SourceEnd) -> None:
        """Count what came after the last frame of the source."""
        self._skip(range(end.next_index - end.skipped, end.next_index))
        self._lost_at_end = end.lost
        self._end_index = max(self._end_index, end.next_index)

    def process(self, frame_index: int, result: FrameResult) -> None:
        """Count a frame as processed.

        Raises:
            ValueError: The frame was never received.
        """
        if self._take(frame_index):
            self._totals["processed"] += 1
            self._totals["detections"] += result.detections
            self._totals["strong_detections"] += result.strong_detections
            self._totals["tracks"] += result.tracks
            self._totals["embeddings"] += result.embeddings

    def drop(self, frame_index: int, reason: DropReason) -> None:
        """Count a frame as given up.

        Raises:
            ValueError: The frame was never received.
        """
        if self._take(frame_index):
            self._dropped[reason] = self._dropped.get(reason, 0) + 1

    def drop_in_flight(self, reason: DropReason) -> None:
        """Give up every frame in flight."""
        for frame_index in list(self._in_flight):
            self.drop(frame_index, reason)

    def forget_in_flight(self) -> None:
        """Undo the receipt of every frame in flight; they will be read again."""
        for frame_index, lost_before in self._in_flight.items():
            self._received.remove(frame_index)
            self._totals["received"] -= 1
            self._totals["lost_upstream"] -= lost_before
        self._in_flight.clear()

    def progress(self, camera_id: CameraId) -> CameraProgress:
        """Return the counts of this moment."""
        totals = self._totals
        return CameraProgress(
            camera_id=camera_id,
            received=totals["received"],
            processed=totals["processed"],
            dropped=dict(self._dropped),
            in_flight=len(self._in_flight),
            lost_upstream=totals["lost_upstream"] + self._lost_at_end,
            container_frames=self.container_frames,
            skipped=self._received.holes(self._end_index),
            detections=totals["detections"],
            strong_detections=totals["strong_detections"],
            tracks=totals["tracks"],
            embeddings=totals["embeddings"],
        )

    def to_state(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {
            "ranges": self._received.ranges(),
            "in_flight": sorted(self._in_flight.items()),
            "dropped": self._dropped,
            "container_frames": self.container_frames,
            "lost_at_end": self._lost_at_end,
            "end_index": self._end_index,
            "totals": self._totals,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "CameraLedger":
        """Return the ledger that `to_state` described."""
        ledger = cls()
        ledger.container_frames = state["container_frames"]
        ledger._received = IndexSet(state["ranges"])
        ledger._in_flight = dict(state["in_flight"])
        ledger._dropped = {DropReason(k): n for k, n in state["dropped"].items()}
        ledger._lost_at_end = state["lost_at_end"]
        ledger._end_index = state["end_index"]
        ledger._totals |= state["totals"]
        return ledger

    def _skip(self, indices: Iterable[int]) -> None:
        """Count frames that were received and dropped to keep the rate."""
        new = sum(self._received.add(index) for index in indices)
        if new:
            self._totals["received"] += new
            dropped = self._dropped.get(DropReason.RATE, 0)
            self._dropped[DropReason.RATE] = dropped + new

    def _take(self, frame_index: int) -> bool:
        """Take a frame out of flight; return whether it was counted."""
        if self._in_flight.pop(frame_index, None) is not None:
            return True
        if frame_index not in self._received:
            raise ValueError(f"frame {frame_index} was never received")
        return False


class FrameLedger:
    """Accounts for the frames of all cameras of a session."""

    def __init__(self, camera_ids: Iterable[CameraId]) -> None:
        self._cameras = {camera_id: CameraLedger() for camera_id in sorted(camera_ids)}

    def __getitem__(self, camera_id: CameraId) -> CameraLedger:
        return self._cameras[camera_id]

    def snapshot(self) -> tuple[CameraProgress, ...]:
        """Return the counts of all cameras at this moment, in the order of names."""
        return tuple(
            ledger.progress(camera_id) for camera_id, ledger in self._cameras.items()
        )

    def to_bytes(self) -> bytes:
        """Return the ledger as bytes, to be kept with a commit."""
        cameras = {name: ledger.to_state() for name, ledger in self._cameras.items()}
        document = {"version": _VERSION, "cameras": cameras}
        return json.dumps(document, separators=(",", ":")).encode()

    def restore(self, state: bytes, *, recordings: bool) -> None:
        """Take over what another owner committed.

        Args:
            state: What its `to_bytes` returned.
            recordings: Whether frames that were in flight will be read again; if
                not, they count as dropped.

        Raises:
            ValueError: The state is of a version that is not understood.
        """
        document = json.loads(state)
        if document["version"] != _VERSION:
            raise ValueError(f"ledger of version {document['version']}")
        for name, camera in document["cameras"].items():
            ledger = CameraLedger.from_state(camera)
            self._cameras[CameraId(name)] = ledger
            if recordings:
                ledger.forget_in_flight()
            else:
                ledger.drop_in_flight(DropReason.FAILOVER)
