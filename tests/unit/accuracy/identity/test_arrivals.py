"""Hand-overs, re-entries and simultaneous pairs of known scenes."""

import pytest

from tests.accuracy.identity.arrivals import arrival_scores
from tests.accuracy.identity.matching import matches_of
from tests.accuracy.identity.pair_scores import pair_scores
from tests.accuracy.identity.predictions import first_of
from tests.accuracy.identity.published import Box
from tests.accuracy.identity.recording import Recording
from tests.accuracy.identity.steps import steps_of
from tests.fakes.small_recording import NORTH, SOUTH, box, recording_of

SECONDS = 10


def scores(recording: Recording, boxes: list[Box]) -> dict[str, dict[str, float]]:
    """Return the scores of arrivals."""
    steps = steps_of(recording, first_of(boxes))
    return arrival_scores(steps, matches_of(steps))


def walk() -> Recording:
    """Return somebody who goes from north to south at once, and back after a while."""
    north = {n: {1: 0} for n in (*range(20), *range(70, 90))}
    return recording_of({NORTH: north, SOUTH: {n: {1: 0} for n in range(15, 40)}}, 100)


def boxes_of(first: int, second: int, third: int) -> list[Box]:
    """Return boxes on the walk, with an id for each of its three parts."""
    return [
        *(box(NORTH, n, first, 0) for n in range(20)),
        *(box(SOUTH, n, second, 0) for n in range(15, 40)),
        *(box(NORTH, n, third, 0) for n in range(70, 90)),
    ]


def test_a_walk_has_a_hand_over_and_a_re_entry() -> None:
    """One id all the way is right at both."""
    found = scores(walk(), boxes_of(1, 1, 1))
    for kind, count in (("all", 2), ("handover", 1), ("reentry", 1)):
        assert found[kind] == {
            "recall": 1.0,
            "precision": 1.0,
            "arrivals": count,
            "told": count,
        }


def test_a_new_id_on_return_misses_the_re_entry() -> None:
    """Whoever is not recognised costs recall, and no precision."""
    found = scores(walk(), boxes_of(1, 1, 2))
    assert found["handover"]["recall"] == 1.0
    assert found["reentry"]["recall"] == 0.0
    assert found["all"]["recall"] == pytest.approx(0.5)
    assert found["all"]["precision"] == 1.0
    assert "precision" not in found["reentry"]


def test_somebody_elses_id_costs_precision() -> None:
    """Who arrives as somebody else is told wrongly."""
    truth = {
        NORTH: {n: {1: 0} for n in range(20)},
        SOUTH: {n: {2: 0} for n in range(50, 70)},
    }
    boxes = [box(NORTH, n, 7, 0) for n in range(20)]
    boxes += [box(SOUTH, n, 7, 0) for n in range(50, 70)]
    found = scores(recording_of(truth, 80), boxes)
    assert found["all"] == {"precision": 0.0, "arrivals": 0.0, "told": 1.0}


def test_boxes_on_nobody_are_not_judged() -> None:
    """An arrival that shows nobody who is annotated is neither right nor wrong."""
    truth = {NORTH: {n: {1: 0} for n in range(20)}, SOUTH: {}}
    boxes = [box(NORTH, n, 7, 0) for n in range(20)]
    boxes += [box(SOUTH, n, 7, 0) for n in range(50, 70)]
    found = scores(recording_of(truth, 80), boxes)
    assert found["all"] == {"arrivals": 0.0, "told": 0.0}


def test_pairs_of_one_moment() -> None:
    """Of two people in two cameras, one pair of ids is right and one is crossed."""
    truth = {name: {0: {1: 0, 2: 3}, 1: {1: 0, 2: 3}} for name in (NORTH, SOUTH)}
    boxes = [
        *(box(NORTH, n, one, place) for n in (0, 1) for one, place in ((1, 0), (2, 3))),
        *(box(SOUTH, 0, one, place) for one, place in ((1, 0), (2, 3))),
        *(box(SOUTH, 1, one, place) for one, place in ((2, 0), (5, 3))),
    ]
    steps = steps_of(recording_of(truth, 2), first_of(boxes))
    found = pair_scores(matches_of(steps))
    assert found == {
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 4),
        "pairs": 4,
    }
