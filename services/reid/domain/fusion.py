"""Fuse what several cameras say about where one person stands."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.motion import Motion, follow, predict
from services.reid.domain.tracklet import Tracklet
from services.reid.domain.values import FloorFix


@dataclass(frozen=True, slots=True)
class TrackFix:
    """Where a track stands now.

    Attributes:
        track: The track.
        fix: Position.
        captured_ns: Its time, nanoseconds since 1970 UTC.
    """

    track: Tracklet
    fix: FloorFix
    captured_ns: int


def fused(
    motion: Motion | None, fixes: Sequence[TrackFix], config: AssociationConfig
) -> Motion | None:
    """Return the motion of a person, or of a track, after new positions.

    Positions that contradict each other are never averaged: most cameras decide, then
    where the person stood before. Where all are elsewhere, the motion begins anew.

    Args:
        motion: The motion so far.
        fixes: Positions of one tick, in the order in which they count.
        config: What contradicts, and how people move.
    """
    if not fixes:
        return motion
    if motion is not None:
        # Once for all: cameras differ little in time.
        earliest_ns = min(one.captured_ns for one in fixes)
        motion = predict(motion, earliest_ns, config.acceleration_mps2)
    near = [_is_near(motion, one, config) for one in fixes]
    groups = [[two for two in fixes if _agree(one, two, config)] for one in fixes]
    best = max(
        range(len(fixes)),
        key=lambda index: (
            len(groups[index]),
            near[index],
            -fixes[index].track.begun_ns,
            -index,
        ),
    )
    if motion is not None and not near[best]:
        motion = None
    for one in groups[best]:
        motion = follow(
            motion,
            one.fix,
            one.captured_ns,
            acceleration_mps2=config.acceleration_mps2,
            speed_sigma_mps=config.start_speed_sigma_mps,
        )
    return motion


def _is_near(motion: Motion | None, one: TrackFix, config: AssociationConfig) -> bool:
    """Return whether a position does not contradict a motion."""
    if motion is None:
        return True
    now = predict(motion, one.captured_ns, config.acceleration_mps2)
    dx, dy = float(now.mean[0]) - one.fix.x_m, float(now.mean[1]) - one.fix.y_m
    here = now.floor_id == one.fix.floor_id and (
        dx * dx + dy * dy <= config.contradiction_distance_m**2
    )
    return here or not contradict(now.fix, one.fix, config)


def _agree(one: TrackFix, two: TrackFix, config: AssociationConfig) -> bool:
    return one is two or not contradict(one.fix, two.fix, config)


def contradict(one: FloorFix, two: FloorFix, config: AssociationConfig) -> bool:
    """Return whether two positions cannot be of one person at one time."""
    if one.floor_id != two.floor_id:
        return True
    dx, dy = one.x_m - two.x_m, one.y_m - two.y_m
    if dx * dx + dy * dy <= config.contradiction_distance_m**2:
        return False
    xx, yy = one.xx_m2 + two.xx_m2, one.yy_m2 + two.yy_m2
    xy = one.xy_m2 + two.xy_m2
    squared = (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / (xx * yy - xy * xy)
    return squared > config.contradiction_sigmas**2
