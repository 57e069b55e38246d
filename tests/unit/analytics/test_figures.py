"""The mathematics of figures: what holds for every input, against the obvious way."""

import math
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analytics.domain.figures.areas import convex_hull, frequent_areas
from services.analytics.domain.figures.dwell import DwellBins, dwell
from services.analytics.domain.figures.flow import flow
from services.analytics.domain.figures.heat import Heat, cells_per_side, summed
from services.analytics.domain.figures.intervals import Intervals, joined
from services.analytics.domain.figures.journey import kept_points
from services.analytics.domain.figures.occupancy import covered_us, occupancy_steps
from services.analytics.domain.figures.people import Seen
from services.analytics.domain.figures.samples import Samples, Stays, heat_of
from services.analytics.domain.figures.span import HOUR_US, Span
from services.analytics.domain.figures.speed import speeds
from services.common.errors import InvalidInput
from tests.fakes import by_hand

GAP_US = 20
UNHURRIED = settings(deadline=None)
Row = tuple[int, int, int, int]

moments = st.integers(0, 200)
rows = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 2), moments, st.integers(0, 40)),
    max_size=30,
)
cells = st.dictionaries(
    st.tuples(st.integers(-12, 12), st.integers(-12, 12)),
    st.tuples(st.integers(0, 5), st.integers(0, 100)),
    max_size=60,
)


def intervals(table: list[Row]) -> Intervals:
    """Return intervals of person, place, beginning and length."""
    columns = np.array(table, np.int64).reshape(-1, 4).T
    return Intervals(columns[0], columns[1], columns[2], columns[2] + columns[3])


def heat(content: dict[tuple[int, int], tuple[int, int]]) -> Heat:
    """Return cells by row, then column."""
    table = [
        (column, row, *content[column, row])
        for column, row in sorted(content, key=lambda cell: (cell[1], cell[0]))
    ]
    return Heat(*np.array(table, np.int64).reshape(-1, 4).T)


@UNHURRIED
@given(table=rows, tolerance_us=st.integers(0, 30))
def test_joined_intervals_are_the_union(table: list[Row], tolerance_us: int) -> None:
    """They cover the same moments, and are apart by more than the tolerance."""
    union = joined(intervals(table), tolerance_us)
    covered: dict[tuple[int, int], set[int]] = defaultdict(set)
    for person, place, start_us, length_us in table:
        covered[person, place] |= set(
            range(2 * start_us, 2 * (start_us + length_us) + 1)
        )
    before: dict[tuple[int, int], int] = {}
    for person, place, start_us, end_us in zip(
        union.person_id, union.place, union.start_us, union.end_us, strict=True
    ):
        key = int(person), int(place)
        assert start_us > before.get(key, -(10**9)) + tolerance_us
        before[key] = int(end_us)
        assert {2 * int(start_us), 2 * int(end_us)} <= covered[key]
        covered[key] -= set(range(2 * int(start_us), 2 * int(end_us) + 1))
    assert not any(covered.values())


@UNHURRIED
@given(table=rows, step_us=st.integers(1, 70), start_us=st.integers(-20, 150))
def test_occupancy_is_conserved(table: list[Row], step_us: int, start_us: int) -> None:
    """Entries minus exits is the change, nothing is negative, and sums are exact."""
    everybody = joined(intervals([(p, 0, s, d) for p, _, s, d in table]))
    span = Span(start_us, start_us + 100)
    edges_us = span.edges(step_us)
    steps = occupancy_steps(everybody, edges_us)
    visits = [
        by_hand.Visit(int(start), int(person), "", int(end))
        for person, start, end in zip(
            everybody.person_id, everybody.start_us, everybody.end_us, strict=True
        )
    ]
    for index, (low, high) in enumerate(pairwise(edges_us)):
        assert steps.at_start[index] == by_hand.occupancy(visits, int(low))
        after = steps.at_start[index] + steps.entered[index] - steps.left[index]
        assert after == by_hand.occupancy(visits, int(high))
        assert steps.person_us[index] == by_hand.person_us(visits, int(low), int(high))
        inside = [by_hand.occupancy(visits, t) for t in range(int(low), int(high))]
        assert steps.most[index] >= max(inside)
        assert 0 <= steps.most[index] <= 4
    assert steps.at_end == by_hand.occupancy(visits, span.end_us)


@UNHURRIED
@given(
    gaps=st.lists(st.tuples(moments, st.integers(1, 50)), max_size=5),
    step_us=st.integers(1, 90),
)
def test_what_is_not_lost_is_covered(gaps: list[tuple[int, int]], step_us: int) -> None:
    """Overlapping gaps are taken out once."""
    edges_us = Span(30, 180).edges(step_us)
    spans = [Span(start_us, start_us + length_us) for start_us, length_us in gaps]
    covered = covered_us(spans, edges_us)
    lost = {t for span in spans for t in range(span.start_us, span.end_us)}
    for index, (low, high) in enumerate(pairwise(edges_us)):
        assert covered[index] == len(set(range(int(low), int(high))) - lost)


@UNHURRIED
@given(table=rows, cut=st.integers(0, 200))
def test_a_person_of_two_identities_is_one(table: list[Row], cut: int) -> None:
    """Cutting every stay in two at a moment, and joining, changes no figure."""
    parts = joined(intervals([(p, 0, s, d) for p, _, s, d in table]))
    zones = parts.person_id + parts.start_us % 2
    whole = Intervals(parts.person_id, zones, parts.start_us, parts.end_us)
    seen = Seen(parts, whole, np.ones(len(whole), np.bool_), GAP_US)

    def cut_in_two(one: Intervals) -> Intervals:
        first_end, second_start = (
            np.minimum(one.end_us, cut),
            np.maximum(one.start_us, cut),
        )
        first, second = one.start_us <= first_end, second_start <= one.end_us
        return Intervals(
            np.concatenate((one.person_id[first], one.person_id[second])),
            np.concatenate((one.place[first], one.place[second])),
            np.concatenate((one.start_us[first], second_start[second])),
            np.concatenate((first_end[first], one.end_us[second])),
        )

    visits = cut_in_two(whole)
    halves = Seen(cut_in_two(parts), visits, np.ones(len(visits), np.bool_), GAP_US)
    for ours, theirs in (
        (seen.presences(), halves.presences()),
        (seen.joined_visits(), halves.joined_visits()),
    ):
        for name in Intervals.__slots__:
            assert getattr(ours, name).tolist() == getattr(theirs, name).tolist()


def test_the_last_of_one_identity_lasts_until_the_first_of_the_next() -> None:
    """A person lost inside and found within the gap under another name was there."""
    parts = intervals([(7, 0, 0, 10), (7, 0, 25, 10)])
    found_inside = Seen(
        parts, intervals([(7, 1, 0, 10), (7, 1, 25, 10)]), np.ones(2, np.bool_), 20
    )
    visits = found_inside.joined_visits()
    assert (visits.start_us.tolist(), visits.end_us.tolist()) == ([0], [35])
    found_outside = Seen(parts, intervals([(7, 1, 0, 10)]), np.ones(1, np.bool_), 20)
    assert found_outside.joined_visits().end_us.tolist() == [25]
    went_out = Seen(parts, intervals([(7, 1, 0, 10)]), np.zeros(1, np.bool_), 20)
    assert went_out.joined_visits().end_us.tolist() == [10]
    late = Seen(parts, intervals([(7, 1, 0, 10)]), np.ones(1, np.bool_), 14)
    assert late.joined_visits().end_us.tolist() == [10]


@UNHURRIED
@given(table=rows)
def test_dwell_tells_every_visit_that_ended(table: list[Row]) -> None:
    """The histogram and the sum are of the visits, and percentiles grow."""
    visits = joined(intervals([(p, 0, s * 1000, d * 1000) for p, _, s, d in table]))
    told = dwell(visits, Span(50_000, 150_000), DwellBins(5000, 4, (0, 50, 100)))
    ended = [
        end - start
        for start, end in zip(
            visits.start_us.tolist(), visits.end_us.tolist(), strict=True
        )
        if 50_000 <= end < 150_000
    ]
    assert told.visits == told.histogram.sum() == len(ended)
    assert told.total_us == sum(ended)
    assert told.longest_us == max(ended, default=0)
    if ended:
        assert told.percentiles_us[0] == min(ended)
        assert told.percentiles_us[-1] == max(ended)
        assert list(told.percentiles_us) == sorted(told.percentiles_us)


@UNHURRIED
@given(table=rows, transit_us=st.integers(1, 120))
def test_flow_is_between_neighbours(table: list[Row], transit_us: int) -> None:
    """Every pair has the transitions, persons and times that hands count."""
    visits = joined(intervals(table))
    by_name = [
        by_hand.Visit(int(start), int(person), str(place), int(end))
        for person, place, start, end in zip(
            visits.person_id,
            visits.place,
            visits.start_us,
            visits.end_us,
            strict=True,
        )
    ]
    found = by_hand.flows(by_name, 40, 170, transit_us)
    told = flow(visits, Span(40, 170), transit_us)
    assert [(str(one.origin), str(one.target)) for one in told] == sorted(found)
    for one in told:
        steps = found[str(one.origin), str(one.target)]
        assert one.transitions == len(steps) > 0
        assert one.persons == len({person for person, _ in steps})
        assert one.transit_us == sum(us for _, us in steps)


@UNHURRIED
@given(content=cells, side=st.integers(1, 9))
def test_larger_cells_lose_nothing(
    content: dict[tuple[int, int], tuple[int, int]], side: int
) -> None:
    """Sums are kept, and every cell is where its parts are, negative ones too."""
    coarse = summed([heat(content), heat({})], side)
    totals: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    for (column, row), (passages, dwell_us) in content.items():
        where = math.floor(column / side), math.floor(row / side)
        totals[where][0] += passages
        totals[where][1] += dwell_us
    assert {
        (column, row): [passages, dwell_us]
        for column, row, passages, dwell_us in zip(
            coarse.column.tolist(),
            coarse.row.tolist(),
            coarse.passages.tolist(),
            coarse.dwell_us.tolist(),
            strict=True,
        )
    } == {where: total for where, total in totals.items() if any(total)}


@UNHURRIED
@given(content=cells, radius=st.integers(1, 6), least_us=st.integers(1, 200))
def test_areas_are_those_of_comparing_all_cells(
    content: dict[tuple[int, int], tuple[int, int]], radius: int, least_us: int
) -> None:
    """The clusters of DBSCAN, and what lies in none of them."""
    found = frequent_areas(heat(content), radius * 0.25, least_us)
    dwell_us = {cell: lived for cell, (_, lived) in content.items() if lived}
    clusters = by_hand.areas(dwell_us, radius * 0.25, least_us)
    assert sorted((one.dwell_us, one.cells) for one in found.found) == sorted(
        (sum(dwell_us[cell] for cell in one), len(one)) for one in clusters
    )
    everything_us = sum(one.dwell_us for one in found.found) + found.elsewhere_us
    assert everything_us == sum(dwell_us.values())


@UNHURRIED
@given(
    points=st.lists(
        st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=30
    )
)
def test_a_hull_turns_left_and_holds_everything(
    points: list[tuple[int, int]],
) -> None:
    """No point lies to the right of an edge, and corners are points."""
    hull = convex_hull(np.array(points, np.float64))
    assert set(hull) <= {(float(x), float(y)) for x, y in points}
    if len(hull) > 2:
        for (x0, y0), (x1, y1) in zip(hull, hull[1:] + hull[:1], strict=True):
            for x, y in points:
                assert (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) >= 0


@UNHURRIED
@given(
    pieces=st.lists(
        st.tuples(st.integers(0, 130), st.integers(1, 1000)), min_size=1, max_size=20
    ),
    percents=st.lists(st.floats(0, 100), min_size=2, max_size=4),
)
def test_speed_percentiles_grow_with_the_share(
    pieces: list[tuple[int, int]], percents: list[float]
) -> None:
    """They lie in bins that hold time, and the mean between the extremes."""
    bins, present_us = (np.array(column) for column in zip(*pieces, strict=True))
    told = speeds(bins, present_us)
    assert told.total_us == present_us.sum()
    values = [told.percentile_mps(percent) for percent in sorted(percents)]
    assert values == sorted(values)
    slowest, fastest = min(bins.min(), 100) / 10, (min(bins.max(), 100) + 1) / 10
    assert slowest - 1e-9 <= values[0] <= values[-1] <= fastest + 1e-9
    assert told.mean_mps is not None
    assert slowest <= told.mean_mps <= fastest
    assert len(told.needed()) == min(bins.max(), 100) + 1


def test_a_hidden_sample_counts_nowhere() -> None:
    """Neither its time nor its passage; what follows counts as it came."""
    stays = Stays(np.array([3]), np.array([40]), np.array([1]))
    samples = Samples.of(
        np.array([3, 3, 3, 3]),
        np.array([0, 10, 20, 30]),
        np.array([False, True, False, False]),
        stays,
    )
    x_m = np.array([0.1, 0.4, 0.4, 0.4], np.float32)
    told = summed([heat_of(samples, stays, (x_m, x_m), Span(0, 35))])
    assert told.column.tolist() == [0, 1]
    assert told.dwell_us.tolist() == [10, 20]
    assert told.passages.tolist() == [1, 0]


def test_points_are_apart_but_for_the_ends_of_legs() -> None:
    """The least interval holds within a leg, and goes on over batches."""
    times = np.arange(0, 100, 10)
    legs = np.array([1] * 5 + [2] * 5)
    kept = kept_points(times, legs, 30, None)
    assert times[kept].tolist() == [0, 30, 40, 50, 80, 90]
    after = kept_points(times + 100, np.full(10, 2), 30, 90)
    assert (times + 100)[after].tolist() == [100, 130, 160, 190]


def test_a_range_divides_into_whole_hours_and_edges() -> None:
    """Nothing is lost or counted twice; a short range has no whole hour."""
    span = Span(HOUR_US - 5, 3 * HOUR_US + 7)
    whole = span.whole(HOUR_US)
    assert whole == Span(HOUR_US, 3 * HOUR_US)
    assert span.around(whole) == (
        Span(HOUR_US - 5, HOUR_US),
        Span(3 * HOUR_US, 3 * HOUR_US + 7),
    )
    assert Span(5, HOUR_US - 5).whole(HOUR_US) is None


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: Span(5, 5), "end_time"),
        (lambda: Span(0, 100_000).edges(1), "step"),
        (lambda: Span(0, 10).edges(0), "step"),
        (lambda: cells_per_side(0.1), "cell_size_m"),
        (lambda: cells_per_side(0.4), "cell_size_m"),
        (lambda: DwellBins(width_us=1), "bin_width"),
        (lambda: DwellBins(count=1001), "bin_count"),
        (lambda: DwellBins(percentiles=(101.0,)), "percentiles[0]"),
        (lambda: DwellBins(percentiles=(float("nan"),)), "percentiles[0]"),
        (lambda: DwellBins(percentiles=(1.0,) * 21), "percentiles"),
        (lambda: frequent_areas(heat({}), 0.1, 1), "radius_m"),
        (lambda: frequent_areas(heat({}), 1.0, 0), "min_dwell"),
    ],
)
def test_what_cannot_be_computed_names_its_field(call, field: str) -> None:
    """InvalidInput before anything is computed."""
    with pytest.raises(InvalidInput) as caught:
        call()
    assert caught.value.field == field
