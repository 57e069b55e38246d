"""Millions of samples of people who walk about a shop, made at once.

The history gets them through the worker's own code, from `fold` on, so every table is
what a worker would have written; only reading events from the log is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.analytics.domain.columns import (
    US_PER_MINUTE,
    CameraMinute,
    Columns,
    IdentityChange,
    PassRow,
    Samples,
    SessionRow,
    TimelineMinute,
    TrackRow,
)
from services.analytics.domain.memory import TrackKey
from services.common.ids import CameraId, GlobalId, SessionId, TimelineId

START_US = 1_772_409_600_000_000
"""2026-03-02 00:00 UTC."""
RATE_HZ = 5
STEP_US = 1_000_000 // RATE_HZ
MEAN_STAY_S = 300.0
FLOOR_M = (40.0, 20.0)
CAMERAS = {"east": (26.0, 40.0), "middle": (12.0, 32.0), "west": (0.0, 18.0)}
SESSION, TIMELINE = SessionId("session-1"), TimelineId("timeline-1")
MERGED_SHARE = 0.05
BATCH_US = 10 * US_PER_MINUTE
_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Walkers:
    """Everybody's samples, in the order of time; arrays have the shape (N,).

    Attributes:
        frame: int64, number of the frame set, from 0.
        person: int64, who.
        published: int64, under which id: a few are taken for somebody new half-way.
        x_m: float32.
        y_m: float32.
        velocity_x_mps: float32.
        velocity_y_mps: float32.
        frames: How many frame sets there are.
    """

    frame: NDArray[np.int64]
    person: NDArray[np.int64]
    published: NDArray[np.int64]
    x_m: NDArray[np.float32]
    y_m: NDArray[np.float32]
    velocity_x_mps: NDArray[np.float32]
    velocity_y_mps: NDArray[np.float32]
    frames: int

    @property
    def end_us(self) -> int:
        """When it is over."""
        return START_US + self.frames * STEP_US


def walkers(samples: int, present: float, seed: int = 1) -> Walkers:
    """Return so many samples, and a few more.

    Args:
        samples: How many.
        present: How many people there are at a time, on average.
        seed: Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    frames = int(samples / present)
    ways: list[NDArray[np.float64]] = []
    count = 0
    while count < samples:
        ways.append(_way(rng, len(ways) + 1, frames))
        count += len(ways[-1])
    table = np.concatenate(ways)
    table = table[np.argsort(table[:, 0], kind="stable")]
    frame, person, published = (table[:, index].astype(np.int64) for index in range(3))
    places = (table[:, index].astype(np.float32) for index in range(3, 7))
    return Walkers(frame, person, published, *places, frames=frames)


def _way(rng: np.random.Generator, person: int, frames: int) -> NDArray[np.float64]:
    """Return one person's samples: frame, person, id, x, y, and velocity."""
    length = int(np.clip(rng.exponential(MEAN_STAY_S), 20, 3600) * RATE_HZ)
    first = int(rng.integers(0, max(1, frames - length)))
    length = min(length, frames - first)
    turns = max(2, length // (15 * RATE_HZ))
    times = np.linspace(0, length, turns)
    targets = rng.uniform((0.5, 0.5), np.subtract(FLOOR_M, 0.5), (turns, 2))
    # People stand about as long as they walk.
    targets[1::2] = targets[: len(targets[1::2]) * 2 : 2]
    at = np.arange(length)
    x_m, y_m = (np.interp(at, times, targets[:, axis]) for axis in range(2))
    x_m += rng.normal(0, 0.03, length)
    y_m += rng.normal(0, 0.03, length)
    published = np.full(length, person)
    if rng.random() < MERGED_SHARE:
        published[length // 2 :] = -person
    velocity = (
        np.gradient(along) * RATE_HZ if length > 1 else at for along in (x_m, y_m)
    )
    return np.column_stack(
        [first + at, np.full(length, person), published, x_m, y_m, *velocity]
    )


class Batches:
    """Samples as the batches of a worker."""

    def __init__(self, people: Walkers) -> None:
        self._people = people
        self._last = int(people.person.max())
        self._tracks: dict[TrackKey, int] = {}
        self._merged: set[int] = set()

    def __iter__(self) -> Iterator[Columns]:
        people = self._people
        frames = BATCH_US // STEP_US
        for first in range(0, people.frames, frames):
            end = min(first + frames, people.frames)
            rows = slice(*np.searchsorted(people.frame, (first, end)))
            yield self._columns(first, end, rows)

    def _columns(self, first: int, end: int, rows: slice) -> Columns:
        people = self._people
        frame, x_m = people.frame[rows], people.x_m[rows]
        published = people.published[rows]
        global_id = np.where(published < 0, self._last - published, published)
        seen = np.stack(
            [(x_m >= low) & (x_m <= high) for low, high in CAMERAS.values()]
        )
        time_us = START_US + np.arange(first, end) * STEP_US
        keys, sole = self._sole_tracks(global_id, seen)
        tracks = self._track_rows(global_id, seen, START_US + frame * STEP_US)
        counts = np.bincount(frame - first, minlength=end - first)
        return Columns(
            time_us=time_us,
            frame_set=np.arange(first, end) + 1,
            session=np.zeros(end - first, np.int64),
            pass_number=np.ones(end - first, np.int64),
            sessions=[(SESSION, TIMELINE)],
            floors=["", "ground"],
            sole_tracks=keys,
            samples=Samples(
                update=frame - first,
                global_id=global_id,
                floor=np.ones(len(frame), np.int64),
                view=(seen * np.array([[1], [2], [4]])).sum(axis=0),
                sole=sole,
                x_m=x_m,
                y_m=people.y_m[rows],
                velocity_x_mps=people.velocity_x_mps[rows],
                velocity_y_mps=people.velocity_y_mps[rows],
                sigma_m=np.full(len(frame), 0.2, np.float32),
            ),
            labels={
                GlobalId(one): (TIMELINE, one) for one in np.unique(global_id).tolist()
            },
            new_views=_views() if first == 0 else {},
            changes=self._merges(published, int(time_us[-1]), end),
            session_changes=[],
            tracks=tracks,
            session_rows=_session_rows(time_us),
            passes={
                (TIMELINE, 1): PassRow(
                    int(time_us[0]), int(time_us[-1]), first + 1, end, end - first
                )
            },
            camera_minutes=_camera_minutes(time_us, frame - first, seen),
            timeline_minutes=_timeline_minutes(time_us, counts),
        )

    def _sole_tracks(
        self, global_id: NDArray[np.int64], seen: NDArray[np.bool_]
    ) -> tuple[list[TrackKey], NDArray[np.int64]]:
        """Return tracks, and the index of each sample's only one or -1."""
        alone = seen.sum(axis=0) == 1
        code = global_id * len(CAMERAS) + seen.argmax(axis=0)
        codes, index = np.unique(code, return_inverse=True)
        keys = [_track(*divmod(one, len(CAMERAS))) for one in codes.tolist()]
        return keys, np.where(alone, index, -1)

    def _track_rows(
        self,
        global_id: NDArray[np.int64],
        seen: NDArray[np.bool_],
        time_us: NDArray[np.int64],
    ) -> dict[TrackKey, TrackRow]:
        rows: dict[TrackKey, TrackRow] = {}
        for camera in range(len(CAMERAS)):
            here, when = global_id[seen[camera]], time_us[seen[camera]]
            persons, first, counts = np.unique(
                here, return_index=True, return_counts=True
            )
            last = len(here) - 1 - np.unique(here[::-1], return_index=True)[1]
            for person, begin, end, count in zip(
                persons.tolist(), first, last, counts.tolist(), strict=True
            ):
                rows[_track(person, camera)] = TrackRow(
                    _track(person, camera),
                    TIMELINE,
                    int(when[begin]),
                    int(when[end]),
                    GlobalId(person),
                    provisional=False,
                    frames=count,
                    score_sum=0.9 * count,
                )
        return rows

    def _merges(
        self, published: NDArray[np.int64], time_us: int, frame_set: int
    ) -> list[IdentityChange]:
        found = set((-published[published < 0]).tolist()) - self._merged
        self._merged |= found
        return [
            IdentityChange(
                kind="merged",
                timeline_id=TIMELINE,
                global_id=GlobalId(person),
                other=GlobalId(self._last + person),
                frame_set=frame_set,
                time_us=time_us,
                sequence=frame_set,
                event_us=time_us,
            )
            for person in sorted(found)
        ]


def _track(person: int, camera: int) -> TrackKey:
    return TrackKey(SESSION, CameraId(list(CAMERAS)[camera]), person)


def _views() -> dict[int, tuple[str, ...]]:
    names = list(CAMERAS)
    return {
        view: tuple(name for bit, name in enumerate(names) if view >> bit & 1)
        for view in range(8)
    }


def _session_rows(time_us: NDArray[np.int64]) -> dict[SessionId, SessionRow]:
    first_us, last_us = int(time_us[0]), int(time_us[-1])
    row = SessionRow(TIMELINE, first_us, last_us, first_us, last_us, len(time_us))
    return {SESSION: row}


def _camera_minutes(
    time_us: NDArray[np.int64], update: NDArray[np.int64], seen: NDArray[np.bool_]
) -> dict[tuple[TimelineId, CameraId, int], CameraMinute]:
    minutes: dict[tuple[TimelineId, CameraId, int], CameraMinute] = {}
    minute_us = time_us // US_PER_MINUTE * US_PER_MINUTE
    for camera, name in enumerate(CAMERAS):
        tracks = np.bincount(update[seen[camera]], minlength=len(time_us))
        for minute in np.unique(minute_us).tolist():
            counts = tracks[minute_us == minute]
            minutes[TIMELINE, CameraId(name), minute] = CameraMinute(
                len(counts), int(counts.sum()), most_tracks=int(counts.max())
            )
    return minutes


def _timeline_minutes(
    time_us: NDArray[np.int64], counts: NDArray[np.int64]
) -> dict[tuple[TimelineId, int], TimelineMinute]:
    minute_us = time_us // US_PER_MINUTE * US_PER_MINUTE
    minutes = {}
    for minute in np.unique(minute_us).tolist():
        here = counts[minute_us == minute]
        persons = int(here.sum())
        minutes[TIMELINE, minute] = TimelineMinute(
            len(here), persons, persons, int(here.max()), 50_000 * len(here)
        )
    return minutes
