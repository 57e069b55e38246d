"""Play scenes, and score them with the same scores as recordings."""

import logging
import multiprocessing
from collections.abc import Mapping, Sequence
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
from tests.accuracy.identity.tracking_scores import overall_scores
from tests.accuracy.scenes.axes import Axis, distinct
from tests.accuracy.scenes.generator import Scene, scene_of
from tests.accuracy.scenes.references import causal_of, ceiling_of
from tests.accuracy.scenes.script import Script

Measured = Mapping[str, Mapping[str, Mapping[str, Figures]]]
"""Figures by axis, level, and evidence or reference; means over the seeds."""

REFERENCES = {"causal": causal_of, "ceiling": ceiling_of}
_AT_ONCE = 2
_SCORES = ("idf1", "hota", "switches", "ids")


def measure(axes: Sequence[Axis], seeds: Sequence[int]) -> Measured:
    """Return what every level of some axes comes to."""
    context = multiprocessing.get_context("spawn")
    tasks = list(distinct(axes, seeds))
    scripts = list(dict.fromkeys(script for script, _ in tasks))
    with ProcessPoolExecutor(_AT_ONCE, context, initializer=_quiet) as pool:
        played = [pool.submit(_played, *one) for one in tasks]
        compared = [pool.submit(_referred, one) for one in scripts]
        found = {task: one.result() for task, one in zip(tasks, played, strict=True)}
        known = {one: own.result() for one, own in zip(scripts, compared, strict=True)}

    def of_level(script: Script, modes: Sequence[Mode]) -> Mapping[str, Figures]:
        seeded = [replace(script, seed=seed) for seed in seeds]
        own = {m: mean_figures([found[one, m] for one in seeded]) for m in modes}
        references = {
            name: mean_figures([known[one][name] for one in seeded])
            for name in REFERENCES
        }
        return {**{str(mode): value for mode, value in own.items()}, **references}

    return {
        axis.name: {
            level.name: of_level(level.script, level.modes) for level in axis.levels
        }
        for axis in axes
    }


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


def _played(script: Script, mode: Mode) -> Figures:
    scene = scene_of(script)
    return scored(scene, uvloop.run(played(scene.recording, mode)))


def _referred(script: Script) -> Mapping[str, Figures]:
    scene = scene_of(script)
    return {name: scored(scene, answer(scene)) for name, answer in REFERENCES.items()}


def _quiet() -> None:
    configure_logging("evaluation", level=logging.WARNING)
