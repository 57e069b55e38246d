"""The trackers of BoxMOT, described without importing it.

All of them follow the boxes of detections and take vectors from us at most: none reads
a picture, none fetches a file. Camera-motion compensation, which would read pictures,
is off, because our cameras do not move.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from services.tracker.domain.tracker import TrackerSettings

PREFIX = "boxmot:"
LICENCE = "AGPL-3.0"

Options = Callable[[TrackerSettings], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Where a track object keeps what we tell.

    Attributes:
        predicted_box: Returns the corners at which the library believes it.
        seen: Returns whether the frame of a number supported it.
    """

    predicted_box: Callable[[Any], Any]
    seen: Callable[[Any, int], bool]


@dataclass(frozen=True, slots=True)
class BoxmotKind:
    """One tracker of BoxMOT.

    Attributes:
        class_name: Its class in the package.
        options: Returns the arguments that say what our settings say.
        lists: Attributes that hold its tracks.
        reading: Where its tracks keep what we tell.
        age_limits: Attributes that hold for how many frames a track may be unseen.
        appearance: Whether it can use vectors.
        needs_appearance: Whether it cannot do without.
        looks_at_weak: Whether it uses the vectors of weak detections too.
        counts_seconds: Whether its motion can be told the time.
        state: Attributes, beside those that all have, that the next frames depend on.
    """

    class_name: str
    options: Options
    lists: tuple[str, ...]
    reading: Reading
    age_limits: tuple[str, ...] = ("max_age",)
    appearance: bool = False
    needs_appearance: bool = False
    looks_at_weak: bool = False
    counts_seconds: bool = True
    state: tuple[str, ...] = field(default=())


_TRACKED = 1
"""`TrackState.Tracked` of BoxMOT's ByteTrack and BoT-SORT."""
_SORT = Reading(
    lambda track: track.get_state()[0][:4],
    lambda track, _: track.time_since_update == 0,
)
_HYBRID = Reading(
    lambda track: track.motion_model.to_box(track.kf.x)[0][:4],
    lambda track, _: track.time_since_update == 0,
)
_BYTE = Reading(
    lambda track: track.xyxy,
    lambda track, frame: track.state == _TRACKED and track.frame_id == frame,
)
_STRONG = Reading(
    lambda track: track.to_tlbr(), lambda track, _: track.time_since_update == 0
)
_SFSORT = Reading(
    lambda track: track.bbox, lambda track, frame: track.last_frame == frame
)


def _bytetrack(settings: TrackerSettings) -> dict[str, Any]:
    return {"track_thresh": settings.high_score, "min_conf": settings.low_score}


def _botsort(settings: TrackerSettings) -> dict[str, Any]:
    return {
        "track_high_thresh": settings.high_score,
        "track_low_thresh": settings.low_score,
        "new_track_thresh": settings.high_score,
        "use_cmc": False,
    }


def _ocsort(settings: TrackerSettings) -> dict[str, Any]:
    return {"det_thresh": settings.high_score, "min_conf": settings.low_score}


def _deepocsort(settings: TrackerSettings) -> dict[str, Any]:
    return {"det_thresh": settings.high_score, "cmc_off": True}


def _boosttrack(settings: TrackerSettings) -> dict[str, Any]:
    return {"det_thresh": settings.high_score, "use_cmc": False}


def _occluboost(settings: TrackerSettings) -> dict[str, Any]:
    # Its global association gives ids of ended tracks anew, and fills gaps afterwards.
    return _boosttrack(settings) | {
        "track_low_thresh": settings.low_score,
        "new_track_thresh": settings.high_score,
        "gta_enabled": False,
    }


def _strongsort(settings: TrackerSettings) -> dict[str, Any]:
    return {"min_conf": settings.high_score}


def _hybridsort(settings: TrackerSettings) -> dict[str, Any]:
    return {
        "det_thresh": settings.high_score,
        "track_thresh": settings.high_score,
        "low_thresh": settings.low_score,
    }


def _sfsort(settings: TrackerSettings) -> dict[str, Any]:
    width, height = settings.frame_size_px
    return {
        "high_th": settings.high_score,
        "low_th": settings.low_score,
        "new_track_th": settings.high_score,
        "frame_width": width,
        "frame_height": height,
    }


_BYTE_STATE = ("lost_stracks", "removed_stracks", "kalman_filter")
_ACTIVE = ("active_tracks",)
_BYTE_LISTS = ("active_tracks", "lost_stracks")

KINDS = {
    "boxmot:bytetrack": BoxmotKind(
        "ByteTrack",
        _bytetrack,
        _BYTE_LISTS,
        _BYTE,
        age_limits=("max_time_lost",),
        state=_BYTE_STATE,
    ),
    "boxmot:botsort": BoxmotKind(
        "BotSort",
        _botsort,
        _BYTE_LISTS,
        _BYTE,
        age_limits=("max_time_lost",),
        appearance=True,
        state=_BYTE_STATE,
    ),
    "boxmot:ocsort": BoxmotKind("OcSort", _ocsort, _ACTIVE, _SORT),
    "boxmot:deepocsort": BoxmotKind(
        "DeepOcSort", _deepocsort, _ACTIVE, _SORT, appearance=True
    ),
    "boxmot:boosttrack": BoxmotKind(
        "BoostTrack",
        _boosttrack,
        ("trackers",),
        _SORT,
        appearance=True,
        looks_at_weak=True,
        state=("trackers",),
    ),
    "boxmot:occluboost": BoxmotKind(
        "OccluBoost",
        _occluboost,
        ("trackers",),
        _SORT,
        appearance=True,
        looks_at_weak=True,
        state=("trackers",),
    ),
    "boxmot:strongsort": BoxmotKind(
        "StrongSort",
        _strongsort,
        ("tracks",),
        _STRONG,
        appearance=True,
        needs_appearance=True,
        state=("tracks", "metric"),
    ),
    "boxmot:hybridsort": BoxmotKind(
        "HybridSort",
        _hybridsort,
        _ACTIVE,
        _HYBRID,
        appearance=True,
        looks_at_weak=True,
    ),
    "boxmot:sfsort": BoxmotKind(
        "SFSORT",
        _sfsort,
        ("active_tracks", "lost_tracks"),
        _SFSORT,
        age_limits=("marginal_timeout", "central_timeout"),
        counts_seconds=False,
        state=("lost_tracks",),
    ),
}
