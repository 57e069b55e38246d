"""Run the demo under a Prometheus, and every query of the dashboards against it.

Run as `python -m scripts.dashboards_check`; arguments go to the demo. SPOTON_PORT_BASE
and SPOTON_HOME choose where it runs. Exits with 1 if a query shows nothing.
"""

import contextlib
import json
import math
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.dashboards import DASHBOARDS, Dashboard
from stack.ports import ports_from_environment

_ROOT = Path(__file__).resolve().parents[1]
_FOLDER = _ROOT / "build" / "dashboards-check"
_SCRAPE_S, _STEP_S, _PATIENCE_S = 2, 5, 30.0
_PORT_OFFSET = 90


@dataclass(frozen=True, slots=True)
class Shown:
    """What one query showed.

    Attributes:
        where: Dashboard and panel.
        expr: The query.
        values: Values of the dashboard's variable that it was asked for; one empty
            text where there is no variable.
        with_data: Those of them for which it has numbers.
        series: Series with numbers, over all values.
    """

    where: str
    expr: str
    values: Sequence[str]
    with_data: Sequence[str]
    series: int


class Prometheus:
    """A Prometheus to ask."""

    def __init__(self, address: str) -> None:
        self._base = f"http://{address}"

    def ask(self, path: str, **parameters: object) -> Any:
        """Return the data of an answer."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self._base}{path}?{query}") as answer:  # noqa: S310 - our own.
            return json.load(answer)["data"]

    def until_ready(self) -> None:
        """Return once it answers.

        Raises:
            TimeoutError: It did not in time.
        """
        until_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until_s:
            with contextlib.suppress(urllib.error.URLError):
                self.ask("/api/v1/status/buildinfo")
                return
            time.sleep(0.1)
        raise TimeoutError("Prometheus did not start; see build/dashboards-check/log")

    def values(self, label_values: str) -> list[str]:
        """Return what Grafana's `label_values(series, label)` returns."""
        inner = label_values.removeprefix("label_values(").removesuffix(")")
        series, _, label = inner.rpartition(",")
        values: list[str] = self.ask(
            f"/api/v1/label/{label.strip()}/values", **{"match[]": series}
        )
        return values

    def series_with_numbers(self, expr: str, begin_s: float, end_s: float) -> int:
        """Return how many series have a finite number within a time."""
        found = self.ask(
            "/api/v1/query_range", query=expr, start=begin_s, end=end_s, step=_STEP_S
        )
        return sum(
            any(math.isfinite(float(value)) for _, value in series["values"])
            for series in found["result"]
        )


def main(arguments: Sequence[str]) -> int:
    """Run the demo and the queries; return the exit status."""
    ports = ports_from_environment(os.environ)
    targets = {name: f"127.0.0.1:{p.number}" for name, p in ports.metrics.items()}
    base = min(port.number for port in ports.http.values())
    with _prometheus(targets, f"127.0.0.1:{base + _PORT_OFFSET}") as prometheus:
        begin_s = time.time()
        demo = [sys.executable, "-m", "demo", "--once", *arguments]
        with _visitor(f"127.0.0.1:{base}"):
            status = subprocess.run(demo, cwd=_ROOT, check=False).returncode  # noqa: S603
        end_s = time.time()
        shown = [
            one
            for dashboard in DASHBOARDS
            for one in _shown(dashboard, prometheus, begin_s, end_s)
        ]
    empty = [one for one in shown if not one.with_data]
    for one in shown:
        scope = f"{len(one.with_data)}/{len(one.values)}" if one.values != [""] else ""
        mark = f"{one.series:4} series" if one.with_data else "   NO DATA  "
        print(f"{mark} {scope:5} {one.where}: {one.expr}")
    print(f"{len(shown) - len(empty)} of {len(shown)} queries show data")
    if status:
        print(f"the demo ended with {status}", file=sys.stderr)
    return 1 if empty or status else 0


def _shown(
    dashboard: Dashboard, prometheus: Prometheus, begin_s: float, end_s: float
) -> Iterator[Shown]:
    """Yield what each query of a dashboard shows."""
    values = prometheus.values(dashboard.values) if dashboard.variable else [""]
    for panel in dashboard.panels:
        for expr in panel.queries.values():
            filled = expr.replace("$__rate_interval", "30s")
            used = values if f"${dashboard.variable}" in filled else [""]
            counts = {
                value: prometheus.series_with_numbers(
                    filled.replace(f"${dashboard.variable}", value)
                    if dashboard.variable
                    else filled,
                    begin_s,
                    end_s,
                )
                for value in used
            }
            yield Shown(
                f"{dashboard.uid} / {panel.title}",
                expr,
                list(counts),
                [value for value, count in counts.items() if count],
                sum(counts.values()),
            )


@contextlib.contextmanager
def _prometheus(targets: dict[str, str], address: str) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes the services while the context is open."""
    where = subprocess.run(  # noqa: S603 - our own script.
        [_ROOT / "scripts" / "prometheus.sh"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    _FOLDER.mkdir(parents=True, exist_ok=True)
    config = _FOLDER / "prometheus.yml"
    config.write_text(json.dumps(_config(targets)), encoding="utf-8")
    command = [
        f"{where}/prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={_FOLDER / f'data-{os.getpid()}'}",
        f"--web.listen-address={address}",
    ]
    with (_FOLDER / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603
    try:
        prometheus = Prometheus(address)
        prometheus.until_ready()
        yield prometheus
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _visitor(gateway: str) -> Iterator[None]:
    """Ask the gateway, which the demo leaves alone, while the context is open.

    The visitor proves nothing: what it may read is answered, and the rest refused.
    """
    over = threading.Event()

    def visit() -> None:
        while not over.wait(1.0):
            for path in ("/openapi.json", "/v1/environments"):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://{gateway}{path}", timeout=5)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        yield
    finally:
        over.set()
        visitor.join()


def _config(targets: dict[str, str]) -> dict[str, Any]:
    """Return the configuration, which is YAML as JSON is; jobs are the services."""
    return {
        "global": {"scrape_interval": f"{_SCRAPE_S}s"},
        "rule_files": [str(_ROOT / "k8s/components/monitoring/rules.yaml")],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [target]}]}
            for name, target in targets.items()
        ],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
