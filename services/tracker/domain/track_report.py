"""What is told about the tracks of a frame, whichever tracker followed them."""

from dataclasses import dataclass

import numpy as np

from services.tracker.domain.arrays import BoolArray, FloatArray, IntArray
from services.tracker.domain.association import UNMATCHED
from services.tracker.domain.boxes import clip_to_frame, covered_share
from services.tracker.domain.foot import feet_regions, foot_points
from services.tracker.domain.frame import (
    Detections,
    FootPoints,
    FrameTracks,
    TrackState,
)

# Plain numbers: an enumeration's cost more than the rest of their line.
_TENTATIVE, _CONFIRMED, _COASTED = map(int, TrackState)


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """Tracks after a frame, by ascending id.

    Attributes:
        track_ids: Shape (N,).
        match: Their detections, `UNMATCHED` for none. Shape (N,).
        boxes_px: Corners where the tracker believes them. Shape (N, 4).
        confirmed: Which are believed. Shape (N,).
        age_frames: Frames since the first detection, inclusive. Shape (N,).
        ended_track_ids: Tracks that are not among them any more. Shape (E,).
    """

    track_ids: IntArray
    match: IntArray
    boxes_px: FloatArray
    confirmed: BoolArray
    age_frames: IntArray
    ended_track_ids: IntArray


def report(
    followed: Followed,
    detections: Detections,
    frame_size_px: tuple[int, int],
    coasted_feet: FootPoints | None,
) -> FrameTracks:
    """Return what is told.

    A track with a detection has that one's box; the others have their predicted one.

    Args:
        followed: The tracks.
        detections: The frame.
        frame_size_px: Its width and height.
        coasted_feet: Foot points of the tracks without a detection, in their order;
            None where all have one.
    """
    match = followed.match
    supported = match != UNMATCHED
    seen, coasted = supported.nonzero()[0], (~supported).nonzero()[0]
    used = match[seen]
    boxes_px = followed.boxes_px.copy()
    boxes_px[seen] = detections.boxes_px[used]
    boxes_px = clip_to_frame(boxes_px, frame_size_px)
    scores = np.zeros(len(match))
    scores[seen] = detections.scores[used]
    ankles_px = np.zeros((len(match), 2, 3))
    ankles_px[seen] = detections.ankles_px[used]
    states = np.where(followed.confirmed, _CONFIRMED, _TENTATIVE)
    states[coasted] = _COASTED
    regions_px = np.array((boxes_px, feet_regions(boxes_px)))
    occlusion, feet_covered = covered_share(regions_px, boxes_px)
    feet = foot_points(boxes_px, ankles_px, feet_covered, frame_size_px)
    if coasted_feet is not None:
        feet.points_px[coasted] = coasted_feet.points_px
        feet.sigma_px[coasted] = coasted_feet.sigma_px
        feet.visibility[coasted] = coasted_feet.visibility
    return FrameTracks(
        track_ids=followed.track_ids,
        states=states,
        boxes_px=boxes_px,
        scores=scores,
        detection_indices=match,
        feet=feet,
        occlusion=occlusion,
        age_frames=followed.age_frames,
        ended_track_ids=followed.ended_track_ids,
    )
