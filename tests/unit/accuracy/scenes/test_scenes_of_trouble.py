"""What the mesh does, and tells operators, when something is wrong in a scene."""

from dataclasses import replace

import pytest
import uvloop
from structlog.testing import capture_logs

from services.common.ids import CameraId
from tests.accuracy.identity.figures import Figures
from tests.accuracy.identity.tables import value_at
from tests.accuracy.scenes import trouble
from tests.accuracy.scenes.generator import Scene, scene_of
from tests.accuracy.scenes.measuring import played, scored
from tests.accuracy.scenes.script import Script

FIRST, SECOND, THIRD = (CameraId(f"camera-{number:02d}") for number in (1, 2, 3))
EASY = Script(duration_s=16.0, people=4, cameras=3, rate_hz=5.0)


def scene(**changed: float) -> Scene:
    """Return four people before three cameras, for a quarter of a minute."""
    return scene_of(replace(EASY, **changed))


def told_about(one: Scene) -> tuple[set[tuple[str, str]], Figures]:
    """Return the warnings of a run, as kind and subject, and its scores."""
    with capture_logs() as logs:
        published = uvloop.run(played(one.recording))
    warnings = {
        (line["kind"], line["subject"])
        for line in logs
        if line["event"] == "suspicion" and line["log_level"] == "warning"
    }
    return warnings, scored(one, published)


CASES = {
    "a clock that is three seconds ahead": (
        lambda: scene(clock_skew_s=3.0),
        {
            ("clocks_disagree", f"{FIRST}+{SECOND}"),
            ("clocks_disagree", f"{FIRST}+{THIRD}"),
        },
        0.5,
    ),
    "a calibration that is three metres off": (
        lambda: trouble.misplaced(scene(), SECOND, 3.0),
        {("floors_disagree", f"{FIRST}+{SECOND}")},
        0.5,
    ),
    "a camera that freezes": (
        lambda: trouble.frozen(scene(), SECOND, 5.0),
        {("camera_repeats", SECOND)},
        0.4,
    ),
    "an embedder that answers one vector": (
        lambda: trouble.all_alike(scene(duration_s=24.0)),
        {("embedder_tells_nothing", "")},
        0.7,
    ),
    "two people in one uniform": (
        lambda: scene(in_uniform=2),
        {("people_look_alike", SECOND)},
        0.8,
    ),
    "a mirror": (
        lambda: trouble.with_mirror(scene(), SECOND),
        {("people_look_alike", SECOND)},
        0.6,
    ),
    "frames that come twice": (
        lambda: trouble.stuttering(scene(), SECOND),
        set(),
        0.8,
    ),
    "a poster": (
        lambda: trouble.with_poster(scene(), SECOND),
        set(),
        0.7,
    ),
    "nothing": (scene, set(), 0.85),
}


@pytest.mark.parametrize("case", CASES)
def test_trouble_is_told_and_ids_hold(case: str) -> None:
    """Operators read what is wrong, and most boxes still have their person's id."""
    make, expected, least_idf1 = CASES[case]
    warnings, figures = told_about(make())
    assert expected <= warnings
    assert bool(warnings) == bool(expected)
    final = value_at(figures, "final.idf1")
    assert final is not None
    assert final >= least_idf1
