"""Take in events one by one, and hand them out as columns.

This runs once for every box and person that is stored, so it does little more than
append; what can be computed for many at once is left to `folding`.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from services.analytics.domain.columns import (
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

_NOWHERE = (float("nan"),) * 7
_INTEGERS = 4
_FLOATS = 7

Views = dict[tuple[str, ...], int]
"""Ids of the sets of cameras that are known, by cameras."""


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
        self._supports: dict[GlobalId, list[TrackMemory]] = defaultdict(list)
        for track in memory.tracks.values():
            if track.global_id:
                self._supports[track.global_id].append(track)
        self._updates = array("q")
        self._persons = array("q")
        self._integers = array("q")
        self._floats = array("d")
        self._sessions: dict[tuple[SessionId, TimelineId], int] = {}
        self._floors: dict[str, int] = {"": 0}
        self._soles: dict[TrackKey, int] = {}
        self._labels: dict[GlobalId, tuple[TimelineId, int]] = {}
        self._changes: list[IdentityChange | TrackMove] = []
        self._session_changes: list[SessionChange] = []
        self._tracks: dict[TrackKey, TrackRow] = {}
        self._session_rows: dict[SessionId, SessionRow] = {}
        self._passes: dict[tuple[TimelineId, int], PassRow] = {}
        self._camera_minutes: dict[tuple[TimelineId, CameraId, int], CameraMinute] = {}
        self._timeline_minutes: dict[tuple[TimelineId, int], TimelineMinute] = {}
        self._session_id = SessionId("")
        self._timeline_id = TimelineId("")
        self._frame_set = 0
        self._time_us = 0

    def begin_update(
        self,
        session_id: SessionId,
        timeline_id: TimelineId,
        frame_set: int,
        time_us: int,
        event_us: int,
    ) -> None:
        """Begin a tracking update; its cameras and persons follow."""
        self._session_id, self._timeline_id = session_id, timeline_id
        self._frame_set, self._time_us = frame_set, time_us
        number, from_us = self._advance(session_id, timeline_id, time_us)
        pass_row = self._passes.setdefault(
            (timeline_id, number), PassRow(from_us, time_us, frame_set, frame_set)
        )
        pass_row.last_us, pass_row.last_frame_set = time_us, frame_set
        pass_row.updates += 1
        row = self._session_row(session_id, timeline_id, event_us)
        if not row.updates:
            row.first_us = row.last_us = time_us
        row.first_us, row.last_us = (
            min(row.first_us, time_us),
            max(row.last_us, time_us),
        )
        row.updates += 1
        minute = self._timeline_minutes.setdefault(
            (timeline_id, time_us // US_PER_MINUTE * US_PER_MINUTE), TimelineMinute()
        )
        minute.updates += 1
        minute.delay_us += event_us - time_us
        session = self._sessions.setdefault(
            (session_id, timeline_id), len(self._sessions)
        )
        self._updates.extend((time_us, frame_set, session, number))

    def end_update(self, persons: int, located: int) -> None:
        """End a tracking update with so many persons, so many of them located."""
        self._persons.append(persons)
        minute = self._timeline_minutes[
            self._timeline_id, self._time_us // US_PER_MINUTE * US_PER_MINUTE
        ]
        minute.persons += persons
        minute.located += located
        minute.most_persons = max(minute.most_persons, persons)

    def camera(self, camera_id: CameraId, tracks: int) -> CameraMinute:
        """Begin a camera's frame with so many tracks, which follow."""
        key = (
            self._timeline_id,
            camera_id,
            self._time_us // US_PER_MINUTE * US_PER_MINUTE,
        )
        minute = self._camera_minutes.get(key)
        if minute is None:
            minute = self._camera_minutes[key] = CameraMinute()
        minute.frames += 1
        minute.tracks += tracks
        minute.most_tracks = max(minute.most_tracks, tracks)
        return minute

    def track(
        self,
        key: TrackKey,
        global_id: GlobalId,
        score: float,
        *,
        coasted: bool,
        provisional: bool,
    ) -> None:
        """Take in one track of the frame that was begun last."""
        time_us = self._time_us
        row = self._tracks.get(key)
        if row is None:
            row = self._tracks[key] = TrackRow(key, self._timeline_id, time_us, time_us)
        row.global_id, row.provisional = global_id, provisional
        row.frames += 1
        row.coasted += coasted
        row.score_sum += score
        row.first_us = min(row.first_us, time_us)
        row.last_us = max(row.last_us, time_us)
        memory = self._memory.tracks.get(key)
        if memory is None:
            memory = TrackMemory(key, GlobalId(0), time_us, provisional)
            self._memory.tracks[key] = memory
        if memory.global_id != global_id or time_us - memory.last_us > self._gap_us:
            self._change_hands(memory, global_id)
        memory.last_us, memory.provisional = time_us, provisional

    def person(
        self,
        global_id: GlobalId,
        label: int,
        camera_ids: Iterable[str],
        floor_id: str,
        place: tuple[float, ...] | None,
    ) -> None:
        """Take in one person of the update that was begun last.

        Args:
            global_id: The identity.
            label: Its number for people.
            camera_ids: Who saw it.
            floor_id: Level; empty without a position.
            place: x and y in metres, x and y of the velocity in metres per second
                (NaN without one), covariance xx, xy, yy in square metres; None
                without a position.
        """
        view = self._views.get(tuple(camera_ids))
        if view is None:
            view = self._new_view(tuple(camera_ids))
        floor = self._floors.setdefault(floor_id, len(self._floors))
        self._integers.extend((global_id, floor, view, self._sole(global_id)))
        self._floats.extend(place or _NOWHERE)
        if global_id not in self._labels:
            self._labels[global_id] = (self._timeline_id, label)

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
        updates = np.frombuffer(self._updates, np.int64).reshape(-1, _INTEGERS)
        counts = np.frombuffer(self._persons, np.int64)
        integers = np.frombuffer(self._integers, np.int64).reshape(-1, _INTEGERS)
        floats = np.frombuffer(self._floats, np.float64).reshape(-1, _FLOATS)
        with np.errstate(over="ignore", invalid="ignore"):
            single = floats.astype(np.float32)
            sigma_m = _larger_sigma(*floats[:, 4:].T).astype(np.float32)
        return Columns(
            time_us=updates[:, 0],
            frame_set=updates[:, 1],
            session=updates[:, 2],
            pass_number=updates[:, 3],
            sessions=list(self._sessions),
            floors=list(self._floors),
            sole_tracks=list(self._soles),
            samples=Samples(
                update=np.repeat(np.arange(len(counts)), counts),
                global_id=integers[:, 0],
                floor=integers[:, 1],
                view=integers[:, 2],
                sole=integers[:, 3],
                x_m=single[:, 0],
                y_m=single[:, 1],
                velocity_x_mps=single[:, 2],
                velocity_y_mps=single[:, 3],
                sigma_m=sigma_m,
            ),
            labels=self._labels,
            new_views=self._new_views,
            changes=self._changes,
            session_changes=self._session_changes,
            tracks=self._tracks,
            session_rows=self._session_rows,
            passes=self._passes,
            camera_minutes=self._camera_minutes,
            timeline_minutes=self._timeline_minutes,
        )

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
        for key, track in list(self._memory.tracks.items()):
            if key.session_id == session_id:
                track.global_id = GlobalId(0)
                del self._memory.tracks[key]

    def _session_row(
        self, session_id: SessionId, timeline_id: TimelineId, event_us: int
    ) -> SessionRow:
        row = self._session_rows.get(session_id)
        if row is None:
            row = SessionRow(timeline_id, 0, 0, event_us, event_us)
            self._session_rows[session_id] = row
        row.last_event_us = event_us
        return row

    def _change_hands(self, track: TrackMemory, global_id: GlobalId) -> None:
        if track.global_id and global_id and track.global_id != global_id:
            self._changes.append(
                TrackMove(track.key, self._frame_set, track.global_id, global_id)
            )
        track.global_id = global_id
        if global_id:
            supports = self._supports[global_id]
            if track not in supports:
                supports.append(track)

    def _sole(self, global_id: GlobalId) -> int:
        """Return the index of the only track that supports a person, or -1."""
        supports = self._supports.get(global_id)
        if not supports:
            return -1
        oldest_us = self._time_us - self._gap_us
        sole: TrackMemory | None = None
        stale = False
        for track in supports:
            if track.global_id != global_id or track.last_us < oldest_us:
                stale = True
            elif sole is not None:
                return -1
            else:
                sole = track
        if stale:
            self._supports[global_id] = [] if sole is None else [sole]
        if sole is None:
            return -1
        return self._soles.setdefault(sole.key, len(self._soles))

    def _new_view(self, camera_ids: tuple[str, ...]) -> int:
        view = len(self._views) + 1
        self._views[camera_ids] = view
        self._new_views[view] = camera_ids
        return view


def _larger_sigma(
    xx_m2: NDArray[np.float64], xy_m2: NDArray[np.float64], yy_m2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the square root of the larger eigenvalue of each covariance."""
    half = (xx_m2 + yy_m2) / 2
    sigma_m: NDArray[np.float64] = np.sqrt(half + np.hypot((xx_m2 - yy_m2) / 2, xy_m2))
    return sigma_m
