"""Bring the sightings of a tick into the live set."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from services.common.ids import CameraId, GlobalId
from services.reid.domain.appearance import AppearanceModel, Prototype, learn
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.fusion import TrackFix, fused
from services.reid.domain.likelihood import fisher, learned, within_share
from services.reid.domain.live_set import LiveSet, Registry
from services.reid.domain.placing import learn_disagreements, placed
from services.reid.domain.returning import return_evidence
from services.reid.domain.spot import Spot, same_spot_evidence
from services.reid.domain.suspicions import CameraWatch
from services.reid.domain.tracklet import CameraRecord, Tracklet
from services.reid.domain.values import (
    CameraSightings,
    FloorFix,
    Sighting,
    Tick,
)

_S_NS = 1_000_000_000


class Intake:
    """Applies one tick's sightings, cameras and tracks in the order of their names."""

    def __init__(
        self,
        registry: Registry,
        model: AppearanceModel,
        draw_id: Callable[[], GlobalId],
        time_ns: int,
    ) -> None:
        self._registry = registry
        self._model = model
        self._live: LiveSet = registry.live
        self._config: AssociationConfig = registry.config
        self._draw_id = draw_id
        self._time_ns = time_ns
        self._fixes: dict[GlobalId, list[TrackFix]] = defaultdict(list)
        self.supported: list[Tracklet] = []

    def take(self, tick: Tick) -> None:
        """Update every track of the tick, and end those that are gone."""
        self._end(tick)
        present_in = self._present_in()
        for camera in sorted(tick.cameras, key=lambda camera: camera.camera_id):
            seen = [
                self._sight(sighting, camera, present_in)
                for sighting in sorted(camera.sightings, key=lambda one: one.key)
            ]
            watch = self._live.watches.setdefault(camera.camera_id, CameraWatch())
            watch.look(camera)
            self._keep_apart([track for track in seen if track is not None])
        self._fuse()
        self._compare()

    def _fuse(self) -> None:
        """Move the filters of the persons whose tracks were located."""
        for global_id, fixes in self._fixes.items():
            person = self._live.persons[global_id]
            person.motion = fused(person.motion, fixes, self._config)

    def _present_in(self) -> dict[GlobalId, set[CameraId]]:
        """Return the cameras in which each recognisable person has a live track."""
        cameras: dict[GlobalId, set[CameraId]] = {
            global_id: set() for global_id in sorted(self._live.persons)
        }
        for track in self._live.tracks.values():
            if track.global_id is not None:
                cameras[track.global_id].add(track.key.camera_id)
        return cameras

    def _end(self, tick: Tick) -> None:
        """End the tracks that the tick names, and those that fell silent."""
        listed = {one.key for camera in tick.cameras for one in camera.sightings}
        named = {key for camera in tick.cameras for key in camera.ended} - listed
        timeout_ns = int(self._config.track_timeout_s * _S_NS)
        ended = [
            track
            for key, track in sorted(self._live.tracks.items())
            if key in named
            or (key not in listed and self._time_ns - track.listed_ns > timeout_ns)
        ]
        self._settle(ended)
        for track in ended:
            self._registry.end(track)

    def _settle(self, ended: list[Tracklet]) -> None:
        """Keep what was learned by comparison with tracks that end."""
        if not ended:
            return
        pairs = self._live.pairs
        row = {key: index for index, key in enumerate(pairs.keys)}
        gone = {track.key for track in ended}
        for global_id in sorted({one.global_id for one in ended if one.global_id}):
            mine = self._live.tracks_of(global_id)
            staying = {track.key for track in mine} - gone
            lost = [row[one.key] for one in mine if one.key in gone and one.key in row]
            for key in sorted(set(row) - gone):
                if staying - {key} or key not in self._live.tracks:
                    continue
                known = pairs.known[row[key], lost]
                if known.any():
                    evidence = float(pairs.nats[row[key], lost][known].mean())
                    evidence = min(evidence, self._config.past_limit)
                    self._live.tracks[key].past[global_id] = evidence
                    self._live.tracks[key].places.pop(global_id, None)

    def _sight(
        self,
        sighting: Sighting,
        camera: CameraSightings,
        present_in: dict[GlobalId, set[CameraId]],
    ) -> Tracklet | None:
        """Update one track; return it if a detection supports it."""
        track = self._live.tracks.get(sighting.key)
        if track is None:
            if sighting.coasted:
                return None
            track = Tracklet(sighting.key, camera.captured_ns, camera.captured_ns)
            self._live.tracks[sighting.key] = track
            self._live.version += 1
        track.listed_ns = max(track.listed_ns, camera.captured_ns)
        if sighting.coasted:
            return None
        seen = CameraRecord(1, camera.captured_ns, camera.captured_ns)
        track.record = seen.joined(track.record)
        if sighting.centre_px is not None:
            x_px, y_px = sighting.centre_px
            spot = Spot(x_px, y_px, sighting.height_px, camera.captured_ns)
            track.spot = spot if track.spot is None else track.spot.followed(spot)
        fix = sighting.fix
        if fix is not None:
            fix = _blurred(fix, camera.clock_sigma_s, self._config)
        self._weigh_returns(track, fix, camera.captured_ns, present_in)
        if fix is not None:
            self._locate(track, fix, camera.captured_ns)
        if sighting.vector is not None:
            self._learn(track, sighting, camera.captured_ns)
        self.supported.append(track)
        return track

    def _locate(
        self,
        track: Tracklet,
        fix: FloorFix,
        captured_ns: int,
    ) -> None:
        """Move the filters of the track and of its person."""
        here = [TrackFix(track, fix, captured_ns)]
        track.motion = fused(track.motion, here, self._config)
        if track.global_id is not None:
            self._fixes[track.global_id].extend(here)

    def _weigh_returns(
        self,
        track: Tracklet,
        fix: FloorFix | None,
        captured_ns: int,
        present_in: dict[GlobalId, set[CameraId]],
    ) -> None:
        """Weigh who may be back, all at first and then the likely ones.

        The first box of a track often is cut by what hid the person, so places are
        weighed anew for a while.
        """
        if track.begun_ns == captured_ns:
            candidates = list(present_in)
        elif captured_ns - track.begun_ns <= self._config.return_watch_s * _S_NS:
            candidates = sorted(set(track.places) & set(present_in))
        else:
            return
        for global_id in candidates:
            elsewhere = present_in[global_id] - {track.key.camera_id}
            nats = self._return(global_id, track, fix, captured_ns, elsewhere)
            if nats is not None:
                track.places[global_id] = nats

    def _return(
        self,
        global_id: GlobalId,
        track: Tracklet,
        fix: FloorFix | None,
        captured_ns: int,
        elsewhere: set[CameraId],
    ) -> float | None:
        """Return what the place says for a track being somebody; None for nothing.

        Whoever this camera lost may be back where it lost them, even if another one
        sees them all the time.
        """
        person = self._live.persons[global_id]
        left = person.spots.get(track.key.camera_id)
        newest = person.motion is None or (
            left is not None and left.time_ns >= person.motion.time_ns
        )
        if left is not None and track.spot is not None and (elsewhere or newest):
            return same_spot_evidence(left, track.spot, self._config)
        if fix is None or elsewhere or person.motion is None:
            return None
        return return_evidence(person.motion, fix, captured_ns, self._config)

    def _learn(self, track: Tracklet, sighting: Sighting, captured_ns: int) -> None:
        """Add a vector to the track's prototypes."""
        assert sighting.vector is not None  # noqa: S101 - the caller checked.
        seen = Prototype(
            prototype_id=self._draw_id(),
            camera_id=track.key.camera_id,
            source=track.key,
            vector=sighting.vector,
            count=1,
            captured_ns=captured_ns,
            fix=sighting.fix,
        )
        self._compare_looks(track, seen)
        prior = self._model.prior(self._config)
        likelihood = learned(prior, self._live.looks)
        kept = learn(track.prototypes, seen, likelihood, self._config)
        others = [
            one for one in track.prototypes if one.prototype_id != kept.prototype_id
        ]
        track.prototypes = sorted([*others, kept], key=lambda one: one.prototype_id)
        track.asked_ns = captured_ns
        self._live.version += 1
        if track.global_id is not None:
            self._registry.keep_prototypes([kept], track.global_id)

    def _compare_looks(self, track: Tracklet, seen: Prototype) -> None:
        """Note how alike the vector is to its own track's, and to its neighbours'."""
        config, looks = self._config, self._live.looks
        for own in track.prototypes[:1]:
            if seen.captured_ns - own.captured_ns >= config.appearance_pause_s * _S_NS:
                share = within_share(float(own.vector @ seen.vector), own.count)
                looks.within.add(share, config.appearance_memory)
        for key in sorted(track.conflicts):
            other = self._live.tracks.get(key)
            if other is not None and other.prototypes:
                similarity = float(other.prototypes[0].vector @ seen.vector)
                looks.different.add(float(fisher(similarity)), config.appearance_memory)

    def _keep_apart(self, seen: list[Tracklet]) -> None:
        """Note that tracks seen at once by one camera are different people."""
        keys = {track.key for track in seen}
        for track in seen:
            fresh = keys - track.conflicts - {track.key}
            if fresh:
                track.conflicts |= fresh
                self._live.version += 1

    def _compare(self) -> None:
        """Add one comparison of every pair of tracks located in this tick."""
        live = self._live
        keys = sorted(live.tracks)
        live.pairs.rearrange(keys)
        dt_s = min(max(self._time_ns - live.time_ns, 0) / _S_NS, 1.0)
        fresh = {track.key for track in self.supported}
        stands = placed(live, keys, fresh, self._time_ns, self._config)
        live.pairs.observe(stands, dt_s, self._config)
        learn_disagreements(live, stands, dt_s, self._config)


def _blurred(fix: FloorFix, sigma_s: float, config: AssociationConfig) -> FloorFix:
    """Return a position with the error that an uncertain clock adds to it."""
    if sigma_s <= 0:
        return fix
    added = (config.walking_speed_mps * sigma_s) ** 2
    return replace(fix, xx_m2=fix.xx_m2 + added, yy_m2=fix.yy_m2 + added)
