"""A person as history shows it."""

from dataclasses import dataclass

from services.common.ids import CameraId, EnvironmentId, GlobalId, TimelineId
from services.reid.domain.tracklet import CameraRecord
from services.reid.domain.values import FloorFix


@dataclass(frozen=True, slots=True)
class Identity:
    """A stored person.

    Attributes:
        global_id: The person.
        label: Number within the timeline, from 1.
        environment_id: Environment.
        timeline_id: Timeline.
        first_seen_ns: First sighting, nanoseconds since 1970 UTC.
        last_seen_ns: Latest sighting, nanoseconds since 1970 UTC.
        cameras: Sightings by camera, sorted.
        merged_into: Identity that this one went on as; 0 if it stands for itself.
        fix: Latest position, if ever located.
        prototype_count: Appearance vectors kept, all models together.
        has_crop: Whether a picture is stored.
        provisional: Whether no track was ever confirmed to be this person.
        expired_ns: When its looks were forgotten, nanoseconds since 1970 UTC; None
            before.
    """

    global_id: GlobalId
    label: int
    environment_id: EnvironmentId
    timeline_id: TimelineId
    first_seen_ns: int
    last_seen_ns: int
    cameras: tuple[tuple[CameraId, CameraRecord], ...]
    merged_into: GlobalId
    fix: FloorFix | None
    prototype_count: int
    has_crop: bool
    provisional: bool
    expired_ns: int | None = None


@dataclass(frozen=True, slots=True)
class IdentityFilter:
    """Which persons a search is about.

    Attributes:
        timeline_ids: Timelines; empty means all.
        camera_ids: Cameras of which one at least must have seen the person; empty
            means any.
        start_ns: Persons seen at or after this time, if given.
        end_ns: Persons seen before this time, if given.
    """

    timeline_ids: tuple[TimelineId, ...] = ()
    camera_ids: tuple[CameraId, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None
