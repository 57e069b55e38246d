"""What the metrics of a session count."""

from collections.abc import Mapping

from prometheus_client import REGISTRY

from services.common.ids import CameraId
from services.pipeline.domain.lag import FrameLag
from services.pipeline.domain.pacing import Pacer
from services.pipeline.domain.progress import (
    CameraProgress,
    DropReason,
    SessionProgress,
)
from services.pipeline.observe import ProgressMeter

CAMERA = CameraId("north")


def progress(
    received: int, processed: int, dropped: Mapping[DropReason, int], lag_s: float = 0
) -> SessionProgress:
    """Return counts of one camera."""
    in_flight = received - processed - sum(dropped.values())
    return SessionProgress(
        (
            CameraProgress(
                CAMERA,
                received,
                processed,
                dropped,
                in_flight,
                detections=2 * processed,
                lag_s=lag_s,
            ),
        )
    )


def sample(name: str, environment_id: str, **labels: str) -> float | None:
    """Return a sample of the process."""
    labels["environment_id"] = environment_id
    return REGISTRY.get_sample_value(f"spoton_pipeline_{name}", labels)


def frames(environment_id: str, state: str, reason: str = "") -> float | None:
    """Return how many frames came into a state."""
    return sample(
        "frames_total", environment_id, camera_id=CAMERA, state=state, reason=reason
    )


def test_only_what_this_owner_adds_is_counted() -> None:
    """Counts of an owner before are not counted again; reasons stay apart."""
    meter = ProgressMeter("meter-a", progress(100, 90, {DropReason.LATE: 4}))
    meter.note(progress(110, 100, {DropReason.LATE: 6}))
    meter.note(progress(120, 110, {DropReason.LATE: 6, DropReason.REFUSED: 1}))
    assert frames("meter-a", "received") == 20
    assert frames("meter-a", "processed") == 20
    assert frames("meter-a", "dropped", "late") == 2
    assert frames("meter-a", "dropped", "refused") == 1
    assert sample("found_total", "meter-a", kind="detections") == 40


def test_gauges_end_with_the_session() -> None:
    """Queue and lag of a camera are shown while it is owned, and then no more."""
    meter = ProgressMeter("meter-b", progress(0, 0, {}))
    meter.note(progress(10, 4, {}, lag_s=1.5))
    assert sample("frames_in_flight", "meter-b", camera_id=CAMERA) == 6
    assert sample("frame_lag_seconds", "meter-b", camera_id=CAMERA) == 1.5
    meter.close()
    assert sample("frames_in_flight", "meter-b", camera_id=CAMERA) is None
    assert sample("frame_lag_seconds", "meter-b", camera_id=CAMERA) is None


def test_lag_is_that_of_the_oldest_frame_in_flight() -> None:
    """A frame that was let in late counts from when it was due, until it is done."""
    now_s = [100.0]
    lag = FrameLag(clock=lambda: now_s[0])
    assert lag.lag_s() == 0.0
    lag.begin(0, late_s=2.0)
    lag.begin(1, late_s=0.0)
    now_s[0] = 101.0
    assert lag.lag_s() == 3.0
    lag.end(0)
    assert lag.lag_s() == 1.0
    lag.end(1)
    assert lag.lag_s() == 0.0


def test_a_pacer_knows_how_late_a_frame_is() -> None:
    """Frames are due at the chosen speed; without one, none is late."""
    now_s = [50.0]
    pacer = Pacer(2.0, clock=lambda: now_s[0])
    assert pacer.delay_s(0) == 0.0
    now_s[0] = 53.0
    assert pacer.late_s(4_000_000_000) == 1.0
    assert pacer.late_s(10_000_000_000) == 0.0
    assert Pacer(None).late_s(0) == 0.0
