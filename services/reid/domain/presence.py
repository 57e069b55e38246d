"""Describe who is present after a tick, and which pictures are worth having."""

from dataclasses import replace

from services.common.ids import CameraId, GlobalId
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.live_set import NOBODY, LiveSet
from services.reid.domain.motion import predict
from services.reid.domain.values import (
    Assignment,
    PersonPresence,
    Portrait,
    PortraitWanted,
    Sighting,
    Tick,
    TrackKey,
)

_S_NS = 1_000_000_000


def assignments(live: LiveSet, tick: Tick) -> tuple[Assignment, ...]:
    """Return each track of the tick with its person, by camera and track.

    A camera shows nobody twice: where one track of a person took over from another
    that coasts, the latter has no person, id 0. Nor has a track that coasts from its
    first frame on.
    """
    shown: dict[TrackKey, Assignment] = {}
    holders: set[tuple[CameraId, GlobalId]] = set()
    for sighting in sorted(_sightings(tick), key=lambda one: one.coasted):
        key = sighting.key
        track = live.tracks.get(key)
        shown[key] = Assignment(key, NOBODY, provisional=True)
        if track is None or track.global_id is None:
            continue
        holder = (key.camera_id, track.global_id)
        if not sighting.coasted or holder not in holders:
            holders.add(holder)
            shown[key] = Assignment(key, track.global_id, track.provisional)
    return tuple(shown[key] for key in sorted(shown))


def presences(
    live: LiveSet, tick: Tick, config: AssociationConfig
) -> tuple[PersonPresence, ...]:
    """Return each person who has a live track, by label."""
    seen = {one.key for one in _sightings(tick) if not one.coasted}
    present = []
    for global_id in live.present_ids():
        person, tracks = live.persons[global_id], live.tracks_of(global_id)
        motion = person.motion
        if motion is not None:
            motion = predict(motion, live.time_ns, config.acceleration_mps2)
        cameras = {track.key.camera_id for track in tracks if track.key in seen}
        present.append(
            PersonPresence(
                global_id=global_id,
                label=person.label,
                fix=motion.fix if motion else None,
                velocity_mps=motion.velocity_mps if motion else None,
                camera_ids=tuple(sorted(cameras)),
                provisional=all(track.provisional for track in tracks),
            )
        )
    return tuple(sorted(present, key=lambda one: one.label))


def picture_quality(sighting: Sighting, config: AssociationConfig) -> float:
    """Return how good a picture of the person the sighting gives, in [0, 1]."""
    size = min(1.0, max(0.0, sighting.height_px) / config.portrait_full_height_px)
    clear = 1.0 - min(1.0, max(0.0, sighting.occlusion))
    return size * clear * (0.5 + 0.5 * min(1.0, sighting.score))


def want_portraits(
    live: LiveSet, tick: Tick, config: AssociationConfig
) -> tuple[PortraitWanted, ...]:
    """Return at most one better picture per person, and note that it was asked for."""
    best: dict[GlobalId, PortraitWanted] = {}
    for sighting in _sightings(tick):
        track = live.tracks.get(sighting.key)
        if track is None or track.global_id is None or track.provisional:
            continue
        quality = picture_quality(sighting, config)
        if sighting.coasted or not _is_worth_it(live, track.global_id, quality, config):
            continue
        rival = best.get(track.global_id)
        if rival is None or quality > rival.quality:
            best[track.global_id] = PortraitWanted(
                sighting.key, track.global_id, quality
            )
    for wanted in best.values():
        live.persons[wanted.global_id].portrait_asked_ns = live.time_ns
    return tuple(sorted(best.values(), key=lambda wanted: wanted.key))


def accept_portraits(live: LiveSet, tick: Tick) -> tuple[Portrait, ...]:
    """Return the pictures of a tick with the persons that they show by now.

    The persons who have such a picture want no other of the same quality.
    """
    accepted = []
    for portrait in tick.portraits:
        track = live.tracks.get(portrait.key)
        owner = portrait.global_id
        if owner not in live.persons and track is not None and track.global_id:
            owner = track.global_id
        person = live.persons.get(owner)
        if person is not None:
            person.portrait_quality = max(person.portrait_quality, portrait.quality)
        accepted.append(replace(portrait, global_id=owner))
    return tuple(accepted)


def _is_worth_it(
    live: LiveSet, global_id: GlobalId, quality: float, config: AssociationConfig
) -> bool:
    """Return whether a picture is better than the best and none was asked just now."""
    person = live.persons[global_id]
    waited_ns = live.time_ns - person.portrait_asked_ns
    return (
        quality >= person.portrait_quality + config.portrait_gain
        and waited_ns >= config.portrait_interval_s * _S_NS
    )


def _sightings(tick: Tick) -> list[Sighting]:
    """Return the sightings of all cameras, by camera and track."""
    every = (one for camera in tick.cameras for one in camera.sightings)
    return sorted(every, key=lambda one: one.key)
