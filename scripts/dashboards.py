"""Write the Grafana dashboards and the PrometheusRule of the monitoring component.

Run as `python -m scripts.dashboards`; with `--check` it only tells whether they are
current. A panel is a title, a unit of Grafana, and queries with their legends.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "k8s" / "components" / "monitoring"
SERVICES = "detector|reid|tracker|mapper|pipeline|analytics|gateway"
_RATE = "[$__rate_interval]"
_FAULTS = "INTERNAL|UNKNOWN|UNAVAILABLE|DEADLINE_EXCEEDED|DATA_LOSS"
_WIDTH, _HEIGHT = 12, 8


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram.

    Attributes:
        title: What it shows.
        unit: Unit of Grafana.
        queries: Legend of each PromQL expression.
    """

    title: str
    unit: str
    queries: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page of diagrams.

    Attributes:
        uid: Name that never changes.
        title: What it shows.
        variable: Name of its variable; empty for none.
        values: Query of Grafana for the values of the variable.
        panels: The diagrams.
    """

    uid: str
    title: str
    variable: str
    values: str
    panels: Sequence[Panel]


def _p95(histogram: str, by: str = "", where: str = "", q: float = 0.95) -> str:
    labels = f"le, {by}" if by else "le"
    rate = f"rate({histogram}_bucket{where}{_RATE})"
    return f"histogram_quantile({q:g}, sum by ({labels}) ({rate}))"


def _mean(histogram: str, by: str) -> str:
    total, count = (
        f"sum by ({by}) (rate({histogram}_{x}{_RATE}))" for x in ("sum", "count")
    )
    return f"{total} / {count}"


def _rate(counter: str, by: str = "", where: str = "") -> str:
    labels = f" by ({by})" if by else ""
    return f"sum{labels} (rate({counter}{where}{_RATE}))"


def _worst(gauge: str, by: str, where: str = "") -> str:
    return f"max by ({by}) ({gauge}{where})"


def _zeroed(bad: str, everything: str) -> str:
    """Return `bad`, and 0 for whatever has none of it yet."""
    return f"{bad} or 0 * {everything}"


_FRAMES = "spoton_pipeline_frames_total"
_CALLS, _HTTP = "spoton_grpc_calls_total", "spoton_http_requests_total"

FLEET = Dashboard(
    "spoton-fleet",
    "SpotOn: fleet",
    "",
    "",
    [
        Panel(
            "Replicas", "short", {"{{job}}": f'sum by (job) (up{{job=~"{SERVICES}"}})'}
        ),
        Panel("Sessions", "short", {"running": "sum(spoton_pipeline_owned_sessions)"}),
        Panel(
            "Frames",
            "ops",
            {
                "received": _rate(_FRAMES, where='{state="received"}'),
                "processed": _rate(_FRAMES, where='{state="processed"}'),
            },
        ),
        Panel(
            "Frames lost",
            "ops",
            {
                "dropped: {{reason}}": _rate(_FRAMES, "reason", '{state="dropped"}'),
                "lost upstream": _rate(_FRAMES, where='{state="lost_upstream"}'),
            },
        ),
        Panel(
            "Frame lag, worst camera",
            "s",
            {
                "{{environment_id}}": _worst(
                    "spoton_pipeline_frame_lag_seconds", "environment_id"
                )
            },
        ),
        Panel(
            "Decoding to commit",
            "s",
            {
                "50 %": _p95("spoton_pipeline_frame_set_seconds", q=0.5),
                "95 %": _p95("spoton_pipeline_frame_set_seconds"),
            },
        ),
        Panel(
            "Stages, 95 %",
            "s",
            {"{{stage}}": _p95("spoton_pipeline_stage_seconds", "stage")},
        ),
        Panel(
            "Failed calls",
            "ops",
            {
                "{{job}}": _zeroed(
                    _rate(_CALLS, "job", f'{{code=~"{_FAULTS}"}}'), _rate(_CALLS, "job")
                )
            },
        ),
        Panel(
            "Failed requests",
            "ops",
            {"5xx": _zeroed(_rate(_HTTP, where='{status=~"5.."}'), _rate(_HTTP))},
        ),
        Panel(
            "Viewers",
            "short",
            {
                "WebSockets": "sum(spoton_gateway_live_viewers)",
                "WatchTracking": "sum(spoton_pipeline_watchers)",
                "previews": "sum(spoton_pipeline_preview_viewers)",
            },
        ),
        Panel(
            "Stores, 95 %",
            "s",
            {"{{store}}": _p95("spoton_store_seconds", "store")},
        ),
        Panel(
            "Store errors",
            "ops",
            {
                "{{store}}": _zeroed(
                    _rate("spoton_store_errors_total", "store"),
                    _rate("spoton_store_seconds_count", "store"),
                )
            },
        ),
        Panel(
            "Analytics behind",
            "s",
            {
                "{{environment_id}}": _worst(
                    "spoton_analytics_lag_seconds", "environment_id"
                )
            },
        ),
        Panel(
            "Refused callers",
            "ops",
            {
                "{{reason}}": _rate("spoton_auth_failures_total", "reason"),
                "quota spent": (
                    f"{_rate('spoton_gateway_limit_refusals_total')} or vector(0)"
                ),
            },
        ),
        Panel(
            "Leases of sessions",
            "ops",
            {"{{change}}": _rate("spoton_pipeline_lease_changes_total", "change")},
        ),
        Panel(
            "Hot streams opened again",
            "ops",
            {"{{stream}}": _rate("spoton_stream_reopened_total", "stream")},
        ),
    ],
)

_HERE = '{environment_id="$environment"}'
ENVIRONMENT = Dashboard(
    "spoton-environment",
    "SpotOn: environment",
    "environment",
    "label_values(spoton_pipeline_frames_total, environment_id)",
    [
        Panel(
            "Frames processed",
            "ops",
            {
                "{{camera_id}}": _rate(
                    _FRAMES,
                    "camera_id",
                    '{environment_id="$environment", state="processed"}',
                )
            },
        ),
        Panel(
            "Frames dropped",
            "ops",
            {
                "{{camera_id}}: {{reason}}": _rate(
                    _FRAMES,
                    "camera_id, reason",
                    '{environment_id="$environment", state="dropped"}',
                )
            },
        ),
        Panel(
            "Lag",
            "s",
            {
                "{{camera_id}}": _worst(
                    "spoton_pipeline_frame_lag_seconds", "camera_id", _HERE
                )
            },
        ),
        Panel(
            "Frames in flight",
            "short",
            {
                "{{camera_id}}": _worst(
                    "spoton_pipeline_frames_in_flight", "camera_id", _HERE
                )
            },
        ),
        Panel(
            "Found",
            "ops",
            {"{{kind}}": _rate("spoton_pipeline_found_total", "kind", _HERE)},
        ),
        Panel(
            "Events kept in the log",
            "short",
            {"events": f"max(spoton_event_log_events{_HERE})"},
        ),
        Panel(
            "Events not stored yet",
            "short",
            {"events": f"max(spoton_analytics_lag_events{_HERE})"},
        ),
        Panel(
            "Analytics behind",
            "s",
            {"age": f"max(spoton_analytics_lag_seconds{_HERE})"},
        ),
    ],
)

_JOB = '{job="$service"}'
SERVICE = Dashboard(
    "spoton-service",
    "SpotOn: service",
    "service",
    f'label_values(up{{job=~"{SERVICES}"}}, job)',
    [
        Panel("Calls", "ops", {"{{method}}": _rate(_CALLS, "method", _JOB)}),
        Panel("Status of calls", "ops", {"{{code}}": _rate(_CALLS, "code", _JOB)}),
        Panel(
            "Unary calls, 95 %",
            "s",
            {"{{method}}": _p95("spoton_grpc_call_seconds", "method", _JOB)},
        ),
        Panel(
            "Streams open",
            "short",
            {"{{method}}": f"sum by (method) (spoton_grpc_streams_open{_JOB})"},
        ),
        Panel(
            "Processor",
            "percentunit",
            {"{{instance}}": f"rate(process_cpu_seconds_total{_JOB}{_RATE})"},
        ),
        Panel(
            "Memory", "bytes", {"{{instance}}": f"process_resident_memory_bytes{_JOB}"}
        ),
        Panel(
            "Starts in the last hour",
            "short",
            {"{{instance}}": f"changes(process_start_time_seconds{_JOB}[1h])"},
        ),
        Panel("Gateway: requests", "ops", {"{{operation}}": _rate(_HTTP, "operation")}),
        Panel("Gateway: status", "ops", {"{{status}}": _rate(_HTTP, "status")}),
        Panel(
            "Gateway: requests, 95 %",
            "s",
            {"{{operation}}": _p95("spoton_http_request_seconds", "operation")},
        ),
        Panel(
            "Detector: waiting, and items in a batch",
            "short",
            {
                "waiting": "sum by (model) (spoton_detector_pictures_waiting)",
                "batch": _mean("spoton_detector_batch_size", "model"),
            },
        ),
        Panel(
            "Models, 95 %",
            "s",
            {
                "detector {{model}}": _p95(
                    "spoton_detector_inference_seconds", "model"
                ),
                "embedder {{model}}": _p95("spoton_reid_inference_seconds", "model"),
            },
        ),
        Panel(
            "Embedder: waiting, and items in a batch",
            "short",
            {
                "waiting": "sum by (model) (spoton_reid_crops_waiting)",
                "batch": _mean("spoton_reid_batch_size", "model"),
            },
        ),
        Panel(
            "Tracker, 95 %",
            "s",
            {"{{step}}": _p95("spoton_tracker_step_seconds", "step")},
        ),
        Panel(
            "Mapper: foot points",
            "ops",
            {"located: {{located}}": _rate("spoton_mapper_points_total", "located")},
        ),
        Panel(
            "Identities: decisions and storing, 95 %",
            "s",
            {
                "decide": _p95("spoton_reid_decision_seconds"),
                "store": _p95("spoton_reid_commit_seconds"),
            },
        ),
        Panel(
            "Identities: changes",
            "ops",
            {"{{kind}}": _rate("spoton_reid_identity_changes_total", "kind")},
        ),
        Panel(
            "Identities: sizes",
            "short",
            {
                "live": "sum(spoton_reid_live_persons)",
                "stored": "max(spoton_reid_gallery_persons)",
                "prototypes": "max(spoton_reid_gallery_prototypes)",
            },
        ),
        Panel(
            "Stores, 95 %",
            "s",
            {
                "{{job}} {{store}} {{operation}}": _p95(
                    "spoton_store_seconds", "job, store, operation"
                )
            },
        ),
    ],
)
DASHBOARDS = (FLEET, ENVIRONMENT, SERVICE)


def main(arguments: Sequence[str]) -> int:
    """Write the files or check them; return the exit status."""
    files = {
        FOLDER / "dashboards" / f"{one.uid}.json": _text(_grafana(one))
        for one in DASHBOARDS
    }
    files[FOLDER / "prometheusrule.yaml"] = _prometheus_rule()
    if "--check" not in arguments:
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
        return 0
    old = [
        p.name for p, text in files.items() if not p.exists() or p.read_text() != text
    ]
    if old:
        print(f"{', '.join(old)}: run `make dashboards`", file=sys.stderr)
    return 1 if old else 0


def _grafana(dashboard: Dashboard) -> dict[str, Any]:
    """Return a dashboard in Grafana's form."""
    variables = [_variable("datasource", "datasource", "prometheus")]
    if dashboard.variable:
        variables.append(_variable(dashboard.variable, "query", dashboard.values))
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["spoton"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": variables},
        "panels": [_panel(index, one) for index, one in enumerate(dashboard.panels)],
    }


def _variable(name: str, kind: str, query: str) -> dict[str, Any]:
    variable: dict[str, Any] = {"name": name, "type": kind, "query": query}
    if kind == "query":
        variable |= {"datasource": _SOURCE, "refresh": 2, "sort": 1}
    return variable


_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def _panel(index: int, panel: Panel) -> dict[str, Any]:
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": {
            "x": index % 2 * _WIDTH,
            "y": index // 2 * _HEIGHT,
            "w": _WIDTH,
            "h": _HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(65 + number), "expr": expr, "legendFormat": legend}
            for number, (legend, expr) in enumerate(panel.queries.items())
        ],
    }


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _prometheus_rule() -> str:
    """Return the rules as the operator of Prometheus wants them."""
    rules = (FOLDER / "rules.yaml").read_text(encoding="utf-8")
    body = "".join(
        f"  {line}" if line.strip() else line
        for line in rules.splitlines(keepends=True)
        if not line.startswith("#")
    )
    return (
        "# Written by `make dashboards` from rules.yaml.\n"
        "apiVersion: monitoring.coreos.com/v1\n"
        "kind: PrometheusRule\n"
        "metadata:\n"
        "  name: spoton\n"
        "  labels:\n"
        "    app.kubernetes.io/part-of: spoton\n"
        "spec:\n"
    ) + body


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
