"""Metrics of what is stored."""

from prometheus_client import Counter, Gauge, Histogram

OWNED_ENVIRONMENTS = Gauge(
    "spoton_analytics_owned_environments", "Environments that this process stores."
)
LAG_EVENTS = Gauge(
    "spoton_analytics_lag_events",
    "Events in the log that are not stored yet.",
    ("environment_id",),
)
LAG_SECONDS = Gauge(
    "spoton_analytics_lag_seconds",
    "Age of the newest event stored, when it was stored; 0 with nothing left to store.",
    ("environment_id",),
)
LOG_EVENTS = Gauge(
    "spoton_event_log_events",
    "Events that the log of an environment keeps, as whoever stores it sees it.",
    ("environment_id",),
)
EVENTS_STORED = Counter("spoton_analytics_events_stored_total", "Events stored.")
POSITIONS_STORED = Counter(
    "spoton_analytics_positions_stored_total", "Positions stored."
)
BATCH_EVENTS = Histogram(
    "spoton_analytics_batch_events",
    "Events in one transaction.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000),
)
STORE_SECONDS = Histogram(
    "spoton_analytics_store_seconds",
    "Duration of one transaction.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
GAPS = Counter(
    "spoton_analytics_history_gaps_total",
    "Stretches of the log that were lost before they were stored.",
    ("cause",),
)
UNREADABLE = Counter(
    "spoton_analytics_unreadable_events_total",
    "Events that this version cannot read; they are passed over.",
)
LEASES_TAKEN = Counter(
    "spoton_analytics_leases_taken_total",
    "Environments that this process began to store.",
)
LEASES_LOST = Counter(
    "spoton_analytics_leases_lost_total", "Environments that passed to another owner."
)
