"""Where everybody stands at one time, and what that teaches about the cameras."""

from collections.abc import Collection, Sequence

import numpy as np

from services.common.ids import CameraId
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.evidence import Placement
from services.reid.domain.live_set import LiveSet
from services.reid.domain.motion import Array, predict, sure_speed_mps
from services.reid.domain.values import TrackKey


def placed(
    live: LiveSet,
    keys: Sequence[TrackKey],
    fresh: Collection[TrackKey],
    time_ns: int,
    config: AssociationConfig,
) -> Placement:
    """Return where tracks stand at the time of a tick.

    Args:
        live: State.
        keys: Tracks, in the order of the rows.
        fresh: Those that a detection supports now.
        time_ns: The time, nanoseconds since 1970 UTC.
        config: How people move, and priors of the disagreements.
    """
    count = len(keys)
    points, speeds = np.zeros((count, 2)), np.zeros(count)
    covariances = np.tile(np.eye(2), (count, 1, 1))
    floors = np.full(count, -1)
    names: dict[str, int] = {}
    cameras = np.array([key.camera_id for key in keys], dtype=object)
    for row, key in enumerate(keys):
        motion = live.tracks[key].motion
        if motion is None or key not in fresh:
            continue
        now = predict(motion, time_ns, config.acceleration_mps2)
        points[row] = now.mean[:2]
        covariances[row] = now.covariance[:2, :2]
        speeds[row] = sure_speed_mps(now)
        floors[row] = names.setdefault(motion.floor_id, len(names))
    located = floors >= 0
    comparable = (
        (located[:, None] & located[None, :])
        & (floors[:, None] == floors[None, :])
        & (cameras[:, None] != cameras[None, :])
    )
    offsets = np.zeros((count, count, 2))
    variances = np.zeros((count, count))
    seen = {
        camera: np.flatnonzero(located & (cameras == camera))
        for camera in sorted(set(cameras[located]))
    }
    for one in seen:
        for two in seen:
            if one < two and comparable[np.ix_(seen[one], seen[two])].any():
                rows, columns = np.ix_(seen[one], seen[two])
                middle = (points[rows] + points[columns]) / 2
                revisions = tuple(
                    _revision(live, keys[int(seen[camera][0])]) for camera in (one, two)
                )
                known = live.floors.between(
                    (CameraId(one), CameraId(two)),
                    middle[0, 0],
                    revisions,  # type: ignore[arg-type] # two of them.
                    config,
                )
                expected, doubt = known.expected(middle, config)
                offsets[rows, columns] = expected
                offsets[columns.T, rows.T] = -expected.swapaxes(0, 1)
                variances[rows, columns] = doubt
                variances[columns.T, rows.T] = doubt.T
    return Placement(
        points,
        covariances,
        np.asarray(comparable, np.bool_),
        speeds,
        offsets,
        variances,
    )


def learn_disagreements(
    live: LiveSet, stands: Placement, dt_s: float, config: AssociationConfig
) -> None:
    """Learn how far two floors lie apart from confirmed tracks of one person.

    A pair of tracks teaches once in a correlation time.
    """
    keys = live.pairs.keys
    rows: dict[int, list[int]] = {}
    for row, key in enumerate(keys):
        track = live.tracks[key]
        if track.global_id is not None and not track.provisional:
            rows.setdefault(track.global_id, []).append(row)
    ticks = max(1, round(config.floor_correlation_s / max(dt_s, 1e-3)))
    for mine in rows.values():
        for place, one in enumerate(mine):
            for two in mine[place + 1 :]:
                if (
                    not stands.comparable[one, two]
                    or (live.frame_set + one + two) % ticks
                    or live.pairs.nats[one, two]
                    < _least_nats(live, (keys[one], keys[two]), config)
                ):
                    continue
                spread = stands.covariances_m2[one] + stands.covariances_m2[two]
                middle = (stands.points_m[one] + stands.points_m[two]) / 2
                pair = keys[one].camera_id, keys[two].camera_id
                live.floors.of_pair[pair].learn(
                    middle,
                    stands.points_m[two] - stands.points_m[one],
                    float(np.trace(spread)) / 2.0,
                    _velocity_mps(live, keys[one], keys[two]),
                    config,
                )


def _revision(live: LiveSet, key: TrackKey) -> int:
    motion = live.tracks[key].motion
    return 0 if motion is None else motion.calibration_revision


def _velocity_mps(live: LiveSet, one: TrackKey, two: TrackKey) -> Array:
    """Return how a person walks whom two tracks see; zero where that is not sure."""
    motions = [live.tracks[key].motion for key in (one, two)]
    sure = [motion for motion in motions if motion and sure_speed_mps(motion) > 0]
    if len(sure) < len(motions):
        return np.zeros(2)
    velocity: Array = np.mean([motion.mean[2:] for motion in sure], axis=0)
    return velocity


def _least_nats(
    live: LiveSet, keys: tuple[TrackKey, TrackKey], config: AssociationConfig
) -> float:
    """Return the floor evidence from which a pair teaches.

    Where appearance made them one, the floor may contradict: that is what it learns.
    """
    counts = [live.tracks[key].vector_count for key in keys]
    if min(counts) >= config.bias_least_vectors:
        return config.bias_doubted_nats
    return config.bias_least_nats
