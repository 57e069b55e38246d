"""Scores over all cameras are those that the definitions give."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest

from tests.accuracy.identity.predictions import Predictions, first_of
from tests.accuracy.identity.recording import Recording
from tests.accuracy.identity.steps import Step, steps_of
from tests.accuracy.identity.tracking_scores import camera_scores, overall_scores
from tests.fakes.small_recording import NORTH, SOUTH, box, recording_of

EXACT = 1e-9


def test_perfect_ids_score_one() -> None:
    """Boxes and ids that are all right give 1, and no switch."""
    recording = recording_of({NORTH: {0: {1: 0, 2: 3}, 1: {1: 1}}}, 2)
    boxes = [box(NORTH, 0, 11, 0), box(NORTH, 0, 12, 3), box(NORTH, 1, 11, 1)]
    scores = overall_scores(steps_of(recording, first_of(boxes)))
    assert (scores.idf1, scores.hota, scores.mota) == pytest.approx((1.0, 1.0, 1.0))
    assert scores.switches == 0


def test_ids_must_hold_across_cameras() -> None:
    """Ids that are right in each camera and differ between them halve the recall."""
    truth = {NORTH: {0: {1: 0}, 1: {1: 0}}, SOUTH: {0: {1: 0}, 1: {1: 0}}}
    recording = recording_of(truth, 2)
    boxes = [box(NORTH, n, 11, 0) for n in (0, 1)]
    boxes += [box(SOUTH, n, 12, 0) for n in (0, 1)]
    steps = steps_of(recording, first_of(boxes))
    assert [one.idf1 for one in camera_scores(steps).values()] == [1.0, 1.0]
    assert overall_scores(steps).idf1 == pytest.approx(0.5)
    assert overall_scores(steps).assa == pytest.approx(0.5)


def test_switches_are_counted_within_cameras() -> None:
    """Another id in the same camera is a switch, another id elsewhere is none."""
    truth = {NORTH: {0: {1: 0}, 1: {1: 0}}, SOUTH: {0: {1: 0}}}
    boxes = [box(NORTH, 0, 11, 0), box(NORTH, 1, 12, 0), box(SOUTH, 0, 13, 0)]
    scores = overall_scores(steps_of(recording_of(truth, 2), first_of(boxes)))
    assert scores.switches == 1
    assert scores.mota == pytest.approx(1 - 1 / 3)


def test_small_people_neither_count_nor_cost() -> None:
    """A box on somebody who does not count is dropped, unless it shows another too."""
    recording = recording_of({NORTH: {0: {1: 0}}, SOUTH: {}}, 1, least_height_px=101)
    boxes = [box(NORTH, 0, 11, 0), box(NORTH, 0, 12, 5), box(SOUTH, 0, 11, 0)]
    (north, south) = steps_of(recording, first_of(boxes))
    assert (len(north.persons), north.ids.tolist()) == (0, [12])
    assert south.ids.tolist() == [11]


def test_an_id_twice_in_a_frame_is_refused() -> None:
    """Scores want ids that differ within a frame."""
    recording = recording_of({NORTH: {0: {1: 0}}}, 1)
    steps = steps_of(recording, first_of([box(NORTH, 0, 7, 0), box(NORTH, 0, 7, 3)]))
    with pytest.raises(ValueError, match="twice"):
        overall_scores(steps)


@pytest.mark.parametrize("seed", range(5))
def test_random_scenes_score_as_computed_otherwise(seed: int) -> None:
    """IDF1, HOTA, DetA and AssA equal a slow computation after the papers."""
    recording, predictions = random_scene(np.random.default_rng(seed))
    steps = steps_of(recording, predictions)
    scores = overall_scores(steps)
    assert scores.idf1 == pytest.approx(slow_idf1(steps), abs=EXACT)
    expected = slow_hota(steps)
    assert (scores.hota, scores.deta, scores.assa) == pytest.approx(expected, abs=EXACT)


def random_scene(rng: np.random.Generator) -> tuple[Recording, Predictions]:
    """Return three people in two cameras, with boxes missing, moved and renamed."""
    truth = {
        name: {
            frame: {
                person: int(rng.integers(0, 4)) * 4 + person
                for person in range(3)
                if rng.random() < 0.8
            }
            for frame in range(6)
        }
        for name in (NORTH, SOUTH)
    }
    recording = recording_of(truth, 6)
    boxes = []
    for name, frames in truth.items():
        for frame, people in frames.items():
            ids = rng.permutation(4)[: len(people)] + 1
            boxes += [
                box(name, frame, int(own), place)
                for own, place in zip(ids, people.values(), strict=True)
                if rng.random() < 0.8
            ]
    predictions = first_of(boxes)
    predictions.boxes_px[:, ::2] += rng.uniform(-15, 15, (len(boxes), 1))
    return recording, predictions


def slow_idf1(steps: Sequence[Step]) -> float:
    """Return IDF1 by trying every assignment of ids to people."""
    together: Counter[tuple[int, int]] = Counter()
    for step in steps:
        for person, similar in zip(step.persons.tolist(), step.similarity, strict=True):
            for one, overlap in zip(step.ids.tolist(), similar, strict=True):
                together[person, one] += overlap >= 0.5
    persons, ids = range(3), range(1, 5)
    best = max(
        sum(together[person, one] for person, one in zip(persons, chosen, strict=True))
        for chosen in permutations(ids, 3)
    )
    true = sum(len(step.persons) for step in steps)
    told = sum(len(step.ids) for step in steps)
    return 2 * best / (true + told)


def slow_hota(steps: Sequence[Step]) -> tuple[float, float, float]:
    """Return HOTA, DetA and AssA, matching each frame by trying everything."""
    of_person = Counter(one for step in steps for one in step.persons.tolist())
    of_id = Counter(one for step in steps for one in step.ids.tolist())
    jaccard = alignment(steps, of_person, of_id)
    hota, deta, assa = [], [], []
    for threshold in np.arange(1, 20) / 20:
        pairs: Counter[tuple[int, int]] = Counter()
        for step in steps:
            for row, column in best_match(step, jaccard):
                if step.similarity[row, column] >= threshold - 1e-12:
                    pairs[int(step.persons[row]), int(step.ids[column])] += 1
        hits = sum(pairs.values())
        found = hits / (of_person.total() + of_id.total() - hits)
        held = sum(
            count * count / (of_person[person] + of_id[one] - count)
            for (person, one), count in pairs.items()
        ) / max(hits, 1)
        deta.append(found)
        assa.append(held)
        hota.append(np.sqrt(found * held))
    return float(np.mean(hota)), float(np.mean(deta)), float(np.mean(assa))


def alignment(
    steps: Sequence[Step], of_person: Counter[int], of_id: Counter[int]
) -> dict[tuple[int, int], float]:
    """Return how much of their time each person and id overlap, on the whole."""
    shared: Counter[tuple[int, int]] = Counter()
    for step in steps:
        for row, person in enumerate(step.persons.tolist()):
            for column, one in enumerate(step.ids.tolist()):
                overlap = step.similarity[row, column]
                either = step.similarity[row].sum() + step.similarity[:, column].sum()
                if either - overlap > 0:
                    shared[person, one] += overlap / (either - overlap)
    return {
        (person, one): value / (of_person[person] + of_id[one] - value)
        for (person, one), value in shared.items()
    }


def best_match(
    step: Step, jaccard: dict[tuple[int, int], float]
) -> list[tuple[int, int]]:
    """Return the match of a frame that has most of alignment times overlap."""
    rows, columns = len(step.persons), len(step.ids)
    if not rows or not columns:
        return []

    def value(row: int, column: int) -> float:
        key = int(step.persons[row]), int(step.ids[column])
        return jaccard.get(key, 0.0) * step.similarity[row, column]

    if rows <= columns:
        options = [
            list(enumerate(chosen)) for chosen in permutations(range(columns), rows)
        ]
    else:
        options = [
            [(row, column) for column, row in enumerate(chosen)]
            for chosen in permutations(range(rows), columns)
        ]
    return max(options, key=lambda pairs: sum(value(*pair) for pair in pairs))
