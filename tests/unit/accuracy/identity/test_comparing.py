"""Two evaluations side by side."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.accuracy.identity.__main__ import main
from tests.accuracy.identity.comparing import differences, draw
from tests.accuracy.identity.lineage import final_identities
from tests.accuracy.identity.published import Person
from tests.accuracy.identity.studio import figures_of_studio
from tests.accuracy.identity.tables import value_at
from tests.fakes.small_recording import NORTH, box, published_of, time_ns

FIRST = {"machine": {"cores": 2}, "some_set": {"both": {"final": {"idf1": 0.5}}}}
SECOND = {"some_set": {"both": {"final": {"idf1": 0.6, "hota": 0.4}}}}
PATH = "some_set.both.final.idf1"


def test_scores_in_common_are_compared() -> None:
    """What only one evaluation has is left out."""
    assert differences(FIRST, SECOND) == [(PATH, 0.5, 0.6)]


def test_better_is_drawn_to_the_right() -> None:
    """A bar lies right of the middle where the second is better, left where worse."""
    found = [("better", 0.5, 0.6), ("worse", 0.6, 0.5)]
    picture = draw(found, Path("a.json"), Path("b.json"))
    coloured = [
        np.argwhere((picture == colour).all(axis=2))
        for colour in ((46, 139, 87), (200, 60, 60))
    ]
    better, worse = (places[places[:, 1] < 860] for places in coloured)
    assert better[:, 1].min() >= worse[:, 1].max()


def test_a_comparison_is_written(tmp_path: Path) -> None:
    """The command prints the table and writes the picture."""
    for name, content in (("a.json", FIRST), ("b.json", SECOND)):
        (tmp_path / name).write_text(json.dumps(content))
    names = ",".join(str(tmp_path / name) for name in ("a.json", "b.json"))
    picture = tmp_path / "c.png"
    assert main(["--compare", names, "--picture", str(picture)]) == 0
    assert cv2.imread(str(picture)).shape[1] == 1000


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--compare", "a.json"], "COMPARE must name two files"),
        (["--compare", "a.json,b.json"], "a.json"),
        (["/nowhere"], "is not a folder"),
        (["."], "detections.csv"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be measured ends with one line that says why."""
    assert main(arguments) == 1
    assert reason in capsys.readouterr().err


def test_persons_in_the_studio_are_counted() -> None:
    """Three located persons in half of the frame sets, four identities in all."""
    boxes = [box(NORTH, n, 1, 0) for n in (0, 1)]
    seen = [(0, 1), (0, 2), (0, 3), (1, 1), (1, 4)]
    persons = [Person(n + 1, time_ns(n), one, (0.0, 0.0), (NORTH,)) for n, one in seen]
    published = published_of(boxes, persons=persons)
    found = figures_of_studio(published)
    assert set(final_identities(published)) == {1, 2, 3, 4}
    assert value_at(found, "final.persons") == 4
    assert value_at(found, "final.exact") == 0.5
    assert value_at(found, "final.mean") == 2.5
