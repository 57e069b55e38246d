"""The native tracker on a recorded scene: being faster must change nothing."""

import hashlib

import numpy as np
import pytest

from services.tracker.domain.frame import FrameTracks
from services.tracker.domain.native import NativeTracker
from tests.unit.tracker.scenes import Crowd, settings, take

_INTEGERS = (
    "track_ids",
    "states",
    "detection_indices",
    "age_frames",
    "ended_track_ids",
)


def _recorded(people: int, *, with_looks: bool) -> list[FrameTracks]:
    """Return the tracks of a seeded crowd, most of whom look like someone else."""
    tracker = NativeTracker(settings(embeddings_available=with_looks))
    frames, random = [], np.random.default_rng(5)
    for detections in Crowd(seed=11, people=people, frames=80).detections():
        kinds = (detections.boxes_px[:, 0] // 200).astype(int) % 6
        looks = np.eye(8)[kinds] + 0.1 * random.standard_normal((len(detections), 8))
        frames.append(take(tracker, detections, looks if with_looks else None))
    return frames


def _decisions(frames: list[FrameTracks]) -> str:
    """Return a digest of everything that was decided."""
    digest = hashlib.sha256()
    for tracks in frames:
        for name in _INTEGERS:
            digest.update(np.asarray(getattr(tracks, name), "<i8").tobytes() + b"|")
    return digest.hexdigest()[:16]


def _measures(frames: list[FrameTracks]) -> list[float]:
    """Return sums of everything that was measured."""
    return [
        sum(float(tracks.boxes_px.sum()) for tracks in frames),
        sum(float(tracks.scores.sum()) for tracks in frames),
        sum(float(tracks.occlusion.sum()) for tracks in frames),
        sum(float(tracks.feet.points_px.sum()) for tracks in frames),
        sum(float(tracks.feet.sigma_px.sum()) for tracks in frames),
        sum(float(tracks.feet.visibility.sum()) for tracks in frames),
    ]


@pytest.mark.parametrize(
    ("people", "with_looks", "decisions", "measures"),
    [
        (
            6,
            False,
            "0c8311bf11440353",
            [
                1176568.2630043717,
                280.81750911181354,
                0.34625007858824974,
                634884.131502186,
                4737.879247325271,
                403.89192981956705,
            ],
        ),
        (
            6,
            True,
            "d11439fa8b34f3ed",
            [
                1178918.9033758256,
                280.81750911181354,
                1.3299565518764367,
                636159.4516879129,
                4776.798156633449,
                403.991929819567,
            ],
        ),
        (
            30,
            False,
            "4a104c039a307811",
            [
                6840087.069609909,
                1434.8368038840522,
                250.1062392099349,
                3653643.534804955,
                30177.044734254818,
                1653.4173246637442,
            ],
        ),
        (
            30,
            True,
            "3b33c4454e70b825",
            [
                6935179.813386371,
                1435.2975934429387,
                278.17692112327455,
                3704420.605527941,
                32673.760625390732,
                1639.5710884307698,
            ],
        ),
        (
            90,
            True,
            "7b1bda9958668da2",
            [
                19833494.108973496,
                4239.653790646703,
                2208.686600013243,
                10614552.055770049,
                126989.07072763843,
                2988.449505652359,
            ],
        ),
    ],
)
def test_tracks_of_a_recorded_scene_are_what_they_were(
    people: int, decisions: str, measures: list[float], *, with_looks: bool
) -> None:
    """Ids, states, matches and measures are those that were recorded."""
    frames = _recorded(people, with_looks=with_looks)
    assert _decisions(frames) == decisions
    assert _measures(frames) == pytest.approx(measures, rel=1e-9)
