"""Tracking updates of a batch, read from the wire into columns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.analytics.domain.intake import (
    CameraFrame,
    Intake,
    PersonColumns,
    TrackColumns,
)
from services.analytics.wire import Each, Kind, Spans, Table, Wire
from services.common.ids import CameraId, SessionId, TimelineId
from spoton.common.v1 import events_pb2, frame_pb2, geometry_pb2

IntArray = NDArray[np.int64]

_FIRST_S, _END_S = -62_135_596_800, 253_402_214_400
"""Seconds from 1970 to the first and last day that a Timestamp may hold."""


def _fields(message: Any, **kinds: Kind) -> dict[int, Kind]:
    """Return kinds by field number."""
    by_name = message.DESCRIPTOR.fields_by_name
    return {by_name[name].number: kind for name, kind in kinds.items()}


def _number(message: Any, name: str) -> int:
    number: int = message.DESCRIPTOR.fields_by_name[name].number
    return number


_EVENT = _fields(events_pb2.EnvironmentEvent, event_time=Kind.SPAN, tracking=Kind.SPAN)
_TIME = {1: Kind.VARINT, 2: Kind.VARINT}
_UPDATE = _fields(
    events_pb2.TrackingUpdate,
    session_id=Kind.SPAN,
    timeline_id=Kind.SPAN,
    frame_set=Kind.VARINT,
    capture_time=Kind.SPAN,
    cameras=Kind.EACH,
    persons=Kind.EACH,
)
_CAMERA = _fields(events_pb2.CameraTracks, frame=Kind.SPAN, tracks=Kind.EACH)
_FRAME = _fields(frame_pb2.FrameRef, camera_id=Kind.SPAN)
_TRACK = _fields(
    events_pb2.TrackedPerson,
    track_id=Kind.VARINT,
    global_id=Kind.VARINT,
    score=Kind.FLOAT,
    coasted=Kind.VARINT,
    provisional=Kind.VARINT,
)
_PERSON = _fields(
    events_pb2.PersonState,
    global_id=Kind.VARINT,
    label=Kind.VARINT,
    position=Kind.SPAN,
    velocity_x_mps=Kind.OPTIONAL_FLOAT,
    velocity_y_mps=Kind.OPTIONAL_FLOAT,
    camera_ids=Kind.ALL,
)
_POSITION = _fields(
    geometry_pb2.FloorPosition,
    point=Kind.SPAN,
    covariance=Kind.SPAN,
    floor_id=Kind.SPAN,
)
_POINT = _fields(geometry_pb2.FloorPoint, x_m=Kind.DOUBLE, y_m=Kind.DOUBLE)
_COVARIANCE = _fields(
    geometry_pb2.FloorCovariance,
    xx_m2=Kind.DOUBLE,
    xy_m2=Kind.DOUBLE,
    yy_m2=Kind.DOUBLE,
)


def read_updates(payloads: list[bytes]) -> "Updates":
    """Return the tracking updates among encoded events.

    Raises:
        ValueError: An event is damaged.
    """
    ends = np.cumsum([len(payload) for payload in payloads], dtype=np.int64)
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))[: len(ends)]
    wire = Wire(b"".join(payloads))
    return Updates(wire, Spans(starts, ends))


class Updates:
    """What the tracking updates of a batch say.

    Attributes:
        event_us: When each event was appended; 0 where it does not say.
        is_update: Which events are tracking updates that tables can hold.
    """

    def __init__(self, wire: Wire, events: Spans) -> None:
        self._wire = wire
        event = wire.read(events, _EVENT)
        self.event_us = _times_us(wire, event.spans[3])[0].tolist()
        update_spans = event.spans[_number(events_pb2.EnvironmentEvent, "tracking")]
        head = wire.read(update_spans, _UPDATE)
        captured_us, seconds = _times_us(wire, head.spans[4])
        frame_set = head.numbers[3]
        usable = (frame_set >= 0) & (seconds >= _FIRST_S) & (seconds < _END_S)
        is_update = update_spans.present & usable
        self.is_update = is_update.tolist()
        self._sessions = _texts(wire, head.spans[1])
        self._timelines = _texts(wire, head.spans[2])
        self._frame_set = frame_set.tolist()
        self._capture_us = captured_us.tolist()
        self._read_cameras(_of(head.each[5], is_update), len(is_update))
        self._read_persons(_of(head.each[6], is_update), len(is_update))

    def take_in(self, intake: Intake, index: int) -> None:
        """Give a batch the update of one event."""
        first, end = self._camera_bounds[index : index + 2]
        persons = slice(*self._person_bounds[index : index + 2])
        intake.update(
            SessionId(self._sessions[index]),
            TimelineId(self._timelines[index]),
            self._frame_set[index],
            self._capture_us[index],
            self.event_us[index],
            self._frames[first:end],
            self._global_ids[persons],
            self._located[index],
        )

    def track_columns(self) -> TrackColumns:
        """Return the columns of all tracks."""
        return self._track_columns

    def person_columns(self, intake: Intake) -> PersonColumns:
        """Return the columns of all persons, with the batch's floors and views."""
        table, position = self._person_table, self._position
        place, covariance = self._place, self._covariance
        located = self._is_located
        names, which = self._wire.distinct(position.spans[3])
        floors = np.array([intake.floor(name.decode()) for name in names], np.int64)
        nowhere = np.where(located, 0.0, np.nan)
        single = nowhere.astype(np.float32)
        return PersonColumns(
            label=table.numbers[2],
            floor=np.where(located, floors[which], 0),
            view=self._views(table.spans[6], intake),
            x_m=place.numbers[1] + nowhere,
            y_m=place.numbers[2] + nowhere,
            velocity_x_mps=table.numbers[4] + single,
            velocity_y_mps=table.numbers[5] + single,
            covariance_m2=np.stack(
                [covariance.numbers[n] + nowhere for n in (1, 2, 3)]
            ),
        )

    def _read_cameras(self, cameras: Each, updates: int) -> None:
        table = self._wire.read(cameras.spans, _CAMERA)
        names = _texts(self._wire, self._wire.read(table.spans[1], _FRAME).spans[2])
        tracks = table.each[3]
        track = self._wire.read(tracks.spans, _TRACK)
        coasted = track.numbers[5] != 0
        self._track_columns = TrackColumns(
            track.numbers[4], coasted, track.numbers[6] != 0
        )
        track_ids, global_ids = track.numbers[1], track.numbers[2]
        if np.any(track_ids < 0):
            raise ValueError("a track has a number that no table holds")
        ids, identities = track_ids.tolist(), np.maximum(global_ids, 0).tolist()
        bounds = _bounds(tracks.owner, len(names))
        coasted_each = np.bincount(tracks.owner, coasted, len(names)).astype(np.int64)
        self._frames = [
            CameraFrame(
                CameraId(name), ids[first:end], identities[first:end], predicted
            )
            for name, first, end, predicted in zip(
                names, bounds[:-1], bounds[1:], coasted_each.tolist(), strict=True
            )
        ]
        self._camera_bounds = _bounds(cameras.owner, updates)

    def _read_persons(self, persons: Each, updates: int) -> None:
        table = self._wire.read(persons.spans, _PERSON)
        if not np.all(table.numbers[1] >= 1):
            raise ValueError("a person has no number")
        owner = persons.owner
        self._person_table = table
        self._position = position = self._wire.read(table.spans[3], _POSITION)
        self._place = place = self._wire.read(position.spans[1], _POINT)
        self._covariance = self._wire.read(position.spans[2], _COVARIANCE)
        floor = position.spans[3]
        self._is_located = located = (
            np.isfinite(place.numbers[1])
            & np.isfinite(place.numbers[2])
            & (floor.end > floor.start)
        )
        self._global_ids = table.numbers[1].tolist()
        self._person_bounds = _bounds(owner, updates)
        self._located = np.bincount(owner, located, updates).astype(np.int64).tolist()

    def _views(self, spans: Spans, intake: Intake) -> IntArray:
        """Return the id of each person's set of cameras."""
        parts, which = self._wire.distinct(spans)
        views = [
            intake.view(tuple(events_pb2.PersonState.FromString(part).camera_ids))
            for part in parts
        ]
        return np.array(views, np.int64)[which]


def _texts(wire: Wire, spans: Spans) -> list[str]:
    """Return texts; an absent one is empty."""
    parts, which = wire.distinct(spans)
    texts = [part.decode() for part in parts]
    return [texts[index] for index in which.tolist()]


def _times_us(wire: Wire, spans: Spans) -> tuple[IntArray, IntArray]:
    """Return microseconds since 1970 of timestamps, rounded down; and the seconds."""
    table: Table = wire.read(spans, _TIME)
    seconds, nanos = table.numbers[1], table.numbers[2]
    return seconds * 1_000_000 + nanos // 1000, seconds


def _of(each: Each, kept: NDArray[np.bool_]) -> Each:
    """Return those whose owner is kept."""
    rows = kept[each.owner]
    spans = Spans(each.spans.start[rows], each.spans.end[rows])
    return Each(each.owner[rows], spans)


def _bounds(owner: IntArray, owners: int) -> list[int]:
    """Return where the rows of each owner begin, and behind the last."""
    found: list[int] = np.searchsorted(owner, np.arange(owners + 1)).tolist()
    return found
