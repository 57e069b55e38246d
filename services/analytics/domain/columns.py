"""One batch of events, column by column."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.analytics.domain.memory import TrackKey
from services.common.ids import CameraId, GlobalId, SessionId, TimelineId

NOBODY = GlobalId(0)
"""Identity of a track that has none."""

US_PER_MINUTE = 60_000_000
US_PER_HOUR = 60 * US_PER_MINUTE


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """An identity event, with its place in the log."""

    kind: str
    timeline_id: TimelineId
    global_id: GlobalId
    other: GlobalId
    frame_set: int | None
    time_us: int | None
    sequence: int
    event_us: int


@dataclass(frozen=True, slots=True)
class TrackMove:
    """A track that has another identity than before."""

    key: TrackKey
    frame_set: int
    before: GlobalId
    after: GlobalId


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A session event, with its place in the log."""

    kind: str
    session_id: SessionId
    timeline_id: TimelineId
    epoch: int
    detail: str
    sequence: int
    event_us: int


@dataclass(slots=True)
class TrackRow:
    """What a batch adds to a track."""

    key: TrackKey
    timeline_id: TimelineId
    first_us: int
    last_us: int
    global_id: GlobalId = NOBODY
    provisional: bool = True
    frames: int = 0
    coasted: int = 0
    score_sum: float = 0.0


@dataclass(slots=True)
class SessionRow:
    """What a batch adds to a session: its updates, and how far they reach."""

    timeline_id: TimelineId
    first_us: int
    last_us: int
    first_event_us: int
    last_event_us: int
    updates: int = 0


@dataclass(slots=True)
class PassRow:
    """What a batch adds to a pass.

    Attributes:
        from_us: How far the pass had come before; where it begins, if it is new.
        first_us: First update of the batch.
    """

    from_us: int
    first_us: int
    last_us: int
    first_frame_set: int
    last_frame_set: int
    updates: int = 0


@dataclass(slots=True)
class CameraMinute:
    """What a batch adds to a minute of a camera."""

    frames: int = 0
    tracks: int = 0
    coasted: int = 0
    unidentified: int = 0
    most_tracks: int = 0


@dataclass(slots=True)
class TimelineMinute:
    """What a batch adds to a minute of a timeline."""

    updates: int = 0
    persons: int = 0
    located: int = 0
    most_persons: int = 0
    delay_us: int = 0


@dataclass(slots=True)
class Samples:
    """The persons of all updates; every array has shape (N,).

    Attributes:
        update: int64, index of the update.
        global_id: int64, as published.
        floor: int64, index into `floors`.
        view: int64, id of the set of cameras.
        sole: int64, index into `sole_tracks`; -1 without one.
        x_m: float32, NaN without a position; likewise the following.
        y_m: float32.
        velocity_x_mps: float32.
        velocity_y_mps: float32.
        sigma_m: float32, square root of the larger variance.
    """

    update: NDArray[np.int64]
    global_id: NDArray[np.int64]
    floor: NDArray[np.int64]
    view: NDArray[np.int64]
    sole: NDArray[np.int64]
    x_m: NDArray[np.float32]
    y_m: NDArray[np.float32]
    velocity_x_mps: NDArray[np.float32]
    velocity_y_mps: NDArray[np.float32]
    sigma_m: NDArray[np.float32]


@dataclass(slots=True)
class Columns:
    """A batch.

    Attributes:
        time_us: int64, shape (U,), capture time of each update.
        frame_set: int64, shape (U,).
        session: int64, shape (U,), index into `sessions`.
        pass_number: int64, shape (U,).
        sessions: Session and timeline.
        floors: Levels by index; the first is the empty name.
        sole_tracks: Tracks by index.
        samples: Persons.
        labels: Timeline and label of each person in the batch.
        new_views: Sets of cameras that were not known before, by id.
        views: Sets of cameras that saw somebody in the batch, by id.
        changes: What happened to identities and tracks, in the order of the log.
        session_changes: Session events, in order.
        tracks: By key.
        session_rows: By session.
        passes: By timeline and number.
        camera_minutes: By timeline, camera and minute, microseconds since 1970.
        timeline_minutes: By timeline and minute.
    """

    time_us: NDArray[np.int64]
    frame_set: NDArray[np.int64]
    session: NDArray[np.int64]
    pass_number: NDArray[np.int64]
    sessions: list[tuple[SessionId, TimelineId]]
    floors: list[str]
    sole_tracks: list[TrackKey]
    samples: Samples
    labels: dict[GlobalId, tuple[TimelineId, int]]
    new_views: dict[int, tuple[str, ...]]
    views: dict[int, tuple[str, ...]]
    changes: list[IdentityChange | TrackMove]
    session_changes: list[SessionChange]
    tracks: dict[TrackKey, TrackRow]
    session_rows: dict[SessionId, SessionRow]
    passes: dict[tuple[TimelineId, int], PassRow]
    camera_minutes: dict[tuple[TimelineId, CameraId, int], CameraMinute] = field(
        default_factory=dict
    )
    timeline_minutes: dict[tuple[TimelineId, int], TimelineMinute] = field(
        default_factory=dict
    )
