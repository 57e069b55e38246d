"""Play scenes, and score them with the same scores as recordings."""

import logging
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import uvloop

from services.common.log import configure_logging
from tests.accuracy.identity.arrivals import arrival_scores
from tests.accuracy.identity.evidence import Mode
from tests.accuracy.identity.figures import Figures, mean_figures
from tests.accuracy.identity.floor_scores import floor_scores
from tests.accuracy.identity.in_process import local_peers
from tests.accuracy.identity.matching import matches_of
from tests.accuracy.identity.pair_scores import pair_scores
from tests.accuracy.identity.places import environment_id_of
from tests.accuracy.identity.playing import play
from tests.accuracy.identity.predictions import Predictions, final_of, first_of
from tests.accuracy.identity.published import Published
from tests.accuracy.identity.recording import Recording
from tests.accuracy.identity.steps import steps_of
from tests.accuracy.identity.tables import value_at
from tests.accuracy.identity.tracking_scores import overall_scores
from tests.accuracy.scenes.axes import Axis, modes_of_scenes
from tests.accuracy.scenes.generator import Scene, scene_of
from tests.accuracy.scenes.references import causal_of, ceiling_of
from tests.accuracy.scenes.script import Script

Measured = Mapping[str, Mapping[str, Mapping[str, Figures]]]
"""Figures by axis, level, and evidence or reference; means over the seeds."""

REFERENCES = {"causal": causal_of, "ceiling": ceiling_of}
_AT_ONCE = 2
_SCORES = ("idf1", "hota", "switches", "ids")


def measure(
    axes: Sequence[Axis], seeds: Sequence[int], tell: Callable[[str], None]
) -> Measured:
    """Return what every level of some axes comes to.

    Args:
        axes: What is tried.
        seeds: Of the scenes.
        tell: Told about every scene that is done.
    """
    context = multiprocessing.get_context("spawn")
    tasks = modes_of_scenes(axes, seeds)
    found = {}
    with ProcessPoolExecutor(_AT_ONCE, context, initializer=_quiet) as pool:
        for script, own in zip(
            tasks, pool.map(_tried, tasks, tasks.values()), strict=True
        ):
            found[script] = own
            tell(_line(script, own))

    def of_level(script: Script, modes: Sequence[Mode]) -> Mapping[str, Figures]:
        seeded = [found[replace(script, seed=seed)] for seed in seeds]
        return {
            name: mean_figures([one[name] for one in seeded])
            for name in (*map(str, modes), *REFERENCES)
        }

    return {
        axis.name: {
            level.name: of_level(level.script, level.modes) for level in axis.levels
        }
        for axis in axes
    }


def _line(script: Script, own: Mapping[str, Figures]) -> str:
    """Return one scene's final scores."""
    scores = (f"{name} {value_at(one, 'final.idf1'):.3f}" for name, one in own.items())
    return f"{script}: {', '.join(scores)}"


async def played(recording: Recording, mode: Mode = Mode.BOTH) -> Published:
    """Return what is published about a recording, played in this process."""
    return await play(
        recording,
        local_peers(recording),
        mode,
        environment_id=environment_id_of(recording),
        session="scene",
    )


def scored(scene: Scene, published: Published) -> Figures:
    """Return the scores of a run over a scene."""
    boxes = [box for box in published.boxes if box.global_id and not box.coasted]
    first, final = first_of(boxes), final_of(published)
    recording = scene.recording
    matches = matches_of(steps_of(recording, first))
    found: dict[str, float | Figures] = {
        "first": _identity(recording, first),
        "final": _identity(recording, final),
    }
    if published.persons:
        found["floor"] = floor_scores(recording, boxes, published.persons, matches)
    return found


def _identity(recording: Recording, predictions: Predictions) -> Figures:
    steps = steps_of(recording, predictions)
    matches = matches_of(steps)
    scores = overall_scores(steps).figures()
    return {
        **{name: scores[name] for name in _SCORES},
        "pairs": pair_scores(matches),
        "arrivals": arrival_scores(steps, matches),
    }


def _tried(script: Script, modes: Sequence[Mode]) -> Mapping[str, Figures]:
    """Return the scores of one scene, by evidence and by reference."""
    scene = scene_of(script)
    return {
        **{str(mode): scored(scene, _run(scene, mode)) for mode in modes},
        **{
            name: {"final": _identity(scene.recording, final_of(answer(scene)))}
            for name, answer in REFERENCES.items()
        },
    }


def _run(scene: Scene, mode: Mode) -> Published:
    return uvloop.run(played(scene.recording, mode))


def _quiet() -> None:
    configure_logging("evaluation", level=logging.WARNING)
