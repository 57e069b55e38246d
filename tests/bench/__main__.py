"""`python -m tests.bench`: measure what it costs that SpotOn is a mesh.

Prints tables and writes `build/bench.json`; docs/benchmarks.md says what each number
means. Everything that it starts ends with it.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import grpc
from rich.console import Console

from demo.media import MediaUnavailable
from demo.models import fetch_models
from demo.options import MEDIA_VARIABLE
from demo.plaza.clip import CLIP, CLIP_NAME
from services.common.errors import SpotOnError
from services.common.models import WrongHash
from services.detector.config import DEFAULT_MODEL
from stack.home import StackError
from stack.signals import stop_on_signals
from tests.bench.arms import BenchError, running_arms
from tests.bench.machine import this_machine
from tests.bench.measuring import (
    AddedLatency,
    HopTraffic,
    Pair,
    Throughput,
    added_latency,
    frames_per_s,
    memory,
    pairs,
    prepare,
    throughput,
    traffic,
)
from tests.bench.null_detector import NULL_MODEL_S
from tests.bench.observed_pipeline import LATENCIES_VARIABLE
from tests.bench.report import Results, print_tables, write_json
from tests.bench.scene import Scene
from tests.bench.statistics import percentile_ms
from tests.bench.trackers import compare_trackers

WARM_UP = Scene("warm-up", frames=15)
WITH_MODEL = Scene("plaza", frames=60)
WITH_NULL = Scene("plaza-null", frames=200)
REAL_TIME = Scene("four-cameras", frames=120, fourth_camera=True)
SCENES = (WARM_UP, WITH_MODEL, WITH_NULL, REAL_TIME)

_NULL_NAME = f"null, {1e3 * NULL_MODEL_S:g} ms"
_MOST_S = 600.0


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often each measurement is repeated."""

    model_pairs: int
    null_pairs: int
    latency_pairs: int


@dataclass(frozen=True, slots=True)
class WithModel:
    """What is measured with the demo's model."""

    throughput: Throughput
    traffic: list[HopTraffic] | None
    memory_mib: dict[str, float]


def main() -> int:
    """Measure and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--model-pairs", type=int, default=3)
    parser.add_argument("--null-pairs", type=int, default=4)
    parser.add_argument("--latency-pairs", type=int, default=3)
    options = parser.parse_args()
    repeats = Repeats(options.model_pairs, options.null_pairs, options.latency_pairs)
    console = Console(highlight=False)
    try:
        results = asyncio.run(_measure(repeats, console))
    except (BenchError, MediaUnavailable, StackError, SpotOnError, WrongHash) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except grpc.RpcError as error:
        console.print(repr(error), style="red", markup=False)
        return 1
    except asyncio.CancelledError:
        console.print("Stopped.")
        return 130
    print_tables(console, results)
    write_json(results, options.output)
    console.print(f"Written to {options.output}; it took {results.took_s:.0f} s.")
    return 0


async def _measure(repeats: Repeats, console: Console) -> Results:
    """Measure everything."""
    stop_on_signals()
    machine, began_s = this_machine(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="spoton-bench-") as name:
        home = Path(name)
        await asyncio.to_thread(_prepare_files, home, console)
        async with asyncio.timeout(_MOST_S):
            with_model = await _with_model(home / "stack", repeats, console)
            null, latency = await _with_null(home / "stack", repeats, console)
    console.print("Comparing trackers ...")
    trackers = await asyncio.to_thread(compare_trackers)
    return Results(
        machine=machine,
        settings={
            "frames_per_camera": WITH_MODEL.frames,
            "frames_per_camera_null_model": WITH_NULL.frames,
            "frame_sets_real_time": REAL_TIME.frames,
            "null_model_ms": 1e3 * NULL_MODEL_S,
            "pairs": repeats.model_pairs,
            "pairs_null_model": repeats.null_pairs,
            "pairs_real_time": repeats.latency_pairs,
        },
        throughput=with_model.throughput,
        null_throughput=null,
        latency=latency,
        traffic=with_model.traffic,
        memory_mib=with_model.memory_mib,
        trackers=trackers,
        took_s=time.monotonic() - began_s,
    )


def _prepare_files(home: Path, console: Console) -> None:
    """Get model and recording, and tell the services where everything is."""
    kept = Path(os.environ.get("SPOTON_HOME") or ".spoton").expanduser().resolve()
    fetch_models(console.print)
    CLIP.obtain(kept / "media", console.print)
    media, latencies = home / "media", home / "latencies"
    latencies.mkdir()
    for scene in SCENES:
        scene.cut(kept / "media" / CLIP_NAME, media)
    os.environ[MEDIA_VARIABLE] = str(media)
    os.environ[LATENCIES_VARIABLE] = str(latencies)


async def _with_model(home: Path, repeats: Repeats, console: Console) -> WithModel:
    """Measure throughput, bytes and memory with the demo's model."""
    model = os.environ.get("SPOTON_DETECTOR_MODEL") or DEFAULT_MODEL
    console.print(f"Starting both with {model} ...")
    async with running_arms(home, null_model=False) as arms:
        await prepare(arms, WARM_UP, [WITH_MODEL])
        measured: list[Pair] = []
        async for pair in pairs(arms, WITH_MODEL, repeats.model_pairs):
            measured.append(pair)
            console.print(_line(f"pair {len(measured)}", pair, WITH_MODEL))
        return WithModel(
            throughput(model, WITH_MODEL, measured),
            traffic(arms, measured[-1][0]),
            memory(arms),
        )


async def _with_null(
    home: Path, repeats: Repeats, console: Console
) -> tuple[Throughput, AddedLatency]:
    """Measure throughput and added latency with the null model."""
    console.print(f"Starting both with the model {_NULL_NAME} ...")
    async with running_arms(home, null_model=True) as arms:
        await prepare(arms, WARM_UP, [WITH_NULL, REAL_TIME])
        fast: list[Pair] = []
        async for pair in pairs(arms, WITH_NULL, repeats.null_pairs):
            fast.append(pair)
            console.print(_line(f"pair {len(fast)}", pair, WITH_NULL))
        paced: list[Pair] = []
        async for pair in pairs(arms, REAL_TIME, repeats.latency_pairs, speed=1.0):
            paced.append(pair)
            console.print(_line(f"real time, pair {len(paced)}", pair, REAL_TIME))
    return throughput(_NULL_NAME, WITH_NULL, fast), added_latency(paced)


def _line(name: str, pair: Pair, scene: Scene) -> str:
    """Return what a pair showed, for whoever waits."""
    rates = [frames_per_s(cost, scene) for cost in pair]
    p50_ms = [percentile_ms(cost.latencies_s, 50) for cost in pair]
    return (
        f"  {name}: mesh {rates[0]:.1f} frames/s, latency p50 {p50_ms[0]:.1f} ms; "
        f"one process {rates[1]:.1f} frames/s, {p50_ms[1]:.1f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
