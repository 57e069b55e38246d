"""History by brute force: one sample after the other, as docs/analytics.md says it."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from services.analytics.domain.borders import Borders, crossed, inside
from spoton.common.v1 import events_pb2

GAP_US = 2_000_000
HOUR_US = 3_600_000_000


@dataclass
class Sample:
    """A person in an update."""

    global_id: int
    time_us: int
    pass_number: int
    session_id: str
    place: tuple[float, float] | None
    floor_id: str
    speed: float | None
    sole: tuple[str, int] | None


@dataclass
class Reference:
    """What the tables should say."""

    samples: dict[int, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    passes: dict[int, list[int]] = field(default_factory=dict)
    stays: list[tuple] = field(default_factory=list)
    visits: list[tuple] = field(default_factory=list)
    crossings: list[tuple] = field(default_factory=list)
    cells: Counter = field(default_factory=Counter)
    passages: Counter = field(default_factory=Counter)
    speeds: Counter = field(default_factory=Counter)


def reference(
    events: Sequence[events_pb2.EnvironmentEvent], borders: Borders
) -> Reference:
    """Return the history of events of one timeline."""
    result = Reference()
    _read(events, result)
    for samples in result.samples.values():
        _walk(samples, borders, result)
    return result


def _read(events: Sequence[events_pb2.EnvironmentEvent], result: Reference) -> None:
    last_us, pass_number, sought = None, 1, False
    seen: dict[tuple[str, int], tuple[int, int]] = {}
    for event in events:
        if event.HasField("session"):
            kind = event.session.kind
            sought = sought or kind == events_pb2.SESSION_EVENT_KIND_SOUGHT
            continue
        if not event.HasField("tracking"):
            continue
        tracking = event.tracking
        time_us = tracking.capture_time.ToMicroseconds()
        if last_us is not None and (sought or time_us < last_us):
            pass_number, seen = pass_number + 1, {}
        last_us, sought = time_us, False
        result.passes.setdefault(pass_number, []).append(time_us)
        for camera in tracking.cameras:
            for track in camera.tracks:
                key = (camera.frame.camera_id, track.track_id)
                seen[key] = (track.global_id, time_us)
        for person in tracking.persons:
            supports = [
                key
                for key, (global_id, at_us) in seen.items()
                if global_id == person.global_id and time_us - at_us <= GAP_US
            ]
            result.samples[person.global_id].append(
                _sample(person, time_us, pass_number, tracking.session_id, supports)
            )


def _sample(person, time_us, pass_number, session_id, supports) -> Sample:
    located = person.HasField("position")
    point = person.position.point
    moving = located and person.HasField("velocity_x_mps")
    return Sample(
        person.global_id,
        time_us,
        pass_number,
        session_id,
        (float(np.float32(point.x_m)), float(np.float32(point.y_m)))
        if located
        else None,
        person.position.floor_id if located else "",
        math.sqrt(person.velocity_x_mps**2 + person.velocity_y_mps**2)
        if moving
        else None,
        supports[0] if len(supports) == 1 else None,
    )


def _cell(sample: Sample) -> tuple | None:
    if sample.place is None:
        return None
    x_m, y_m = sample.place
    return sample.floor_id, math.floor(x_m / 0.25), math.floor(y_m / 0.25)


def _linked(one: Sample | None, other: Sample | None) -> bool:
    return (
        one is not None
        and other is not None
        and one.pass_number == other.pass_number
        and 0 <= other.time_us - one.time_us <= GAP_US
    )


def _same_stay(one: Sample, other: Sample) -> bool:
    return (
        _linked(one, other)
        and one.floor_id == other.floor_id
        and one.sole == other.sole
        and one.session_id == other.session_id
    )


def _walk(samples: list[Sample], borders: Borders, result: Reference) -> None:
    for run in _runs(samples, _same_stay):
        first, last = samples[run[0]], samples[run[-1]]
        after = samples[run[-1] + 1] if run[-1] + 1 < len(samples) else None
        handed = _linked(last, after)
        end_us = after.time_us if handed else last.time_us
        result.stays.append(
            (
                first.global_id,
                first.floor_id,
                first.sole,
                first.pass_number,
                first.time_us,
                end_us,
                len(run),
                handed,
            )
        )
        for zone in borders.zones:
            _visit(samples, run, zone, result)
        for index in run:
            _step(samples, index, borders, result)


def _step(
    samples: list[Sample], index: int, borders: Borders, result: Reference
) -> None:
    sample = samples[index]
    before = samples[index - 1] if index else None
    after = samples[index + 1] if index + 1 < len(samples) else None
    if _linked(before, sample) and before.floor_id == sample.floor_id:
        _cross(before, sample, borders, result)
    lasts_us = after.time_us - sample.time_us if _linked(sample, after) else 0
    counts = int(not _is_read_again(sample, result))
    hour = sample.time_us // HOUR_US
    if cell := _cell(sample):
        result.cells[hour, *cell] += counts * lasts_us
        came = not (_linked(before, sample) and _cell(before) == cell)
        result.passages[hour, *cell] += counts * came
    if sample.speed is not None and lasts_us:
        bin_ = min(math.floor(sample.speed / 0.1), 100)
        result.speeds[hour, sample.floor_id, bin_] += counts * lasts_us


def _is_read_again(sample: Sample, result: Reference) -> bool:
    return any(
        times[0] <= sample.time_us < times[-1]
        for number, times in result.passes.items()
        if number > sample.pass_number
    )


def _within(sample: Sample, zone) -> bool:
    if sample.place is None or sample.floor_id != zone.floor_id:
        return False
    x_m, y_m = sample.place
    return bool(inside(zone.corners_m, np.array([x_m]), np.array([y_m]))[0])


def _visit(samples: list[Sample], run: list[int], zone, result: Reference) -> None:
    part: list[int] = []
    for index in [*run, None]:
        if index is not None and _within(samples[index], zone):
            part.append(index)
            continue
        if part:
            _end_visit(samples, part, zone, result)
        part = []


def _end_visit(samples, part: list[int], zone, result: Reference) -> None:
    first, last = samples[part[0]], samples[part[-1]]
    before = samples[part[0] - 1] if part[0] else None
    after = samples[part[-1] + 1] if part[-1] + 1 < len(samples) else None
    came, went, end_us = "appeared", "inside", last.time_us
    if _linked(before, first):
        if _within(before, zone):
            came = "stayed"
        elif before.place is not None:
            came = "entered"
    if _linked(last, after):
        end_us = after.time_us
        if _within(after, zone):
            went = "stayed"
        elif after.place is not None:
            went = "exited"
    result.visits.append(
        (zone.key, first.global_id, first.time_us, end_us, came, went, len(part))
    )


def _cross(before: Sample, sample: Sample, borders: Borders, result: Reference) -> None:
    if before.place is None or sample.place is None:
        return
    for wire in borders.tripwires:
        if wire.floor_id != sample.floor_id:
            continue
        (x_0, y_0), (x_1, y_1) = before.place, sample.place
        step = crossed(
            wire,
            (np.array([x_0]), np.array([y_0])),
            (np.array([x_1]), np.array([y_1])),
        )
        if step[0]:
            row = (wire.key, sample.global_id, sample.time_us, int(step[0]))
            result.crossings.append(row)


def _runs(samples: list[Sample], joined) -> list[list[int]]:
    runs: list[list[int]] = []
    for index, sample in enumerate(samples):
        if index and joined(samples[index - 1], sample):
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs
