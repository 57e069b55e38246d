"""A person: an id, a motion, prototypes, and the tracks of the past."""

from dataclasses import dataclass, field

from services.common.ids import CameraId, GlobalId
from services.reid.domain.appearance import Prototype
from services.reid.domain.motion import Motion
from services.reid.domain.spot import Spot
from services.reid.domain.tracklet import CameraRecord, Tracklet
from services.reid.domain.values import TrackKey


@dataclass(slots=True)
class Person:
    """What is known about a person apart from the live tracks.

    Attributes:
        global_id: The person.
        label: Number within the timeline, from 1, in order of creation.
        motion: Filtered position over all cameras, if ever located.
        confirmed: Whether a track was ever confirmed to be this person.
        prototypes: Appearance in tracks that have ended.
        cameras: Sightings in tracks that have ended.
        spots: Where each camera saw the person last, in tracks that have ended.
        past_keys: Tracks of this session that have ended, oldest first.
        past_conflicts: Tracks seen at the same time by the same camera as those,
            oldest first.
        portrait_quality: Quality of the best picture that came; 0 for none.
        portrait_asked_ns: When one was last asked for, nanoseconds since 1970 UTC.
    """

    global_id: GlobalId
    label: int
    motion: Motion | None = None
    confirmed: bool = False
    prototypes: list[Prototype] = field(default_factory=list)
    cameras: dict[CameraId, CameraRecord] = field(default_factory=dict)
    spots: dict[CameraId, Spot] = field(default_factory=dict)
    past_keys: list[TrackKey] = field(default_factory=list)
    past_conflicts: list[TrackKey] = field(default_factory=list)
    portrait_quality: float = 0.0
    portrait_asked_ns: int = 0

    @property
    def left_ns(self) -> int:
        """When an ended track last saw the person; 0 for never."""
        return max((record.last_ns for record in self.cameras.values()), default=0)

    def remember(self, track: Tracklet, history_keys: int) -> None:
        """Keep what an ended track leaves behind, within `history_keys` tracks."""
        camera_id = track.key.camera_id
        if track.record is not None:
            earlier = self.cameras.get(camera_id)
            self.cameras[camera_id] = track.record.joined(earlier)
        if track.spot is not None:
            self.spots[camera_id] = track.spot
        self.past_keys = [*self.past_keys, track.key][-history_keys:]
        known = set(self.past_conflicts)
        fresh = sorted(track.conflicts - known)
        self.past_conflicts = [*self.past_conflicts, *fresh][-4 * history_keys :]

    def absorb(self, other: "Person", history_keys: int) -> None:
        """Take over what is known about another identity of the same person."""
        for camera_id, record in other.cameras.items():
            self.cameras[camera_id] = record.joined(self.cameras.get(camera_id))
        for camera_id, spot in other.spots.items():
            known = self.spots.get(camera_id)
            if known is None or known.time_ns < spot.time_ns:
                self.spots[camera_id] = spot
        self.prototypes = [*self.prototypes, *other.prototypes]
        self.past_keys = [*self.past_keys, *other.past_keys][-history_keys:]
        conflicts = dict.fromkeys([*self.past_conflicts, *other.past_conflicts])
        self.past_conflicts = list(conflicts)[-4 * history_keys :]
        self.confirmed = self.confirmed or other.confirmed
        if self.motion is None or (
            other.motion is not None and other.motion.time_ns > self.motion.time_ns
        ):
            self.motion = other.motion
