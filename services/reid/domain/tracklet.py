"""One person in one camera while visible."""

from dataclasses import dataclass, field

from services.common.ids import GlobalId
from services.reid.domain.appearance import Prototype
from services.reid.domain.motion import Motion
from services.reid.domain.spot import Spot
from services.reid.domain.values import TrackKey


@dataclass(frozen=True, slots=True)
class CameraRecord:
    """How one camera saw a person.

    Attributes:
        detections: Detections that supported the person.
        first_ns: First sighting, nanoseconds since 1970 UTC.
        last_ns: Latest sighting, nanoseconds since 1970 UTC.
    """

    detections: int
    first_ns: int
    last_ns: int

    def joined(self, other: "CameraRecord | None") -> "CameraRecord":
        """Return the record of both, which share no frame set."""
        if other is None:
            return self
        return CameraRecord(
            self.detections + other.detections,
            min(self.first_ns, other.first_ns),
            max(self.last_ns, other.last_ns),
        )


@dataclass(slots=True)
class Tracklet:
    """A live track, its evidence and the person it is bound to.

    Attributes:
        key: The track.
        begun_ns: Frame in which it was first seen, nanoseconds since 1970 UTC.
        listed_ns: Latest frame that listed it, coasting or not.
        record: Its sightings; None until a detection supports it.
        motion: Filtered position, if it was ever located.
        spot: Where it is in the picture, if that was ever told.
        global_id: Person that it is bound to; None before the first assignment.
        provisional: Whether the person may still change without a split.
        returned: Whether the person had been away when the track joined.
        torn: Whether another person is almost as likely.
        prototypes: What it looks like.
        asked_ns: When its appearance was last asked for or given; 0 for never.
        conflicts: Tracks that its camera saw at the same time.
        past: Evidence from before now about persons without a live track in another
            camera, nats.
        places: Evidence of the place where it began, about persons who may be back
            there, nats; minus infinity where the distance is implausible.
    """

    key: TrackKey
    begun_ns: int
    listed_ns: int
    record: CameraRecord | None = None
    motion: Motion | None = None
    spot: Spot | None = None
    global_id: GlobalId | None = None
    provisional: bool = True
    returned: bool = False
    torn: bool = False
    prototypes: list[Prototype] = field(default_factory=list)
    asked_ns: int = 0
    conflicts: set[TrackKey] = field(default_factory=set)
    past: dict[GlobalId, float] = field(default_factory=dict)
    places: dict[GlobalId, float] = field(default_factory=dict)

    @property
    def vector_count(self) -> int:
        """Vectors that its prototypes stand for."""
        return sum(prototype.count for prototype in self.prototypes)
