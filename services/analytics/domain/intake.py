"""Take in events in the order of the log, and hand them out as columns.

Only what depends on that order is done one by one: whose a track is, and which tracks
support a person. The rest stays in columns, from the wire to the tables.
"""

from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.analytics.domain.columns import (
    NOBODY,
    US_PER_MINUTE,
    CameraMinute,
    Columns,
    IdentityChange,
    PassRow,
    Samples,
    SessionChange,
    SessionRow,
    TimelineMinute,
    TrackMove,
    TrackRow,
)
from services.analytics.domain.memory import (
    Memory,
    TimelineMemory,
    TrackKey,
    TrackMemory,
)
from services.common.ids import CameraId, GlobalId, SessionId, TimelineId

_UPDATE_FIELDS = 5

Views = dict[tuple[str, ...], int]
"""Ids of the sets of cameras that are known, by cameras."""


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """What one camera saw in an update.

    Attributes:
        camera_id: The camera.
        track_ids: Its tracks.
        global_ids: Their identities; 0 for none.
        coasted: How many of the tracks are predicted.
    """

    camera_id: CameraId
    track_ids: list[int]
    global_ids: list[int]
    coasted: int


@dataclass(frozen=True, slots=True)
class TrackColumns:
    """All tracks that were taken in, in order; every array has shape (K,).

    Attributes:
        score: float32.
        coasted: bool, whether no detection supports it.
        provisional: bool, whether the identity may still change.
    """

    score: NDArray[np.float32]
    coasted: NDArray[np.bool_]
    provisional: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PersonColumns:
    """All persons that were taken in, in order; every array has shape (N,).

    Attributes:
        label: int64, number for people.
        floor: int64, from `Intake.floor`; 0 without a position.
        view: int64, from `Intake.view`.
        x_m: float64, NaN without a position; likewise the following.
        y_m: float64.
        velocity_x_mps: float32.
        velocity_y_mps: float32.
        covariance_m2: float64, shape (3, N): xx, xy, yy.
    """

    label: NDArray[np.int64]
    floor: NDArray[np.int64]
    view: NDArray[np.int64]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    velocity_x_mps: NDArray[np.float32]
    velocity_y_mps: NDArray[np.float32]
    covariance_m2: NDArray[np.float64]


@dataclass(slots=True)
class _Sighting:
    """When tracks were last seen that were seen together since."""

    time_us: int


@dataclass(slots=True, eq=False)
class _Track:
    """A track of the batch or of the memory.

    Attributes:
        memory: What is kept of it.
        row: Its number within the batch.
        global_id: Its identity by now; 0 for none.
        sighting: When it was last seen.
    """

    memory: TrackMemory
    row: int
    global_id: int
    sighting: _Sighting


@dataclass(slots=True)
class _Camera:
    """Tracks of a camera, and its newest frame, whose like mostly follows.

    Attributes:
        tracks: By number.
        frame: The newest frame; None when none was seen.
        rows: Rows of the frame's tracks.
        sighting: Shared by the frame's tracks.
    """

    tracks: dict[int, _Track] = field(default_factory=dict)
    frame: CameraFrame | None = None
    rows: "array[int]" = field(default_factory=lambda: array("q"))
    sighting: _Sighting = field(default_factory=lambda: _Sighting(0))


@dataclass(frozen=True, slots=True)
class _Soles:
    """Only tracks of persons, and for how long that holds.

    Attributes:
        version: Holds until this changes.
        until_us: Holds up to this capture time.
        persons: The persons.
        soles: Row of the only track of each, or -1.
    """

    version: int
    until_us: int
    persons: list[int]
    soles: list[int]


class Intake:
    """One batch in the making."""

    def __init__(self, memory: Memory, views: Views, presence_gap_us: int) -> None:
        """Begin a batch.

        Args:
            memory: What was before; tracks and timelines in it are moved on.
            views: Sets of cameras that are known; new ones are added.
            presence_gap_us: How long a sighting supports an identity, microseconds.
        """
        self._memory = memory
        self._gap_us = presence_gap_us
        self._views = views
        self._new_views: dict[int, tuple[str, ...]] = {}
        self._seen_views: dict[int, tuple[str, ...]] = {}
        self._supports: dict[int, list[_Track]] = {}
        self._cameras: dict[tuple[SessionId, CameraId], _Camera] = {}
        self._version = 0
        self._known_soles: dict[SessionId, _Soles] = {}
        self._rows: list[_Track] = []
        for one in memory.tracks.values():
            self._add_track(one)
        self._updates = array("q")
        self._track_rows = array("q")
        self._frames = array("q")
        self._persons = array("q")
        self._soles = array("q")
        self._sessions: dict[tuple[SessionId, TimelineId], int] = {}
        self._floors: dict[str, int] = {"": 0}
        self._changes: list[IdentityChange | TrackMove] = []
        self._session_changes: list[SessionChange] = []
        self._session_rows: dict[SessionId, SessionRow] = {}
        self._passes: dict[tuple[TimelineId, int], PassRow] = {}
        self._camera_minutes: dict[tuple[TimelineId, CameraId, int], CameraMinute] = {}
        self._timeline_minutes: dict[tuple[TimelineId, int], TimelineMinute] = {}
        self._track_columns: TrackColumns | None = None
        self._person_columns: PersonColumns | None = None

    def update(
        self,
        session_id: SessionId,
        timeline_id: TimelineId,
        frame_set: int,
        time_us: int,
        event_us: int,
        cameras: list[CameraFrame],
        persons: list[int],
        located: int,
    ) -> None:
        """Take in a tracking update.

        Args:
            session_id: Its session.
            timeline_id: Its timeline.
            frame_set: Its number.
            time_us: Capture time, microseconds since 1970.
            event_us: When it was appended, likewise.
            cameras: Who saw what.
            persons: Identities of the persons, whose columns are told to `measured`.
            located: How many of them have a position.
        """
        number, from_us = self._advance(session_id, timeline_id, time_us)
        pass_row = self._passes.setdefault(
            (timeline_id, number),
            PassRow(from_us, time_us, time_us, frame_set, frame_set),
        )
        pass_row.last_us, pass_row.last_frame_set = time_us, frame_set
        pass_row.updates += 1
        row = self._session_row(session_id, timeline_id, event_us)
        if not row.updates:
            row.first_us = row.last_us = time_us
        row.first_us = min(row.first_us, time_us)
        row.last_us = max(row.last_us, time_us)
        row.updates += 1
        minute_us = time_us // US_PER_MINUTE * US_PER_MINUTE
        minute = self._timeline_minutes.setdefault(
            (timeline_id, minute_us), TimelineMinute()
        )
        minute.updates += 1
        minute.delay_us += event_us - time_us
        minute.persons += len(persons)
        minute.located += located
        minute.most_persons = max(minute.most_persons, len(persons))
        for frame in cameras:
            self._count(timeline_id, minute_us, frame)
            self._sight(session_id, frame, time_us, frame_set)
        pair = (session_id, timeline_id)
        session = self._sessions.setdefault(pair, len(self._sessions))
        self._updates.extend((time_us, frame_set, session, number, len(persons)))
        self._persons.extend(persons)
        self._soles.extend(self._soles_of(session_id, persons, time_us))

    def floor(self, floor_id: str) -> int:
        """Return the number of a level within the batch."""
        return self._floors.setdefault(floor_id, len(self._floors))

    def view(self, camera_ids: tuple[str, ...]) -> int:
        """Return the id of a set of cameras."""
        view = self._views.get(camera_ids)
        if view is None:
            view = self._views[camera_ids] = len(self._views) + 1
            self._new_views[view] = camera_ids
        self._seen_views[view] = camera_ids
        return view

    def measured(self, tracks: TrackColumns, persons: PersonColumns) -> None:
        """Take in the columns of all tracks and persons of the updates."""
        self._track_columns, self._person_columns = tracks, persons

    def identity(self, change: IdentityChange) -> None:
        """Take in an identity event."""
        self._changes.append(change)

    def session(self, change: SessionChange) -> None:
        """Take in a session event."""
        self._session_changes.append(change)
        if change.session_id:
            self._session_row(change.session_id, change.timeline_id, change.event_us)
        if change.kind == "sought" and change.timeline_id in self._memory.timelines:
            self._memory.timelines[change.timeline_id].sought = True

    def columns(self) -> Columns:
        """Return the batch."""
        updates = np.frombuffer(self._updates, np.int64).reshape(-1, _UPDATE_FIELDS)
        tracks = self._tracks_seen()
        self._remember_tracks()
        return Columns(
            time_us=updates[:, 0],
            frame_set=updates[:, 1],
            session=updates[:, 2],
            pass_number=updates[:, 3],
            sessions=list(self._sessions),
            floors=list(self._floors),
            sole_tracks=[one.memory.key for one in self._rows],
            samples=self._samples(updates[:, 4]),
            labels=self._labels(updates),
            new_views=self._new_views,
            views=self._seen_views,
            changes=self._changes,
            session_changes=self._session_changes,
            tracks=tracks,
            session_rows=self._session_rows,
            passes=self._passes,
            camera_minutes=self._camera_minutes,
            timeline_minutes=self._timeline_minutes,
        )

    def _samples(self, counts: NDArray[np.int64]) -> Samples:
        persons = self._person_columns or _NO_PERSONS
        with np.errstate(over="ignore", invalid="ignore"):
            return Samples(
                update=np.repeat(np.arange(len(counts)), counts),
                global_id=np.frombuffer(self._persons, np.int64),
                floor=persons.floor,
                view=persons.view,
                sole=np.frombuffer(self._soles, np.int64),
                x_m=persons.x_m.astype(np.float32),
                y_m=persons.y_m.astype(np.float32),
                velocity_x_mps=persons.velocity_x_mps,
                velocity_y_mps=persons.velocity_y_mps,
                sigma_m=_larger_sigma(*persons.covariance_m2).astype(np.float32),
            )

    def _labels(
        self, updates: NDArray[np.int64]
    ) -> dict[GlobalId, tuple[TimelineId, int]]:
        """Return the timeline and label of each person, as first told."""
        persons = self._person_columns or _NO_PERSONS
        found, first = np.unique(
            np.frombuffer(self._persons, np.int64), return_index=True
        )
        session = np.repeat(updates[:, 2], updates[:, 4])[first]
        sessions = list(self._sessions)
        return {
            GlobalId(global_id): (sessions[index][1], label)
            for global_id, index, label in zip(
                found.tolist(),
                session.tolist(),
                persons.label[first].tolist(),
                strict=True,
            )
        }

    def _tracks_seen(self) -> dict[TrackKey, TrackRow]:
        """Return what the batch adds to each track."""
        columns = self._track_columns
        rows = np.frombuffer(self._track_rows, np.int64)
        if columns is None or not len(rows):
            return {}
        frames_us, counts = np.frombuffer(self._frames, np.int64).reshape(-1, 2).T
        time_us = np.repeat(frames_us, counts)
        count = len(self._rows)
        frames = np.bincount(rows, minlength=count)
        coasted = np.bincount(rows[columns.coasted], minlength=count)
        score_sum = np.bincount(rows, columns.score.astype(np.float64), count)
        first_us = np.full(count, np.iinfo(np.int64).max)
        np.minimum.at(first_us, rows, time_us)
        last_us = np.full(count, np.iinfo(np.int64).min)
        np.maximum.at(last_us, rows, time_us)
        provisional = np.zeros(count, np.bool_)
        provisional[rows] = columns.provisional
        found = {}
        for row in np.flatnonzero(frames).tolist():
            track = self._rows[row]
            track.memory.provisional = bool(provisional[row])
            key = track.memory.key
            found[key] = TrackRow(
                key=key,
                timeline_id=self._session_rows[key.session_id].timeline_id,
                first_us=int(first_us[row]),
                last_us=int(last_us[row]),
                global_id=GlobalId(track.global_id),
                provisional=track.memory.provisional,
                frames=int(frames[row]),
                coasted=int(coasted[row]),
                score_sum=float(score_sum[row]),
            )
        return found

    def _remember_tracks(self) -> None:
        for track in self._rows:
            memory = track.memory
            memory.global_id = GlobalId(track.global_id)
            memory.last_us = track.sighting.time_us
            self._memory.tracks[memory.key] = memory

    def _advance(
        self, session_id: SessionId, timeline_id: TimelineId, time_us: int
    ) -> tuple[int, int]:
        """Move a timeline on; return the number of its pass and how far it had come."""
        timeline = self._memory.timelines.get(timeline_id)
        from_us = time_us if timeline is None else timeline.last_us
        if timeline is None:
            timeline = self._memory.timelines[timeline_id] = TimelineMemory(1, time_us)
        elif time_us < timeline.last_us or timeline.sought:
            timeline.pass_number += 1
            timeline.sought = False
            from_us = time_us
            self._end_tracks(session_id)
        # Last used, last in the memory, which forgets from the front.
        del self._memory.timelines[timeline_id]
        self._memory.timelines[timeline_id] = timeline
        timeline.last_us = time_us
        return timeline.pass_number, from_us

    def _end_tracks(self, session_id: SessionId) -> None:
        """Let no track from before support anybody from now on."""
        self._version += 1
        for (of_session, _), camera in self._cameras.items():
            if of_session == session_id:
                camera.frame = None
                for track in camera.tracks.values():
                    track.global_id = NOBODY

    def _session_row(
        self, session_id: SessionId, timeline_id: TimelineId, event_us: int
    ) -> SessionRow:
        row = self._session_rows.get(session_id)
        if row is None:
            row = SessionRow(timeline_id, 0, 0, event_us, event_us)
            self._session_rows[session_id] = row
        row.last_event_us = event_us
        return row

    def _count(
        self, timeline_id: TimelineId, minute_us: int, frame: CameraFrame
    ) -> None:
        key = (timeline_id, frame.camera_id, minute_us)
        minute = self._camera_minutes.get(key)
        if minute is None:
            minute = self._camera_minutes[key] = CameraMinute()
        tracks = len(frame.track_ids)
        minute.frames += 1
        minute.tracks += tracks
        minute.coasted += frame.coasted
        minute.unidentified += frame.global_ids.count(0)
        minute.most_tracks = max(minute.most_tracks, tracks)

    def _sight(
        self, session_id: SessionId, frame: CameraFrame, time_us: int, frame_set: int
    ) -> None:
        """Move the tracks of a frame on."""
        key = (session_id, frame.camera_id)
        camera = self._cameras.get(key)
        if camera is None:
            camera = self._cameras[key] = _Camera()
        before = camera.frame
        if (
            before is not None
            and before.track_ids == frame.track_ids
            and before.global_ids == frame.global_ids
            and camera.sighting.time_us >= time_us - self._gap_us
        ):
            camera.sighting.time_us = time_us
        else:
            self._look_closely(session_id, camera, frame, time_us, frame_set)
        self._track_rows.extend(camera.rows)
        self._frames.extend((time_us, len(frame.track_ids)))

    def _look_closely(
        self,
        session_id: SessionId,
        camera: _Camera,
        frame: CameraFrame,
        time_us: int,
        frame_set: int,
    ) -> None:
        """Move the tracks of a frame on that is not like the one before."""
        self._version += 1
        sighting, oldest_us = _Sighting(time_us), time_us - self._gap_us
        camera.frame, camera.sighting, camera.rows = frame, sighting, array("q")
        for track_id, global_id in zip(frame.track_ids, frame.global_ids, strict=True):
            track = camera.tracks.get(track_id)
            if track is None:
                key = TrackKey(session_id, frame.camera_id, track_id)
                memory = TrackMemory(key, NOBODY, time_us, provisional=True)
                track = self._add_track(memory)
            if track.global_id != global_id or track.sighting.time_us < oldest_us:
                self._change_hands(track, global_id, frame_set)
            track.sighting = sighting
            camera.rows.append(track.row)

    def _add_track(self, memory: TrackMemory) -> _Track:
        key, seen = memory.key, _Sighting(memory.last_us)
        track = _Track(memory, len(self._rows), memory.global_id, seen)
        self._rows.append(track)
        camera = self._cameras.setdefault((key.session_id, key.camera_id), _Camera())
        camera.tracks[key.track_id] = track
        if track.global_id:
            self._supports.setdefault(track.global_id, []).append(track)
        return track

    def _change_hands(self, track: _Track, global_id: int, frame_set: int) -> None:
        before, track.global_id = track.global_id, global_id
        if before and global_id and before != global_id:
            key = track.memory.key
            move = TrackMove(key, frame_set, GlobalId(before), GlobalId(global_id))
            self._changes.append(move)
        if global_id:
            supports = self._supports.setdefault(global_id, [])
            if track not in supports:
                supports.append(track)

    def _soles_of(
        self, session_id: SessionId, persons: list[int], time_us: int
    ) -> list[int]:
        """Return the row of each person's only track, or -1."""
        known = self._known_soles.get(session_id)
        if (
            known is None
            or known.version != self._version
            or known.until_us < time_us
            or known.persons != persons
        ):
            found = [self._sole(one, time_us) for one in persons]
            known = _Soles(
                self._version,
                min((until_us for _, until_us in found), default=time_us),
                persons,
                [sole for sole, _ in found],
            )
            self._known_soles[session_id] = known
        return known.soles

    def _sole(self, global_id: int, time_us: int) -> tuple[int, int]:
        """Return the row of a person's only track, or -1; and how long that holds."""
        supports = self._supports.get(global_id, ())
        oldest_us = time_us - self._gap_us
        active = [
            track
            for track in supports
            if track.global_id == global_id and track.sighting.time_us >= oldest_us
        ]
        if len(active) < len(supports):
            self._supports[global_id] = active
        if not active:
            return -1, time_us + self._gap_us
        until_us = min(track.sighting.time_us for track in active) + self._gap_us
        return (active[0].row if len(active) == 1 else -1), until_us


_NO_PERSONS = PersonColumns(
    *(np.zeros(0, np.int64),) * 3,
    *(np.zeros(0, np.float64),) * 2,
    *(np.zeros(0, np.float32),) * 2,
    np.zeros((3, 0)),
)


def _larger_sigma(
    xx_m2: NDArray[np.float64], xy_m2: NDArray[np.float64], yy_m2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the square root of the larger eigenvalue of each covariance."""
    half = (xx_m2 + yy_m2) / 2
    sigma_m: NDArray[np.float64] = np.sqrt(half + np.hypot((xx_m2 - yy_m2) / 2, xy_m2))
    return sigma_m
