"""Write the table of docs/metrics.md from the code that defines the metrics.

Run as `python -m scripts.metrics`; with `--check` it only tells whether the table is
current.
"""

import importlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

_ROOT = Path(__file__).resolve().parents[1]
FILE = _ROOT / "docs" / "metrics.md"
_BEGIN = "<!-- table -->\n"
_EVERY = "every service"
_HEADS = ("metric", "type", "unit", "labels", "what it says")
_OWNERS = {"http": "gateway", "event": "analytics"}
"""Services whose metrics have another second word than their name."""
_KINDS = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as Prometheus knows it.

    Attributes:
        owner: Service that shows it.
        name: Name of its samples, a histogram's without `_bucket`, `_sum`, `_count`.
        kind: counter, gauge or histogram.
        labels: Names of its labels.
        text: What it says.
    """

    owner: str
    name: str
    kind: str
    labels: tuple[str, ...]
    text: str

    @property
    def unit(self) -> str:
        """Unit, which the name states; a count has none of its own."""
        bare = self.name.removesuffix("_total")
        return next((u for u in ("seconds", "bytes") if bare.endswith(u)), "count")


def main(arguments: Sequence[str]) -> int:
    """Write the table or check it; return the exit status."""
    old = FILE.read_text(encoding="utf-8")
    page = old.partition(_BEGIN)[0] + _BEGIN + tables(defined_metrics())
    if "--check" not in arguments:
        FILE.write_text(page, encoding="utf-8")
    elif page != old:
        print("docs/metrics.md is old: run `make metrics`", file=sys.stderr)
        return 1
    return 0


def defined_metrics() -> list[Metric]:
    """Return the metrics that the services define, by owner and name."""
    found = []
    for module in _modules_with_metrics():
        values = vars(importlib.import_module(module)).values()
        found += [_described(v) for v in values if isinstance(v, MetricWrapperBase)]
    return sorted(
        set(found), key=lambda one: (one.owner != _EVERY, one.owner, one.name)
    )


def tables(metrics: Iterable[Metric]) -> str:
    """Return one table for each owner."""
    owners = groupby(metrics, key=lambda one: one.owner)
    return "".join(f"\n## {owner}\n\n{_table(each)}" for owner, each in owners)


def _modules_with_metrics() -> list[str]:
    """Return the modules that make metrics; the others need not be imported."""
    return [
        ".".join(path.relative_to(_ROOT).with_suffix("").parts)
        for path in sorted((_ROOT / "services").rglob("*.py"))
        if "from prometheus_client import" in path.read_text(encoding="utf-8")
    ]


def _described(metric: MetricWrapperBase) -> Metric:
    samples = next(iter(metric.describe()))
    kind = _KINDS[type(metric)]
    # Modules that use a metric hold it too, so its name tells whose it is.
    word = samples.name.split("_")[1]
    owner = _OWNERS.get(word, word)
    if not (_ROOT / "services" / owner).is_dir():
        owner = _EVERY
    name = samples.name + ("_total" if kind == "counter" else "")
    return Metric(
        owner,
        name,
        kind,
        tuple(metric._labelnames),  # noqa: SLF001 - shown nowhere else.
        samples.documentation,
    )


def _table(metrics: Iterable[Metric]) -> str:
    lines = [_HEADS, ("---",) * len(_HEADS), *map(_row, metrics)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _row(metric: Metric) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"`{metric.name}`", metric.kind, metric.unit, labels, metric.text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
