"""What sampling scores adds to a tick: `python -m tests.bench.score_sampling`.

People stand in front of four cameras on one floor, and every track gets a vector in
every tick, which is far more often than in a session: the worst that a tick can cost.
"""

import statistics
import time
from dataclasses import replace

import numpy as np

from services.common.ids import (
    CameraId,
    EnvironmentId,
    GlobalId,
    ModelId,
    SessionId,
    TrackId,
)
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.association import Association
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.live_set import LiveSet
from services.reid.domain.score_pairs import scored_pairs
from services.reid.domain.values import (
    CameraSightings,
    FloorFix,
    Sighting,
    Tick,
    TrackKey,
)
from services.reid.service.score_sampling import ScoreSampler

_DIMENSIONS, _CAMERAS, _TICKS = 512, 4, 60
_SESSION = SessionId("bench")
_MODEL = AppearanceModel(ModelId("made"), _DIMENSIONS, 0.5)
_TICK_NS = 1_000_000_000
_SURE_NATS = AssociationConfig().merge_evidence


def main() -> None:
    """Print a line for each number of people."""
    print("people  tracks  decide ms  sample ms  sample / decide  scores")  # noqa: T201
    for people in (5, 20, 50):
        decide, sample, scores = _measured(people)
        print(  # noqa: T201
            f"{people:6}  {people * _CAMERAS:6}  {decide:9.2f}  {sample:9.2f}  "
            f"{sample / decide:15.3f}  {scores:6}"
        )


def _measured(people: int) -> tuple[float, float, int]:
    """Return the medians of deciding and of sampling, ms, and scores of a tick."""
    rng = np.random.default_rng(1)
    looks = rng.normal(size=(people, _DIMENSIONS))
    ids = iter(range(1, 10_000_000))
    live = LiveSet(_SESSION)
    association = Association(
        live, _MODEL, AssociationConfig(), lambda: GlobalId(next(ids))
    )
    sampler = ScoreSampler(_Nowhere(), rng.random, sure_nats=_SURE_NATS)
    decide, sample, scores = [], [], 0
    for number in range(1, _TICKS + 1):
        tick = _tick(number, looks, rng)
        scores = len(scored_pairs(live, tick, _SURE_NATS))
        begin = time.perf_counter()
        sampler.offer(EnvironmentId("bench"), _MODEL.model_id, live, tick)
        between = time.perf_counter()
        association.apply(tick)
        decide.append(time.perf_counter() - between)
        sample.append(between - begin)
    settled = slice(_TICKS // 2, None)
    return (
        1e3 * statistics.median(decide[settled]),
        1e3 * statistics.median(sample[settled]),
        scores,
    )


def _tick(number: int, looks: np.ndarray, rng: np.random.Generator) -> Tick:
    cameras = []
    for camera in range(_CAMERAS):
        camera_id = CameraId(f"camera-{camera}")
        seen = looks + 0.5 * rng.normal(size=looks.shape)
        seen /= np.linalg.norm(seen, axis=1, keepdims=True)
        sightings = tuple(
            Sighting(
                key=TrackKey(camera_id, TrackId(person + 1)),
                height_px=160.0,
                score=0.9,
                coasted=False,
                occlusion=0.0,
                fix=FloorFix(4.0 * person, 0.0, 0.04, 0.0, 0.04, "ground", 1),
                vector=seen[person].astype(np.float32),
            )
            for person in range(len(looks))
        )
        cameras.append(CameraSightings(camera_id, number * _TICK_NS, 0.0, sightings))
    first = Tick(_SESSION, number, number * _TICK_NS, ())
    return replace(first, cameras=tuple(cameras))


class _Nowhere:
    """A table that nothing is stored in here."""

    async def keep(self, drawn: object, most: int) -> dict:
        """Keep nothing."""
        return {}


if __name__ == "__main__":
    main()
