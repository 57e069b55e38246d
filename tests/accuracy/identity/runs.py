"""Play one recording with every kind of evidence, and score what is published."""

import asyncio
import logging
import multiprocessing
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import uvloop

from services.common.log import configure_logging
from services.pipeline.mesh.peers import Peers
from stack.signals import stop_on_signals
from tests.accuracy.identity.evidence import Mode
from tests.accuracy.identity.figures import Figures, figures_of, mean_figures
from tests.accuracy.identity.in_process import local_peers
from tests.accuracy.identity.over_grpc import import_place, running_peers
from tests.accuracy.identity.places import environment_id_of
from tests.accuracy.identity.playing import play
from tests.accuracy.identity.predictions import final_of, first_of, write_csv
from tests.accuracy.identity.published import Published
from tests.accuracy.identity.recording import Recording
from tests.accuracy.identity.vector_models import model_of

_AT_ONCE = 2
"""Sessions over gRPC at a time."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a recording comes from, so that any process can load it.

    Attributes:
        load: Returns the recording with the vectors of a seed, or with none.
        seeds: Seeds of its vectors; empty where it has none.
    """

    load: Callable[[int | None], Recording]
    seeds: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One run.

    Attributes:
        mode: Evidence that may decide.
        seed: Of the vectors; None for a run without.
    """

    mode: Mode
    seed: int | None

    @property
    def name(self) -> str:
        """Name of its files."""
        return self.mode if self.seed is None else f"{self.mode}-seed{self.seed}"


@dataclass(frozen=True, slots=True)
class Options:
    """How to run.

    Attributes:
        modes: Kinds of evidence, as far as the recording has them.
        seeds: Seeds of simulated vectors; empty means all that there are.
        fast: Whether to run in this process, without stores, instead of over gRPC.
        tracker: Tracker; empty means the service's default.
        predictions: Folder for predicted boxes; None for none.
    """

    modes: Sequence[Mode] = tuple(Mode)
    seeds: Sequence[int] = ()
    fast: bool = False
    tracker: str = ""
    predictions: Path | None = None


def tasks_of(source: Source, options: Options) -> Iterator[Task]:
    """Yield what is to be run."""
    has_floor = source.load(None).has_floor
    seeds = [one for one in source.seeds if not options.seeds or one in options.seeds]
    for mode in options.modes:
        if mode.uses_floor and not has_floor:
            continue
        for seed in seeds if mode.uses_appearance else [None]:
            yield Task(mode, seed)


def evaluate(source: Source, options: Options, home: Path) -> Mapping[str, Figures]:
    """Return the figures of each mode, mean over seeds.

    Args:
        source: The recording.
        options: How to run.
        home: Folder for stores and logs.

    Raises:
        SpotOnError: A service refused.
        StackError: The services could not be started.
    """
    tasks = list(tasks_of(source, options))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_AT_ONCE, context, initializer=_quiet) as pool:
        if options.fast:
            arguments = ([source] * len(tasks), tasks, [options] * len(tasks))
            results = list(pool.map(_run_here, *arguments))
        else:
            results = uvloop.run(_run_all(source, tasks, options, home, pool))
    by_mode: dict[Mode, dict[int | None, Figures]] = defaultdict(dict)
    for task, figures in zip(tasks, results, strict=True):
        by_mode[task.mode][task.seed] = figures
    return {
        mode: {
            **mean_figures(list(runs.values())),
            "runs": float(len(runs)),
            "of_each_seed": {
                f"seed{seed}": _headline(run)
                for seed, run in runs.items()
                if seed is not None
            },
        }
        for mode, runs in by_mode.items()
    }


def _headline(run: Figures) -> Figures:
    found: dict[str, float | Figures] = {}
    for name in ("first", "final"):
        scores = run.get(name)
        if isinstance(scores, Mapping):
            found[name] = {key: scores[key] for key in ("idf1", "hota")}
    return found


def _run_here(source: Source, task: Task, options: Options) -> Figures:
    """Run in this process."""
    recording = source.load(task.seed)
    published = uvloop.run(
        play(
            recording,
            local_peers(recording),
            task.mode,
            environment_id=environment_id_of(recording),
            session=task.name,
            tracker=options.tracker,
        )
    )
    return _scored(recording, published, task, options)


async def _run_all(
    source: Source,
    tasks: Sequence[Task],
    options: Options,
    home: Path,
    pool: ProcessPoolExecutor,
) -> list[Figures]:
    """Run over gRPC, a few sessions at a time; scores are computed elsewhere."""
    stop_on_signals()
    loop, credit = asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE)
    recordings = {seed: source.load(seed) for seed in {task.seed for task in tasks}}
    models = {model_of(one).model_id: model_of(one) for one in recordings.values()}

    async def run(task: Task, peers: Peers) -> Figures:
        recording = recordings[task.seed]
        async with credit:
            published = await play(
                recording,
                peers,
                task.mode,
                environment_id=environment_id_of(recording),
                # A home may be used again, and a session is never run twice.
                session=f"{task.name}-{secrets.token_hex(4)}",
                tracker=options.tracker,
            )
        return await loop.run_in_executor(
            pool, _scored, recording, published, task, options
        )

    async with running_peers(home, list(models.values())) as peers:
        await import_place(peers, next(iter(recordings.values())))
        return list(await asyncio.gather(*(run(task, peers) for task in tasks)))


def _scored(
    recording: Recording, published: Published, task: Task, options: Options
) -> Figures:
    """Return the figures of a run, and write its predictions."""
    if options.predictions is not None:
        folder = options.predictions / recording.name
        boxes = [box for box in published.boxes if not box.coasted]
        write_csv(first_of(boxes), recording, folder / f"{task.name}-first.csv")
        write_csv(final_of(published), recording, folder / f"{task.name}-final.csv")
    return figures_of(recording, published)


def _quiet() -> None:
    configure_logging("evaluation", level=logging.WARNING)
