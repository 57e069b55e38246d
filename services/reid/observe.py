"""What the service counts and times."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

BATCH_SIZE = Histogram(
    "spoton_reid_batch_size",
    "Crops run through an embedder at once.",
    ("model",),
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
INFERENCE_SECONDS = Histogram(
    "spoton_reid_inference_seconds",
    "Duration of one batch in an embedder.",
    ("model",),
    buckets=_SECONDS,
)
BROKEN_ANSWERS = Counter(
    "spoton_reid_broken_answers_total",
    "Crops for which an embedder answered NaN or infinity.",
    ("model",),
)
MODEL_DEVICE = Gauge(
    "spoton_reid_model_device",
    "1 for the device on which a model runs: cpu, cuda, tensorrt.",
    ("model", "device"),
)
DECISION_SECONDS = Histogram(
    "spoton_reid_decision_seconds",
    "Time to decide one tick, storing excluded.",
    buckets=_SECONDS,
)
COMMIT_SECONDS = Histogram(
    "spoton_reid_commit_seconds",
    "Time to store a group of ticks.",
    buckets=_SECONDS,
)
TICKS = Counter(
    "spoton_reid_ticks_total",
    "Ticks, by outcome: associated, repeated, refused.",
    ("outcome",),
)
SUSPICIONS = Gauge(
    "spoton_reid_suspicions",
    "1 while something seems wrong: embedder_tells_nothing, floors_disagree, "
    "clocks_disagree, camera_repeats.",
    ("environment", "kind", "subject"),
)
EMBEDDINGS_WANTED = Counter(
    "spoton_reid_embeddings_wanted_total",
    "Tracks whose appearance was asked for before a tick was decided.",
)
PORTRAITS = Counter(
    "spoton_reid_portraits_total",
    "Pictures of persons, by outcome: stored, surpassed, refused, lost.",
    ("outcome",),
)
EVENTS_RELAYED = Counter(
    "spoton_reid_events_relayed_total",
    "Identity events appended to the event stream.",
)
SEARCHES = Counter(
    "spoton_reid_searches_total",
    "Searches for the nearest persons, by who answered: faiss, pgvector.",
    ("index",),
)
RECALLS = Counter(
    "spoton_reid_recalls_total",
    "Lookups of new persons in the archive, by outcome: answered, failed.",
    ("outcome",),
)
RECALL_SECONDS = Histogram(
    "spoton_reid_recall_seconds",
    "Duration of one lookup in the archive, beside the ticks.",
    buckets=_SECONDS,
)
RECALLS_LATE = Counter(
    "spoton_reid_recalls_late_total",
    "Lookups that were not done at the tick that should have taken the answer.",
)
EXPIRED = Counter(
    "spoton_reid_expired_total",
    "What was forgotten when its retention ended: identity, prototype, picture.",
    ("kind",),
)
INDEX_BUILD_SECONDS = Histogram(
    "spoton_reid_index_build_seconds",
    "Time to build one large search index; searches go on meanwhile.",
    buckets=(0.01, 0.1, 1, 10, 60, 300, 1800),
)
REEMBEDDED = Counter(
    "spoton_reid_reembedded_total",
    "Persons for whom a vector of another model was wanted: done, skipped, failed.",
    ("outcome",),
)
FEEDBACK = Counter(
    "spoton_reid_feedback_total",
    "Words of operators about who is who, by outcome: carried_out, refused, late.",
    ("outcome",),
)
SCORES_SAMPLED = Counter(
    "spoton_reid_scores_sampled_total",
    "Scores of pairs whose truth is known, by outcome: kept, passed_over, lost.",
    ("outcome",),
)
SAMPLING_SECONDS = Histogram(
    "spoton_reid_sampling_seconds",
    "Time that a tick with new vectors takes longer because their scores are sampled.",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01),
)
