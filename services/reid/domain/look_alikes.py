"""Cameras that see two at once who look like one person."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np

from services.common.ids import CameraId
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.likelihood import Likelihood
from services.reid.domain.tracklet import Tracklet


def cameras_with_look_alikes(
    tracks: Iterable[Tracklet], likelihood: Likelihood, config: AssociationConfig
) -> Iterator[CameraId]:
    """Yield the cameras that see look-alikes now.

    Args:
        tracks: Live tracks.
        likelihood: What similarities are worth, as far as it is known.
        config: From when on two look alike.
    """
    by_camera: dict[CameraId, list[Tracklet]] = defaultdict(list)
    for track in tracks:
        if track.vector_count >= config.suspect_alike_vectors:
            by_camera[track.key.camera_id].append(track)
    for camera_id, own in sorted(by_camera.items()):
        if any(
            two.key in one.conflicts
            and _nats(one, two, likelihood) >= config.suspect_alike_nats
            for one, two in combinations(own, 2)
        ):
            yield camera_id


def _nats(one: Tracklet, two: Tracklet, likelihood: Likelihood) -> float:
    """Return the evidence of appearance that two tracks are one person."""
    similarity = np.array(
        [[a.vector @ b.vector for b in two.prototypes] for a in one.prototypes]
    )
    counts = np.array([[float(a.count)] for a in one.prototypes])
    others = np.array([[float(b.count) for b in two.prototypes]])
    return float(likelihood.evidence(similarity, counts, others).max())
