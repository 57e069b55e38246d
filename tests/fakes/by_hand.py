"""Every analytic of a scripted scene, the slow and obvious way.

Nothing here knows how the service stores or computes: each figure goes once more over
all sightings, as its definition in the protos says.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from tests.fakes.scripted_scene import (
    STEP_US,
    TRIPWIRES,
    ZONES,
    Corner,
    Scene,
    Sighting,
)

ABSENCE_US = 2_000_000
Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit to a zone, or a presence in the environment, named ""."""

    start_us: int
    person: int
    zone: str
    end_us: int


def is_inside(corners: tuple[Corner, ...], point: Corner) -> bool:
    """Return whether a point lies in a polygon, by counting what a ray meets."""
    x, y = point
    meets = 0
    for (x0, y0), (x1, y1) in pairwise((*corners, corners[0])):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            meets += 1
    return meets % 2 == 1


def people(
    scene: Scene, *, include_provisional: bool = False
) -> dict[int, list[Sighting]]:
    """Return everybody's sightings in the order of time, each moment once."""
    final = {one.person for one in scene.delivered if not one.provisional}
    found: dict[int, dict[int, Sighting]] = defaultdict(dict)
    for sighting in scene.delivered:
        if include_provisional or sighting.person in final:
            found[sighting.person].setdefault(sighting.time_us, sighting)
    return {
        person: [seen[time_us] for time_us in sorted(seen)]
        for person, seen in found.items()
    }


def visits(scene: Scene, *, include_provisional: bool = False) -> list[Visit]:
    """Return all visits and presences, in the order of entry."""
    found = []
    everybody = people(scene, include_provisional=include_provisional)
    for person, sightings in everybody.items():
        for zone in ("", *ZONES):
            for start_us, end_us in _visits_to(zone, sightings):
                found.append(Visit(start_us, person, zone, end_us))
    return sorted(found, key=lambda one: (one.start_us, one.person, one.zone))


def appearances(
    scene: Scene, camera_id: str, *, include_provisional: bool = False
) -> list[Visit]:
    """Return when each person was before a camera, of what that camera saw alone."""
    final = {one.person for one in scene.delivered if not one.provisional}
    times: dict[int, set[int]] = defaultdict(set)
    for one in scene.delivered:
        if camera_id in one.camera_ids and (include_provisional or one.person in final):
            times[one.person].add(one.time_us)
    found = []
    for person, seen in times.items():
        begun_us = last_us = min(seen)
        for time_us in sorted(seen):
            if time_us - last_us > ABSENCE_US:
                found.append(Visit(begun_us, person, "", last_us))
                begun_us = time_us
            last_us = time_us
        found.append(Visit(begun_us, person, "", last_us))
    return sorted(found, key=lambda one: (one.start_us, one.person))


def _visits_to(zone: str, sightings: list[Sighting]) -> Iterator[Interval]:
    """Yield when somebody was in a zone: entered, and left."""
    entered_us = None
    for index, sighting in enumerate(sightings):
        inside = not zone or (
            sighting.position_m is not None
            and is_inside(ZONES[zone], sighting.position_m)
        )
        if entered_us is not None and not inside:
            yield entered_us, sighting.time_us
            entered_us = None
        if entered_us is None and inside:
            entered_us = sighting.time_us
        following = sightings[index + 1 : index + 2]
        gone = not following or following[0].time_us - sighting.time_us > ABSENCE_US
        if gone and entered_us is not None:
            yield entered_us, sighting.time_us
            entered_us = None


def occupancy(intervals: Iterable[Visit], time_us: int) -> int:
    """Return how many there are just before a moment."""
    return sum(one.start_us < time_us <= one.end_us for one in intervals)


def highest(intervals: list[Visit], start_us: int, end_us: int) -> int:
    """Return the highest occupancy in a range, looking between all moments."""
    moments = {start_us, *(one.start_us + 1 for one in intervals)}
    within = [time_us for time_us in moments if start_us <= time_us <= end_us]
    return max(occupancy(intervals, time_us) for time_us in within)


def person_us(intervals: Iterable[Visit], start_us: int, end_us: int) -> int:
    """Return the time that everybody together spent within a range."""
    lengths = (
        min(one.end_us, end_us) - max(one.start_us, start_us) for one in intervals
    )
    return sum(max(0, length) for length in lengths)


def touching(intervals: Iterable[Visit], start_us: int, end_us: int) -> set[int]:
    """Return the persons who have a moment in a range."""
    return {
        one.person
        for one in intervals
        if one.start_us < end_us and one.end_us >= start_us
    }


def percentile(lengths: list[int], percent: float) -> float:
    """Return a percentile, interpolated linearly between neighbours."""
    ordered = sorted(lengths)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def flows(
    all_visits: list[Visit], start_us: int, end_us: int, max_transit_us: int
) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """Return person and transit of each transition, by origin and target."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    by_person: dict[int, list[Visit]] = defaultdict(list)
    for visit in all_visits:
        if visit.zone:
            by_person[visit.person].append(visit)
    for person, own in by_person.items():
        own.sort(key=lambda one: (one.start_us, one.zone))
        for before, after in pairwise(own):
            transit_us = max(0, after.start_us - before.end_us)
            arrives = start_us <= after.start_us < end_us
            if arrives and transit_us <= max_transit_us:
                found[before.zone, after.zone].append((person, transit_us))
    return found


def identities(scene: Scene) -> Iterator[list[Sighting]]:
    """Yield the sightings of each identity as published, copies left out.

    What identities of one person say about one moment counts once.
    """
    found: dict[int, list[Sighting]] = defaultdict(list)
    told: set[tuple[int, int]] = set()
    for sighting in scene.delivered:
        if (sighting.person, sighting.time_us) not in told:
            told.add((sighting.person, sighting.time_us))
            found[sighting.global_id].append(sighting)
    yield from found.values()


def lasting(sightings: list[Sighting]) -> Iterator[tuple[Sighting, int]]:
    """Yield each sighting with the time that it stands for."""
    for now, after in pairwise(sightings):
        step_us = after.time_us - now.time_us
        yield now, step_us if step_us <= ABSENCE_US else 0
    if sightings:
        yield sightings[-1], 0


def heat(
    scene: Scene, start_us: int, end_us: int, side: int = 1, person: int = 0
) -> dict[tuple[int, int], tuple[int, int]]:
    """Return passages and dwell by cell, in cells of so many quarters of a metre."""
    passages: Counter[tuple[int, int]] = Counter()
    dwell_us: Counter[tuple[int, int]] = Counter()
    for sightings in identities(scene):
        before: Sighting | None = None
        for sighting, lasts_us in lasting(sightings):
            came = before is None or _cell(before) != _cell(sighting)
            if before and sighting.time_us - before.time_us > ABSENCE_US:
                came = True
            before = sighting
            base = _cell(sighting)
            if base is None or not start_us <= sighting.time_us < end_us:
                continue
            if person and sighting.person != person:
                continue
            cell = base[0] // side, base[1] // side
            passages[cell] += came
            dwell_us[cell] += lasts_us
    cells = {
        cell for cell in {*passages, *dwell_us} if passages[cell] or dwell_us[cell]
    }
    return {cell: (passages[cell], dwell_us[cell]) for cell in cells}


def _cell(sighting: Sighting) -> tuple[int, int] | None:
    if sighting.position_m is None:
        return None
    x_m, y_m = sighting.position_m
    return math.floor(x_m / 0.25), math.floor(y_m / 0.25)


def speed_us(scene: Scene, start_us: int, end_us: int) -> Counter[int]:
    """Return the time at each speed, by bin of 0.1 m/s."""
    found: Counter[int] = Counter()
    for sightings in identities(scene):
        for sighting, lasts_us in lasting(sightings):
            if sighting.position_m and start_us <= sighting.time_us < end_us:
                speed_mps = math.sqrt(sum(one**2 for one in sighting.velocity_mps))
                found[min(math.floor(speed_mps / 0.1), 100)] += lasts_us
    return +found


def areas(
    cells_us: dict[tuple[int, int], int], radius_m: float, min_dwell_us: int
) -> list[set[tuple[int, int]]]:
    """Return the clusters of DBSCAN, comparing every cell with every other.

    Cores whose cells are neighbours are one area; other cells near a core belong to
    the area whose first core comes first by row, then column.
    """
    limit = (radius_m / 0.25) ** 2 + 1e-6
    ordered = sorted((c for c in cells_us if cells_us[c]), key=lambda c: (c[1], c[0]))
    near = {
        one: [
            two
            for two in ordered
            if (one[0] - two[0]) ** 2 + (one[1] - two[1]) ** 2 <= limit
        ]
        for one in ordered
    }
    cores = {c for c in ordered if sum(cells_us[n] for n in near[c]) >= min_dwell_us}
    clusters: list[set[tuple[int, int]]] = []
    taken: set[tuple[int, int]] = set()
    for seed in ordered:
        if seed not in cores or seed in taken:
            continue
        cluster, waiting = set(), [seed]
        while waiting:
            cell = waiting.pop()
            if cell in taken:
                continue
            taken.add(cell)
            cluster.add(cell)
            if cell in cores:
                waiting += near[cell]
        clusters.append(cluster)
    return clusters


def wires_crossed(
    scene: Scene, start_us: int, end_us: int
) -> Counter[tuple[str, bool]]:
    """Return crossings by tripwire and whether they went from left to right."""
    final = set(people(scene))
    found: Counter[tuple[str, bool]] = Counter()
    for sightings in identities(scene):
        for before, after in pairwise(sightings):
            apart_us = after.time_us - before.time_us
            if before.person not in final or apart_us > ABSENCE_US:
                continue
            if not (before.position_m and after.position_m):
                continue
            if not start_us <= after.time_us < end_us:
                continue
            for name, ((wire_x, start_y), (_, end_y)) in TRIPWIRES.items():
                was_west, is_west = (
                    one.position_m[0] < wire_x for one in (before, after)
                )
                if was_west != is_west:
                    west_is_left = end_y > start_y
                    found[name, was_west == west_is_left] += 1
    return found


def seen_by(scene: Scene, camera_id: str, start_us: int, end_us: int) -> set[int]:
    """Return whose tracks in a camera have a moment in a range."""
    final = set(people(scene))
    tracks: dict[tuple[int, int, int], list[int]] = {}
    number: Counter[tuple[int, int]] = Counter()
    for sighting in scene.sightings:
        if camera_id not in sighting.camera_ids:
            continue
        key = sighting.person, sighting.track
        last = tracks.get((*key, number[key]))
        if last and sighting.time_us - last[-1] > STEP_US:
            number[key] += 1
        tracks.setdefault((*key, number[key]), []).append(sighting.time_us)
    found = set()
    for (person, _, _), times in tracks.items():
        stored = [time_us for time_us in times if not scene.is_lost(time_us)]
        if person in final and stored and stored[0] < end_us and stored[-1] >= start_us:
            found.add(person)
    return found


def camera_counts(
    scene: Scene, camera_id: str, start_us: int, end_us: int
) -> tuple[int, int, int]:
    """Return frames, tracks in them, and most tracks in one."""
    tracks = Counter(
        one.time_us for one in scene.delivered if camera_id in one.camera_ids
    )
    times = [time_us for time_us in frame_sets(scene) if start_us <= time_us < end_us]
    counts = [tracks[time_us] for time_us in times]
    return len(times), sum(counts), max(counts, default=0)


def frame_sets(scene: Scene) -> list[int]:
    """Return the times of all frame sets that are delivered."""
    times = range(scene.start_us, scene.end_us, STEP_US)
    return [time_us for time_us in times if not scene.is_lost(time_us)]
