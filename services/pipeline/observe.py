"""What the pipeline counts and times."""

from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram

from services.pipeline.domain.progress import (
    CameraProgress,
    DropReason,
    SessionProgress,
)

_CAMERA = ("environment_id", "camera_id")

OWNED_SESSIONS = Gauge(
    "spoton_pipeline_owned_sessions", "Sessions that this process runs."
)
FRAMES = Counter(
    "spoton_pipeline_frames_total",
    "Frames by what became of them: received, processed, dropped for a reason, "
    "lost_upstream. Each frame of a camera once, however often it is read.",
    (*_CAMERA, "state", "reason"),
)
IN_FLIGHT = Gauge(
    "spoton_pipeline_frames_in_flight",
    "Frames of a camera between decoding and commit: its queue.",
    _CAMERA,
)
LAG_SECONDS = Gauge(
    "spoton_pipeline_frame_lag_seconds",
    "For how long the oldest frame in flight of a camera is due; 0 with none in "
    "flight, and while the session stands still.",
    _CAMERA,
)
FOUND = Counter(
    "spoton_pipeline_found_total",
    "What processed frames gave: detections, strong_detections, tracks, embeddings.",
    ("environment_id", "kind"),
)
STAGE_SECONDS = Histogram(
    "spoton_pipeline_stage_seconds",
    "Time of a frame in one stage, and of a frame set in associate and commit.",
    ("stage",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
FRAME_SET_SECONDS = Histogram(
    "spoton_pipeline_frame_set_seconds",
    "From decoding a frame set's last frame to its commit.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
LEASE_CHANGES = Counter(
    "spoton_pipeline_lease_changes_total",
    "Leases of sessions by what happened: taken, taken_over, lost, let_go.",
    ("change",),
)
SESSIONS_ENDED = Counter(
    "spoton_pipeline_sessions_ended_total",
    "Sessions that this process let go, by how: completed, stopped, failed, drained.",
    ("ending",),
)
for _change in ("taken", "taken_over", "lost", "let_go"):
    LEASE_CHANGES.labels(_change)
for _ending in ("completed", "stopped", "failed", "drained"):
    SESSIONS_ENDED.labels(_ending)

WATCHERS = Gauge("spoton_pipeline_watchers", "Open streams of WatchTracking.")
PREVIEW_VIEWERS = Gauge("spoton_pipeline_preview_viewers", "Open streams of previews.")

_KINDS = ("detections", "strong_detections", "tracks", "embeddings")


class ProgressMeter:
    """Counts what one session adds to the totals of this process.

    The counts are those of the session's own books, taken whenever its lease is
    renewed: they cost the frames nothing, and agree with what a session reports.
    """

    def __init__(self, environment_id: str, begin: SessionProgress) -> None:
        """Begin with what was counted before, by this owner or another.

        Args:
            environment_id: Environment of the session.
            begin: Counts at the beginning; they are not added.
        """
        self._environment_id = environment_id
        self._before = {one.camera_id: one for one in begin.cameras}
        self.note(begin)

    def note(self, progress: SessionProgress) -> None:
        """Add what is new."""
        for now in progress.cameras:
            before = self._before.get(now.camera_id, CameraProgress(now.camera_id))
            self._add(before, now)
            self._before[now.camera_id] = now
            labels = (self._environment_id, now.camera_id)
            IN_FLIGHT.labels(*labels).set(now.in_flight)
            LAG_SECONDS.labels(*labels).set(now.lag_s)

    def close(self) -> None:
        """Forget the cameras, whose gauges say nothing any more."""
        for camera_id in self._before:
            for gauge in (IN_FLIGHT, LAG_SECONDS):
                gauge.remove(self._environment_id, camera_id)

    def _add(self, before: CameraProgress, now: CameraProgress) -> None:
        then = dict(_states(before))
        for (state, reason), count in _states(now):
            # A loss at the end of a file is stated anew when it is read again.
            new = max(0, count - then.get((state, reason), 0))
            FRAMES.labels(self._environment_id, now.camera_id, state, reason).inc(new)
        for kind in _KINDS:
            new = getattr(now, kind) - getattr(before, kind)
            FOUND.labels(self._environment_id, kind).inc(max(0, new))


def _states(camera: CameraProgress) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield how many frames came into each state, with the reason if it has one."""
    yield ("received", ""), camera.received
    yield ("processed", ""), camera.processed
    yield ("lost_upstream", ""), camera.lost_upstream
    for reason in DropReason:  # Also those that never came: a rate needs its zero.
        yield ("dropped", reason.value), camera.dropped.get(reason, 0)
