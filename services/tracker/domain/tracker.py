"""What a tracker is, whichever it is."""

from dataclasses import dataclass
from typing import Protocol

from services.tracker.domain.appearance import Vectors
from services.tracker.domain.arrays import IntArray
from services.tracker.domain.frame import Detections, FrameTracks


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """What a tracker must know about its camera.

    Attributes:
        frame_size_px: Width and height of the full frame.
        high_score: Score from which a detection may begin a track.
        low_score: Score below which a detection is ignored.
        coast_s: How long a track goes on without a detection, seconds of capture time.
        embeddings_available: Whether appearance can be asked for.
        first_track_id: Number of the first track, where no state is loaded.
    """

    frame_size_px: tuple[int, int]
    high_score: float
    low_score: float
    coast_s: float
    embeddings_available: bool
    first_track_id: int = 1


@dataclass(frozen=True, slots=True)
class TrackerDescription:
    """What is said about a tracker.

    Attributes:
        name: By which streams choose it.
        uses_appearance: Whether it asks for vectors where they are available.
        needs_appearance: Whether it cannot do without.
        licence: Of its code, an SPDX identifier.
    """

    name: str
    uses_appearance: bool
    needs_appearance: bool
    licence: str


class Proposal(Protocol):
    """How a tracker would take a frame, as long as nobody says otherwise."""

    @property
    def wanted(self) -> IntArray:
        """Detections whose appearance would help, ascending. Shape (K,)."""

    def settle(self, vectors: Vectors) -> FrameTracks:
        """Take the step and return the tracks of the frame.

        Args:
            vectors: Of any of the wanted detections, also of none.

        Raises:
            InvalidInput: The vectors do not go with those before. Nothing changed.
        """


class Tracker(Protocol):
    """Follows the people of one camera. Frames come in order of capture time."""

    def propose(self, detections: Detections) -> Proposal:
        """Return how to take a frame. The tracks change when that is settled."""

    def dump(self) -> bytes:
        """Return everything that the next frames depend on."""

    def load(self, state: bytes) -> None:
        """Continue from what `dump` returned.

        Raises:
            InvalidInput: No tracker of this kind and version returned that.
        """
