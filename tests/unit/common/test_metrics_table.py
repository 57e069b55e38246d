"""What the metrics may be called, and what may tell them apart."""

import pytest

from scripts.metrics import Metric, defined_metrics

METRICS = defined_metrics()
BOUNDED = {
    "camera_id",
    "cause",
    "change",
    "code",
    "device",
    "ending",
    "environment",
    "environment_id",
    "error",
    "index",
    "kind",
    "located",
    "method",
    "model",
    "operation",
    "outcome",
    "quota",
    "reason",
    "stage",
    "state",
    "status",
    "step",
    "store",
    "stream",
    "subject",  # Of a suspicion: a model, a camera, or two of them.
}


@pytest.mark.parametrize("metric", METRICS, ids=lambda one: one.name)
def test_names_and_labels_follow_the_rules(metric: Metric) -> None:
    """Names have the prefix, counters end in _total, and labels are bounded."""
    assert metric.name.startswith("spoton_")
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert set(metric.labels) <= BOUNDED
    assert metric.text.endswith(".")


def test_a_metric_is_defined_once() -> None:
    """No name stands for two things."""
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
