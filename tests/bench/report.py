"""Print the numbers for people, and write them for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.machine import Machine
from tests.bench.measuring import (
    AddedLatency,
    ArmThroughput,
    HopTraffic,
    Throughput,
)
from tests.bench.trackers import LEAST_SPEEDUP, LEFT_OUT, TrackerSpeed

LEAST_RATIO = 0.7
MOST_ADDED_P50_MS = 4.0
MOST_ADDED_P99_MS = 15.0


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that was measured.

    Attributes:
        machine: Where.
        settings: How much of everything.
        throughput: With the demo's model.
        null_throughput: With the null model.
        latency: At four cameras and 10 Hz, with the null model.
        traffic: Bytes per frame by hop; None where `ss` is missing.
        memory_mib: Resident memory by process, after the sessions with the model.
        trackers: The native tracker against BoxMOT's; None where that is missing.
        took_s: Duration of the whole measurement.
    """

    machine: Machine
    settings: Mapping[str, Any]
    throughput: Throughput
    null_throughput: Throughput
    latency: AddedLatency
    traffic: Sequence[HopTraffic] | None
    memory_mib: Mapping[str, float]
    trackers: Sequence[TrackerSpeed] | None
    took_s: float

    def to_json(self) -> dict[str, Any]:
        """Return the numbers that matter first, then everything."""
        return {
            "mesh": {
                "throughput_ratio": self.throughput.ratio.median,
                "throughput_ratio_null_model": self.null_throughput.ratio.median,
                "cpu_ratio": self.throughput.cpu_ratio.median,
                "added_latency_p50_ms": self.latency.added_p50_ms.median,
                "added_latency_p99_ms": self.latency.added_p99_ms.median,
                "wire_bytes_per_frame": self.wire_bytes_per_frame(),
            },
            "tracker": {each.name: each.speedup for each in self.trackers or ()},
            **asdict(self),
        }

    def wire_bytes_per_frame(self) -> float | None:
        """Return the bytes on all hops for one frame."""
        if self.traffic is None:
            return None
        return sum(hop.to_server + hop.from_server for hop in self.traffic)


def write_json(results: Results, path: Path) -> None:
    """Write everything that was measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results.to_json(), indent=2) + "\n")


def print_tables(console: Console, results: Results) -> None:
    """Print everything that was measured; values are median (least–most)."""
    console.print(results.machine.text())
    console.print(_throughput_table(results))
    console.print(_cpu_table(results))
    console.print(_latency_table(results.latency))
    console.print(_traffic_table(results))
    console.print(_memory_table(results.memory_mib))
    console.print(_trackers_table(results.trackers))
    console.print(_verdict_table(results))


def _throughput_table(results: Results) -> Table:
    table = Table(title="Throughput, 3 cameras at full speed", title_justify="left")
    table.add_column("")
    for heading in ("frames/s", "CPU ms/frame", "stores' CPU", "others' CPU"):
        table.add_column(heading, justify="right")
    for one in (results.throughput, results.null_throughput):
        table.add_row(f"[bold]{one.model}[/]")
        for name, arm in (("mesh", one.mesh), ("one process", one.one_process)):
            table.add_row(
                name,
                arm.frames_per_s.text(1),
                arm.cpu_ms_per_frame.text(1),
                f"{arm.stores_cpu_ms_per_frame.median:.1f}",
                f"{arm.others_share.median:.0%} (–{arm.others_share.most:.0%})",
            )
        table.add_row("ratio", one.ratio.text(), one.cpu_ratio.text(), "", "")
        table.add_section()
    return table


def _cpu_table(results: Results) -> Table:
    table = Table(title="CPU ms/frame by process of the mesh", title_justify="left")
    table.add_column("process")
    meshes = (results.throughput, results.null_throughput)
    for one in meshes:
        table.add_column(one.model, justify="right")
    for name in meshes[0].mesh.cpu_ms_by_service:
        table.add_row(name, *(_milliseconds(one.mesh, name) for one in meshes))
    return table


def _milliseconds(arm: ArmThroughput, name: str) -> str:
    return f"{arm.cpu_ms_by_service[name]:.2f}"


def _latency_table(latency: AddedLatency) -> Table:
    table = Table(
        title="From a frame set's last picture to its commit, "
        f"4 cameras at 10 Hz, null model, {latency.frame_sets} frame sets each",
        title_justify="left",
    )
    for heading in ("", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right" if heading else "left")
    table.add_row("mesh", f"{latency.mesh_p50_ms:.1f}", f"{latency.mesh_p99_ms:.1f}")
    table.add_row(
        "one process",
        f"{latency.one_process_p50_ms:.1f}",
        f"{latency.one_process_p99_ms:.1f}",
    )
    table.add_row(
        "[bold]added[/]", latency.added_p50_ms.text(1), latency.added_p99_ms.text(1)
    )
    return table


def _traffic_table(results: Results) -> Table:
    table = Table(
        title=f"Bytes per frame on the wire, {results.throughput.model}",
        title_justify="left",
    )
    for heading in ("server", "to it", "from it"):
        table.add_column(heading, justify="left" if heading == "server" else "right")
    for hop in results.traffic or ():
        table.add_row(hop.server, f"{hop.to_server:,.0f}", f"{hop.from_server:,.0f}")
    if results.traffic is None:
        table.add_row("not measured: there is no `ss`", "", "")
    return table


def _memory_table(memory_mib: Mapping[str, float]) -> Table:
    table = Table(title="Resident memory after the sessions", title_justify="left")
    table.add_column("process")
    table.add_column("MiB", justify="right")
    for name, value in memory_mib.items():
        table.add_row(name, f"{value:.0f}")
    return table


def _trackers_table(trackers: Sequence[TrackerSpeed] | None) -> Table | str:
    if trackers is None:
        return LEFT_OUT
    table = Table(
        title="The native tracker against BoxMOT's, CPU ms/frame", title_justify="left"
    )
    for heading in ("against", "people", "native", "BoxMOT", "times as fast"):
        table.add_column(heading, justify="left" if heading == "against" else "right")
    for each in trackers:
        ratios = f"{each.speedup:.1f} ({min(each.ratios):.1f}–{max(each.ratios):.1f})"
        table.add_row(
            each.rival,
            str(each.people),
            f"{each.native_ms:.2f}",
            f"{each.rival_ms:.2f}",
            ratios,
        )
    return table


def _verdict_table(results: Results) -> Table:
    latency = results.latency
    table = Table(title="Against the goals", title_justify="left")
    for heading in ("number", "measured", "goal", ""):
        table.add_column(heading, justify="left" if heading == "number" else "right")
    ratio = results.throughput.ratio.median
    rows = (
        ("throughput ratio", ratio, f"≥ {LEAST_RATIO}", ratio >= LEAST_RATIO),
        (
            "added latency p50, ms",
            latency.added_p50_ms.median,
            f"≤ {MOST_ADDED_P50_MS:g}",
            latency.added_p50_ms.median <= MOST_ADDED_P50_MS,
        ),
        (
            "added latency p99, ms",
            latency.added_p99_ms.median,
            f"≤ {MOST_ADDED_P99_MS:g}",
            latency.added_p99_ms.median <= MOST_ADDED_P99_MS,
        ),
        *(
            (
                f"tracker against {each.rival}, {each.people} people",
                each.speedup,
                f"≥ {LEAST_SPEEDUP:g}",
                each.speedup >= LEAST_SPEEDUP,
            )
            for each in results.trackers or ()
        ),
    )
    for name, value, goal, reached in rows:
        table.add_row(
            name, f"{value:.2f}", goal, "reached" if reached else "[red]missed[/]"
        )
    return table
