"""Dashboards and alerts speak of what there is."""

import json
import re
from pathlib import Path

import pytest
import yaml

from scripts.dashboards import FOLDER
from scripts.metrics import defined_metrics

RULES = yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"][0]["rules"]
TESTS = yaml.safe_load((FOLDER / "rules_test.yaml").read_text())["tests"]
RUNBOOKS = Path(__file__).resolve().parents[3] / "docs" / "runbooks"
NAME = re.compile(r"\bspoton_[a-z_]+[a-z]\b(?!\()")
KINDS = {metric.name: metric.kind for metric in defined_metrics()}


def expressions() -> list[str]:
    """Return every query of dashboards and rules."""
    queries = [rule["expr"] for rule in RULES]
    for path in sorted((FOLDER / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            queries += [target["expr"] for target in panel["targets"]]
    return queries


@pytest.mark.parametrize("expression", expressions())
def test_queries_name_samples_that_exist(expression: str) -> None:
    """A name is a counter's or gauge's, or one of a histogram's three."""
    for name in NAME.findall(expression):
        bare = re.sub(r"_(bucket|sum|count)$", "", name)
        assert KINDS.get(name) in ("counter", "gauge") or KINDS.get(bare) == "histogram"


def test_every_alert_has_a_runbook_and_a_test() -> None:
    """No page stands for an alert that is gone, and none is missing."""
    alerts = {rule["alert"]: rule["annotations"]["runbook"] for rule in RULES}
    assert {test["name"] for test in TESTS} == alerts.keys()
    pages = {f"docs/runbooks/{path.name}" for path in RUNBOOKS.glob("*.md")}
    assert set(alerts.values()) == pages - {"docs/runbooks/README.md"}
    for alert, page in alerts.items():
        text = (RUNBOOKS / Path(page).name).read_text()
        assert text.startswith(f"# {alert}\n")
        for section in ("Meaning", "Impact", "First look", "Mitigation"):
            assert f"\n## {section}\n" in text
