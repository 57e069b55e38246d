"""What counting and tracing cost a frame, in one run: off, counted, traced.

Run as `python -m tests.bench.observing`; prints microseconds for what one frame makes
in the pipeline, and writes build/bench-observing.json.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from services.common.tracing import (
    TraceSettings,
    new_traceparent,
    record_span,
    tracing,
)
from services.pipeline.domain.latency import LatencyWindow
from services.pipeline.mesh.camera_lane import STAGES, StageClock
from tests.fakes.trace_receiver import trace_receiver

_FRAMES = 5_000
_OUTPUT = Path("build") / "bench-observing.json"


def windows_only() -> Callable[[str], None]:
    """Return what a frame did before anything was counted for Prometheus."""
    windows = {stage: LatencyWindow() for stage in STAGES}

    def frame(traceparent: str) -> None:
        for stage in STAGES:
            begin_s = time.perf_counter()
            windows[stage].add(time.perf_counter() - begin_s)

    return frame


def observed() -> Callable[[str], None]:
    """Return what a frame does now: counted for Prometheus, and maybe traced."""
    clock = StageClock()
    numbers = iter(range(10**9))

    def frame(traceparent: str) -> None:
        number = next(numbers)
        clock.lag.begin(number, 0.0)
        for stage in STAGES:
            begin_s = time.perf_counter()
            clock.add(stage, begin_s)
            record_span(stage, traceparent, begin_s)
        clock.lag.end(number)

    return frame


def microseconds(frame: Callable[[str], None], traceparent: str) -> float:
    """Return what a frame costs, the least of five runs."""
    best_s = float("inf")
    for _ in range(5):
        begin_s = time.perf_counter()
        for _ in range(_FRAMES):
            frame(traceparent)
        best_s = min(best_s, time.perf_counter() - begin_s)
    return round(1e6 * best_s / _FRAMES, 2)


def main() -> None:
    """Measure, print and write."""
    plain, counted = windows_only(), observed()
    off = new_traceparent("ab" * 16, "cd" * 8)
    results = {
        "windows only": microseconds(plain, off),
        "counted, traces off": microseconds(counted, off),
    }
    with trace_receiver() as received:
        with tracing("bench", TraceSettings(received.endpoint, 0.0)):
            results["counted, traces on, frame not sampled"] = microseconds(
                counted, off
            )
        with tracing("bench", TraceSettings(received.endpoint, 1.0)):
            on = new_traceparent("ab" * 16, "cd" * 8)
            results["counted, frame sampled"] = microseconds(counted, on)
    for name, value in results.items():
        sys.stdout.write(f"{name:40} {value:8.2f} us a frame\n")
    _OUTPUT.parent.mkdir(exist_ok=True)
    _OUTPUT.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
