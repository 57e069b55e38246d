"""What seems to be wrong with cameras, clocks, calibrations or the embedder.

The association carries on: each of these weakens the evidence that it concerns. An
operator should know all the same.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from services.common.ids import CameraId
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.disagreement import Disagreements
from services.reid.domain.likelihood import AppearanceStatistics, fisher
from services.reid.domain.values import CameraSightings

_S_NS = 1_000_000_000


class SuspicionKind(StrEnum):
    """What is wrong."""

    EMBEDDER_TELLS_NOTHING = "embedder_tells_nothing"
    """Two people seen at once are as alike as one person is to itself."""
    FLOORS_DISAGREE = "floors_disagree"
    """Two cameras place one person far apart: a calibration is off."""
    CLOCKS_DISAGREE = "clocks_disagree"
    """Two cameras see walkers one behind the other: a clock is off."""
    CAMERA_REPEATS = "camera_repeats"
    """A camera shows the same again and again: it is frozen."""


@dataclass(frozen=True, slots=True, order=True)
class Suspicion:
    """One thing that seems wrong.

    Attributes:
        kind: What.
        subject: Camera, two cameras with a plus between them, or empty.
    """

    kind: SuspicionKind
    subject: str = ""


@dataclass(slots=True)
class CameraWatch:
    """What a camera showed last, to notice that it repeats itself.

    Attributes:
        digest: Checksum of its boxes and scores; 0 while it shows nobody.
        since_ns: When it first showed exactly that, nanoseconds since 1970 UTC.
        now_ns: When it last did.
    """

    digest: int = 0
    since_ns: int = 0
    now_ns: int = 0

    def look(self, camera: CameraSightings) -> None:
        """Take in what the camera shows now."""
        seen = [
            (one.key.track_id, one.height_px, one.score, *one.centre_px)
            for one in camera.sightings
            if one.centre_px is not None and not one.coasted
        ]
        digest = zlib.crc32(repr(sorted(seen)).encode()) if seen else 0
        if digest != self.digest or not digest:
            self.digest, self.since_ns = digest, camera.captured_ns
        self.now_ns = camera.captured_ns


def suspicions(
    looks: AppearanceStatistics,
    floors: Disagreements,
    watches: Iterable[tuple[CameraId, CameraWatch]],
    config: AssociationConfig,
) -> tuple[Suspicion, ...]:
    """Return what seems wrong, sorted."""
    found = []
    if _tells_nothing(looks, config):
        found.append(Suspicion(SuspicionKind.EMBEDDER_TELLS_NOTHING))
    for (one, two), floor in floors.of_pair.items():
        if floor.looks < config.suspect_looks:
            continue
        pair = f"{one}+{two}"
        offset_m = float(np.hypot(*floor.mean[0]))
        if max(offset_m, floor.noise_m2(config) ** 0.5) > config.suspect_offset_m:
            found.append(Suspicion(SuspicionKind.FLOORS_DISAGREE, pair))
        if abs(floor.lag_s(config)) > config.suspect_lag_s:
            found.append(Suspicion(SuspicionKind.CLOCKS_DISAGREE, pair))
    for camera_id, watch in watches:
        repeated_ns = watch.now_ns - watch.since_ns if watch.digest else 0
        if repeated_ns > config.suspect_repeat_s * _S_NS:
            found.append(Suspicion(SuspicionKind.CAMERA_REPEATS, camera_id))
    return tuple(sorted(found))


def _tells_nothing(looks: AppearanceStatistics, config: AssociationConfig) -> bool:
    """Return whether strangers are hardly less alike than one person's vectors."""
    if min(looks.different.count, looks.within.count) < config.suspect_vectors:
        return False
    sigma = max(looks.different.variance_from(0.0, 0.0) ** 0.5, 1e-6)
    gap = float(fisher(looks.within.mean)) - looks.different.mean
    # Vectors that are all the same have no spread at all.
    return bool(gap < max(config.suspect_separation * sigma, 1e-3))
