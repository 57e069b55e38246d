"""Fold a batch of samples into stays, visits, crossings and sums.

All of it depends on a person's sample and the next one only, so a batch begins with
the newest samples of the batch before, and any split into batches gives the same.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.analytics.domain.appearances import Glances, Open, appearances_of
from services.analytics.domain.borders import BoolArray, Borders, Zone, crossed, inside
from services.analytics.domain.columns import US_PER_HOUR, Columns
from services.analytics.domain.increment import (
    CrossingRow,
    Increment,
    PositionColumns,
    StayRow,
    Tally,
    VisitRow,
    cells_of,
    speed_bins_of,
    tally,
)
from services.analytics.domain.memory import LastSample, Memory, TrackKey
from services.common.ids import GlobalId, SessionId, TimelineId

IntArray = NDArray[np.int64]


def fold(
    columns: Columns, memory: Memory, borders: Borders, presence_gap_us: int
) -> Increment:
    """Return what a batch adds to history.

    Args:
        columns: The batch.
        memory: What was before; it is moved on.
        borders: Zones and tripwires that hold now.
        presence_gap_us: Longest time between two samples of a stay, microseconds.
    """
    sequence = _Sequence(columns, memory, presence_gap_us)
    sequence.number_stays(memory)
    increment = Increment(
        columns=columns,
        positions=sequence.positions(),
        stays=sequence.stays(),
        visits=[],
        appearances=[],
        crossings=sequence.crossings(borders),
        cells=sequence.cells(),
        speeds=sequence.speeds(),
        places=sequence.places,
    )
    open_visits: dict[int, dict[int, int]] = {}
    for zone in borders.zones:
        increment.visits += sequence.visits(zone, open_visits)
    appearances, open_appearances = appearances_of(sequence.glances(), presence_gap_us)
    increment.appearances = appearances
    sequence.remember(memory, open_visits, open_appearances)
    memory.forget(presence_gap_us)
    increment.memory = memory.to_bytes()
    return increment


@dataclass(slots=True)
class _Tracks:
    """Tracks by index, those of the memory included."""

    keys: list[TrackKey]
    index: dict[TrackKey, int]

    def add(self, key: TrackKey | None) -> int:
        if key is None:
            return -1
        if key not in self.index:
            self.index[key] = len(self.keys)
            self.keys.append(key)
        return self.index[key]


class _Sequence:
    """Samples by person and time, each person's newest older one in front.

    Attributes of shape (M,), where the first `carried` of the unsorted rows come from
    the memory.
    """

    def __init__(self, columns: Columns, memory: Memory, gap_us: int) -> None:
        self._columns = columns
        samples = columns.samples
        present = set(np.unique(samples.global_id).tolist())
        self._carry = [memory.samples[g] for g in sorted(present & set(memory.samples))]
        self._tracks = _Tracks(
            list(columns.sole_tracks),
            {key: index for index, key in enumerate(columns.sole_tracks)},
        )
        self._sessions = list(columns.sessions)
        self._floors = list(columns.floors)
        carried = len(self._carry)
        update = samples.update
        global_id = self._joined(
            [one.global_id for one in self._carry], samples.global_id
        )
        # Stable: the samples of a person stay in the order of the log.
        self._order = order = np.argsort(global_id, kind="stable")
        self._is_new = order >= carried
        self.global_id = global_id[order]
        self.time_us = self._sorted(
            [one.time_us for one in self._carry], columns.time_us[update]
        )
        self.pass_number = self._sorted(
            [one.pass_number for one in self._carry], columns.pass_number[update]
        )
        self.session = self._sorted(
            [self._session_index(one) for one in self._carry], columns.session[update]
        )
        self.floor = self._sorted(
            [self._floor_index(one.floor_id) for one in self._carry], samples.floor
        )
        self.sole = self._sorted(
            [self._tracks.add(one.sole_track) for one in self._carry], samples.sole
        )
        self.x_m = self._sorted_floats([one.x_m for one in self._carry], samples.x_m)
        self.y_m = self._sorted_floats([one.y_m for one in self._carry], samples.y_m)
        # As SQL computes it, to the last bit: see hiding.
        speed_mps = np.sqrt(
            samples.velocity_x_mps.astype(np.float64) ** 2
            + samples.velocity_y_mps.astype(np.float64) ** 2
        )
        self.speed_mps = self._sorted_floats(
            [one.speed_mps for one in self._carry], speed_mps
        )
        self.located = ~np.isnan(self.x_m)
        self._link(gap_us)
        self.places, self.place = self._index_places()

    def number_stays(self, memory: Memory) -> None:
        """Give every sample the number of its stay."""
        starts = ~self.goes_on
        numbered = starts & self._is_new
        number = np.cumsum(numbered) - 1 + memory.next_stay
        memory.next_stay += int(numbered.sum())
        head = np.maximum.accumulate(np.where(starts, np.arange(len(starts)), 0))
        stay = number.copy()
        carried = np.flatnonzero(~self._is_new)
        for row, one in zip(carried, self._carry, strict=True):
            stay[row] = one.stay
        self.stay = stay[head] if len(head) else stay

    def positions(self) -> PositionColumns:
        """Return the new samples as rows, in the order of persons."""
        samples, update = self._columns.samples, self._columns.samples.update
        rows = self._order[self._is_new] - len(self._carry)
        return PositionColumns(
            time_us=self._columns.time_us[update[rows]],
            stay=self.stay[self._is_new],
            frame_set=self._columns.frame_set[update[rows]],
            view=samples.view[rows],
            x_m=samples.x_m[rows],
            y_m=samples.y_m[rows],
            velocity_x_mps=samples.velocity_x_mps[rows],
            velocity_y_mps=samples.velocity_y_mps[rows],
            sigma_m=samples.sigma_m[rows],
        )

    def stays(self) -> dict[int, StayRow]:
        """Return the stays that are new or go on."""
        found: dict[int, StayRow] = {}
        firsts = np.flatnonzero(~self.goes_on)
        if not len(firsts):
            return found
        lasts = np.append(firsts[1:], len(self.time_us)) - 1
        steps_m = np.hypot(np.diff(self.x_m), np.diff(self.y_m))
        steps_m = np.append(
            np.where(self.goes_on[1:], np.nan_to_num(steps_m), 0.0), 0.0
        )
        distance_m = np.add.reduceat(steps_m, firsts)
        samples = np.add.reduceat(self._is_new.astype(np.int64), firsts)
        for index, (first, last) in enumerate(
            zip(firsts.tolist(), lasts.tolist(), strict=True)
        ):
            session_id, timeline_id = self._sessions[self.session[first]]
            sole = int(self.sole[first])
            number = int(self.stay[first])
            found[number] = StayRow(
                number=number,
                is_new=bool(self._is_new[first]),
                global_id=GlobalId(int(self.global_id[first])),
                session_id=session_id,
                timeline_id=timeline_id,
                pass_number=int(self.pass_number[first]),
                floor_id=self._floors[self.floor[first]],
                sole_track=None if sole < 0 else self._tracks.keys[sole],
                start_us=int(self.time_us[first]),
                end_us=int(self.time_us[last] + self.lasts_us[last]),
                samples=int(samples[index]),
                distance_m=float(distance_m[index]),
                handed_over=bool(self.has_next[last]),
                passage=bool(self.passage[first]),
            )
        return found

    def visits(
        self, zone: Zone, open_visits: dict[int, dict[int, int]]
    ) -> list[VisitRow]:
        """Return the visits to a zone that are new or go on.

        Args:
            zone: The zone.
            open_visits: Gains, by row of a person's last sample, the start of the
                visit that it is in, by key of the zone.
        """
        on_floor = self.located & (self.floor == self._floor_index(zone.floor_id))
        within = np.zeros(len(on_floor), np.bool_)
        within[on_floor] = inside(
            zone.corners_m, self.x_m[on_floor], self.y_m[on_floor]
        )
        counted, carried_start = within.copy(), {}
        for row, one in zip(np.flatnonzero(~self._is_new), self._carry, strict=True):
            counted[row] = zone.key in one.visits
            if counted[row]:
                carried_start[int(row)] = one.visits[zone.key]
        goes_on = np.zeros(len(counted), np.bool_)
        goes_on[1:] = counted[1:] & counted[:-1] & self.goes_on[1:]
        firsts = np.flatnonzero(counted & ~goes_on)
        ends = np.append(~goes_on[1:], True)
        lasts = np.flatnonzero(counted & ends)
        new_before = np.concatenate(([0], np.cumsum(self._is_new)))
        rows: list[VisitRow] = []
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
            start_us = carried_start.get(first, int(self.time_us[first]))
            rows.append(
                VisitRow(
                    zone_key=zone.key,
                    stay=int(self.stay[first]),
                    start_us=start_us,
                    end_us=int(self.time_us[last] + self.lasts_us[last]),
                    came=self._came(first, counted, within),
                    went=self._went(last, counted),
                    samples=int(new_before[last + 1] - new_before[first]),
                )
            )
            if not self.has_next[last]:
                open_visits.setdefault(last, {})[zone.key] = start_us
        return rows

    def glances(self) -> Glances:
        """Return the samples by the cameras that saw them, older ones in front."""
        view = self._joined([-1] * len(self._carry), self._columns.samples.view)
        carried = np.flatnonzero(~self._is_new).tolist()
        return Glances.of(
            self.stay,
            self.time_us,
            view[self._order],
            self._columns.views,
            [
                (row, camera_id, *times_us)
                for row, one in zip(carried, self._carry, strict=True)
                for camera_id, times_us in one.appearances.items()
            ],
        )

    def crossings(self, borders: Borders) -> list[CrossingRow]:
        """Return the steps over tripwires, named by the sample after the step."""
        before = np.flatnonzero(
            self.has_next[:-1]
            & self.located[:-1]
            & self.located[1:]
            & (self.floor[:-1] == self.floor[1:])
        )
        after = before + 1
        rows: list[CrossingRow] = []
        for tripwire in borders.tripwires:
            direction = crossed(
                tripwire,
                (self.x_m[before], self.y_m[before]),
                (self.x_m[after], self.y_m[after]),
            )
            direction[self.floor[before] != self._floor_index(tripwire.floor_id)] = 0
            rows += [
                CrossingRow(
                    tripwire_key=tripwire.key,
                    stay=int(self.stay[after[step]]),
                    time_us=int(self.time_us[after[step]]),
                    direction=int(direction[step]),
                )
                for step in np.flatnonzero(direction)
            ]
        return rows

    def cells(self) -> Tally:
        """Return time and passages by place, hour and cell."""
        rows = self.located & (self._is_new | (self.lasts_us > 0))
        return tally(
            [
                self.place[rows],
                self.time_us[rows] // US_PER_HOUR,
                self.cell_x[rows],
                self.cell_y[rows],
            ],
            [
                self.lasts_us[rows],
                (self.passage & self._is_new)[rows].astype(np.int64),
            ],
        )

    def speeds(self) -> Tally:
        """Return time by place, hour and speed."""
        rows = ~np.isnan(self.speed_mps) & (self.lasts_us > 0)
        return tally(
            [
                self.place[rows],
                self.time_us[rows] // US_PER_HOUR,
                speed_bins_of(self.speed_mps[rows]),
            ],
            [self.lasts_us[rows]],
        )

    def remember(
        self,
        memory: Memory,
        open_visits: dict[int, dict[int, int]],
        open_appearances: dict[int, Open],
    ) -> None:
        """Keep every person's newest sample, and what goes on with it."""
        if not len(self.global_id):
            return
        lasts = np.flatnonzero(
            np.append(self.global_id[1:] != self.global_id[:-1], True)
        )
        for row in lasts.tolist():
            session_id, timeline_id = self._sessions[self.session[row]]
            sole = int(self.sole[row])
            global_id = GlobalId(int(self.global_id[row]))
            memory.samples[global_id] = LastSample(
                global_id=global_id,
                time_us=int(self.time_us[row]),
                x_m=float(self.x_m[row]),
                y_m=float(self.y_m[row]),
                speed_mps=float(self.speed_mps[row]),
                floor_id=self._floors[self.floor[row]],
                sole_track=None if sole < 0 else self._tracks.keys[sole],
                stay=int(self.stay[row]),
                session_id=session_id,
                timeline_id=timeline_id,
                pass_number=int(self.pass_number[row]),
                visits=open_visits.get(row, {}),
                appearances=open_appearances.get(int(self.stay[row]), {}),
            )

    def _link(self, gap_us: int) -> None:
        """Find out which samples follow each other, and how long each lasts."""
        count = len(self.time_us)
        step_us = np.diff(self.time_us)
        linked = (
            (self.global_id[1:] == self.global_id[:-1])
            & (self.pass_number[1:] == self.pass_number[:-1])
            & (step_us >= 0)
            & (step_us <= gap_us)
        )
        same_stay = (
            linked
            & (self.floor[1:] == self.floor[:-1])
            & (self.sole[1:] == self.sole[:-1])
            & (self.session[1:] == self.session[:-1])
        )
        self.has_next: BoolArray = np.append(linked, False)[:count]
        self.has_before: BoolArray = np.insert(linked, 0, False)[:count]
        self.goes_on: BoolArray = np.insert(same_stay, 0, False)[:count]
        self.lasts_us: IntArray = np.where(
            self.has_next, np.append(step_us, 0)[:count], 0
        )
        self.cell_x, self.cell_y = cells_of(self.x_m), cells_of(self.y_m)
        same_cell = (
            linked
            & (self.floor[1:] == self.floor[:-1])
            & (self.cell_x[1:] == self.cell_x[:-1])
            & (self.cell_y[1:] == self.cell_y[:-1])
            & self.located[:-1]
        )
        self.passage: BoolArray = self.located & ~np.insert(same_cell, 0, False)[:count]

    def _came(self, first: int, counted: BoolArray, within: BoolArray) -> str:
        if not self.has_before[first]:
            return "appeared"
        if counted[first - 1]:
            return "stayed"
        outside = self.located[first - 1] and not within[first - 1]
        return "entered" if outside else "appeared"

    def _went(self, last: int, counted: BoolArray) -> str:
        if not self.has_next[last]:
            return "inside"
        if counted[last + 1]:
            return "stayed"
        return "exited" if self.located[last + 1] else "inside"

    def _index_places(self) -> tuple[list[tuple[TimelineId, str]], IntArray]:
        """Return the pairs of timeline and floor, and each sample's index into them."""
        pairs, pair = np.unique(
            self.session * len(self._floors) + self.floor, return_inverse=True
        )
        places: dict[tuple[TimelineId, str], int] = {}
        index = []
        for session, floor in zip(*np.divmod(pairs, len(self._floors)), strict=True):
            place = (self._sessions[session][1], self._floors[floor])
            index.append(places.setdefault(place, len(places)))
        return list(places), np.array(index, np.int64)[pair]

    def _session_index(self, sample: LastSample) -> int:
        pair: tuple[SessionId, TimelineId] = (sample.session_id, sample.timeline_id)
        if pair not in self._sessions:
            self._sessions.append(pair)
        return self._sessions.index(pair)

    def _floor_index(self, floor_id: str) -> int:
        if floor_id not in self._floors:
            self._floors.append(floor_id)
        return self._floors.index(floor_id)

    @staticmethod
    def _joined(carried: list[int], batch: IntArray) -> IntArray:
        return np.concatenate((np.array(carried, np.int64), batch))

    def _sorted(self, carried: list[int], batch: IntArray) -> IntArray:
        return self._joined(carried, batch)[self._order]

    def _sorted_floats(
        self, carried: list[float], batch: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        joined = np.concatenate(
            (np.array(carried, np.float64), batch.astype(np.float64))
        )
        return joined[self._order]
