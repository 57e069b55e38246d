"""Decide whose appearance is worth computing before a tick is decided."""

from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.live_set import LiveSet
from services.reid.domain.tracklet import Tracklet
from services.reid.domain.values import CameraSightings, Sighting, Tick, TrackKey

_S_NS = 1_000_000_000


def embeddings_wanted(
    live: LiveSet, tick: Tick, config: AssociationConfig
) -> tuple[TrackKey, ...]:
    """Return the tracks of a tick whose vectors should be fetched, by key.

    New tracks, tracks torn between persons, and from time to time all others. The
    live set is only read.
    """
    if not config.use_appearance:
        return ()
    return tuple(
        sorted(
            sighting.key
            for camera in tick.cameras
            for sighting in camera.sightings
            if _is_wanted(live, sighting, camera, config)
        )
    )


def _is_wanted(
    live: LiveSet,
    sighting: Sighting,
    camera: CameraSightings,
    config: AssociationConfig,
) -> bool:
    """Return whether one track's vector should be fetched."""
    if (
        sighting.coasted
        or sighting.vector is not None
        or sighting.score < config.embed_min_score
    ):
        return False
    track = live.tracks.get(sighting.key)
    if sighting.occlusion > _most_occlusion(track, camera, config):
        return False
    if track is None:
        return True
    if track.vector_count < config.embed_first_count:
        pause_s = config.embed_retry_s
    elif track.torn:
        pause_s = config.embed_ambiguous_s
    else:
        pause_s = config.embed_refresh_s
    return camera.captured_ns - track.asked_ns >= pause_s * _S_NS


def _most_occlusion(
    track: Tracklet | None, camera: CameraSightings, config: AssociationConfig
) -> float:
    """Return the occlusion up to which a crop helps: any is better than none."""
    if track is None or track.prototypes:
        return config.embed_max_occlusion
    waited_ns = camera.captured_ns - track.begun_ns
    if waited_ns < config.embed_patience_s * _S_NS:
        return config.embed_max_occlusion
    return config.embed_desperate_occlusion
