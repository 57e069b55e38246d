"""Positions, coasted boxes, and means over runs."""

import pytest

from tests.accuracy.identity.figures import figures_of, mean_figures
from tests.accuracy.identity.published import Person
from tests.accuracy.identity.tables import tables_of, value_at
from tests.fakes.small_recording import (
    NORTH,
    SOUTH,
    box,
    published_of,
    recording_of,
    time_ns,
)

TRUE_M = (0.2, 2.0)
"""Where the lower centre of the box at place 0 stands."""


def test_positions_are_measured_against_the_truth() -> None:
    """Errors, disagreement and jitter are the distances that were put in."""
    truth = {name: {n: {1: 0} for n in range(4)} for name in (NORTH, SOUTH)}
    east_m = (TRUE_M[0] + 0.3, TRUE_M[1])
    boxes = [box(NORTH, n, 1, 0, position_m=TRUE_M) for n in range(4)]
    boxes += [box(SOUTH, n, 1, 0, position_m=east_m) for n in range(4)]
    # A fused position that trembles by 0.12 m to and fro along one axis.
    persons = [
        Person(n + 1, time_ns(n), 1, (TRUE_M[0] + 0.12 * (n % 2), 2.0), (NORTH, SOUTH))
        for n in range(4)
    ]
    published = published_of(boxes, persons=persons)
    found = figures_of(recording_of(truth, 4), published)
    assert value_at(found, "floor.box_error_m.median") == pytest.approx(0.15)
    assert value_at(found, "floor.disagreement_m.median") == pytest.approx(0.3)
    assert value_at(found, "floor.person_error_m.median") == pytest.approx(0.06)
    assert value_at(found, "floor.jitter_m.median") == pytest.approx(0.24 / 12**0.5)


def test_coasted_boxes_are_scored_apart() -> None:
    """What was only predicted changes no score of identities."""
    truth = {NORTH: {n: {1: 0} for n in range(4)}}
    boxes = [box(NORTH, 0, 1, 0), box(NORTH, 1, 1, 0)]
    boxes += [box(NORTH, n, 1, place, coasted=True) for n, place in ((2, 0), (3, 5))]
    found = figures_of(recording_of(truth, 4), published_of(boxes))
    assert value_at(found, "first.boxes") == 2
    assert value_at(found, "final.idf1") == pytest.approx(2 * 2 / (2 + 4))
    assert value_at(found, "coasted.boxes") == 2
    assert value_at(found, "coasted.precision") == pytest.approx(0.5)
    assert value_at(found, "coasted.longest_s") == pytest.approx(0.2)
    with_them = value_at(found, "coasted.final_idf1_with_coasted")
    assert with_them == pytest.approx(2 * 3 / (4 + 4))


def test_nothing_published_scores_nothing() -> None:
    """A session that saw nobody has scores all the same."""
    found = figures_of(recording_of({NORTH: {0: {1: 0}}}, 1), published_of([]))
    assert value_at(found, "final.idf1") == 0
    assert value_at(found, "final.hota") == 0
    assert value_at(found, "final.mota") == 0


def test_means_go_over_the_runs_that_have_a_number() -> None:
    """A number that one run lacks is the mean of the others."""
    runs = [{"a": {"b": 1.0, "c": 4.0}}, {"a": {"b": 3.0}}]
    assert mean_figures(runs) == {"a": {"b": 2.0, "c": 4.0}}


def test_tables_show_every_evidence() -> None:
    """Each kind of evidence has a row for first and one for final ids."""
    found = figures_of(
        recording_of({NORTH: {0: {1: 0}}}, 1), published_of([box(NORTH, 0, 1, 0)])
    )
    tables = tables_of("small", {"both": found, "floor": found})
    assert [row[:2] for row in tables[0].rows] == [
        ("both", "first"),
        ("both", "final"),
        ("floor", "first"),
        ("floor", "final"),
    ]
