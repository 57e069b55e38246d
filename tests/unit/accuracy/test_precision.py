"""Average precision of known detections is a known number."""

import numpy as np
import pytest

from tests.accuracy.precision import Compared, precision_of

NOBODY = np.zeros((0, 4), np.float32)


def box(left: float) -> list[float]:
    """Return a box of 10 x 20 pixels."""
    return [left, 0, left + 10, 20]


def compared(
    found: dict[float, float], people: list[float], ignored: list[float] | None = None
) -> Compared:
    """Return a picture: scores of what was found, by left edges, and who is there."""
    return Compared(
        np.array([box(x) for x in found] or NOBODY, np.float32),
        np.array(list(found.values()), np.float32),
        np.array([box(x) for x in people] or NOBODY, np.float32),
        np.array([box(x) for x in ignored or []] or NOBODY, np.float32),
    )


def test_everybody_found_is_one() -> None:
    """All people and nobody else give 1, from the lowest of their scores."""
    measured = precision_of([compared({0: 0.9, 50: 0.4}, [0, 50])])
    assert (measured.ap50, measured.best_f1) == (1.0, pytest.approx(1.0))
    assert measured.best_score == pytest.approx(0.4)


def test_a_false_one_between_costs_precision() -> None:
    """Of three in order right, wrong, right the area is 1/2 + 1/2 of 2/3."""
    measured = precision_of([compared({0: 0.9, 200: 0.8, 50: 0.7}, [0, 50])])
    assert measured.ap50 == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert measured.best_f1 == pytest.approx(0.8)


def test_a_person_counts_once() -> None:
    """A second box around one person is wrong."""
    measured = precision_of([compared({0: 0.9, 1: 0.8}, [0])])
    assert measured.ap50 == 1.0
    assert measured.best_score == pytest.approx(0.9)


def test_half_an_overlap_is_needed() -> None:
    """A box that shares too little with a person is wrong, and the person is missed."""
    assert precision_of([compared({4: 0.9}, [0])]).ap50 == 0.0
    assert precision_of([compared({3: 0.9}, [0])]).ap50 == 1.0


def test_people_hardly_visible_count_neither_way() -> None:
    """Finding someone who is hardly visible is neither right nor wrong."""
    with_, without = (
        precision_of([compared(found, [0], ignored=[100])])
        for found in ({0: 0.5, 100: 0.9}, {0: 0.5})
    )
    assert with_ == without
    assert without.ap50 == 1.0


def test_pictures_are_ranked_together() -> None:
    """A wrong one of a high score costs the people of other pictures too."""
    pictures = [compared({0: 0.5}, [0]), compared({0: 0.9}, [])]
    assert precision_of(pictures).ap50 == pytest.approx(0.5)


def test_nothing_found_is_zero() -> None:
    """A detector that finds nobody has no precision."""
    assert precision_of([compared({}, [0])]).ap50 == 0.0
