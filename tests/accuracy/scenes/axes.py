"""How difficult scenes are made: one thing at a time, from an easy scene."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tests.accuracy.identity.evidence import Mode
from tests.accuracy.scenes.script import Action, Script

EASY = Script(duration_s=20.0)
_RETURN = Script(action=Action.RETURN, duration_s=45.0)
_EVERY = (Mode.BOTH, Mode.FLOOR, Mode.APPEARANCE)


@dataclass(frozen=True, slots=True)
class Level:
    """A point of an axis.

    Attributes:
        name: For tables, the value where there is one.
        script: The scene.
        modes: Evidence that is tried.
    """

    name: str
    script: Script
    modes: Sequence[Mode] = (Mode.BOTH,)


@dataclass(frozen=True, slots=True)
class Axis:
    """One kind of difficulty.

    Attributes:
        name: Key in the JSON.
        title: For people, with the unit.
        levels: From easy to difficult.
    """

    name: str
    title: str
    levels: Sequence[Level]


def _numbers(name: str, title: str, easy: Script, values: Sequence[float]) -> Axis:
    scripts = (replace(easy, **{name: value}) for value in values)
    levels = [Level(f"{v:g}", one) for v, one in zip(values, scripts, strict=True)]
    return Axis(name, title, levels)


AXES = (
    Axis(
        "action",
        "what people do",
        [
            Level("mingle", EASY, _EVERY),
            Level("cross", replace(EASY, action=Action.CROSS), _EVERY),
            Level("group", replace(EASY, action=Action.GROUP), _EVERY),
            Level("pillars", replace(EASY, pillars=5), _EVERY),
            Level("return", _RETURN, _EVERY),
        ],
    ),
    _numbers("people", "people", EASY, (3, 6, 12)),
    _numbers("cameras", "cameras", EASY, (2, 4, 12)),
    _numbers("in_uniform", "people in one uniform, of six", EASY, (0, 3, 6)),
    _numbers("away_s", "absence, s, at least", _RETURN, (4, 8, 14)),
    _numbers("miscalibration_m", "error of every floor, m", EASY, (0.1, 0.3, 0.6, 1.0)),
    _numbers("clock_skew_s", "clock of one camera ahead, s", EASY, (0, 0.3, 1, 3)),
    _numbers("noise", "detector's noise, 1 is a good one", EASY, (0, 1, 3)),
)


def modes_of_scenes(
    axes: Sequence[Axis], seeds: Sequence[int]
) -> Mapping[Script, Sequence[Mode]]:
    """Return every scene of some axes once, with the evidence that is tried in it."""
    found: dict[Script, list[Mode]] = {}
    for axis in axes:
        for level in axis.levels:
            for seed in seeds:
                modes = found.setdefault(replace(level.script, seed=seed), [])
                modes += [mode for mode in level.modes if mode not in modes]
    return found
