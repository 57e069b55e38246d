"""Association of tracks to persons, one frame set after another.

Tracks of different cameras are one person when floor distance, appearance and time
say so for long enough; the order of decisions depends on names and labels alone, so
the same ticks give the same answers.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from services.common.ids import GlobalId
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.attention import embeddings_wanted
from services.reid.domain.decisions import Decisions
from services.reid.domain.intake import Intake
from services.reid.domain.live_set import Changes, LiveSet, Registry
from services.reid.domain.presence import (
    accept_portraits,
    assignments,
    presences,
    want_portraits,
)
from services.reid.domain.scoring import Scorer
from services.reid.domain.values import CameraSightings, Tick, TickAnswer, TrackKey

_S_NS = 1_000_000_000


class Association:
    """Applies ticks to the live set of one timeline.

    Attributes:
        live: State, changed in place.
        config: Constants.
    """

    def __init__(
        self,
        live: LiveSet,
        model: AppearanceModel,
        config: AssociationConfig,
        draw_id: Callable[[], GlobalId],
    ) -> None:
        self.live = live
        self.config = config
        self._draw_id = draw_id
        self._model = model
        self._scorer = Scorer(model, config)

    def wanted(self, tick: Tick) -> tuple[TrackKey, ...]:
        """Return the tracks whose vectors should come with `tick`, changing nothing."""
        return embeddings_wanted(self.live, tick, self.config)

    def apply(
        self, tick: Tick, asked: Iterable[TrackKey] = ()
    ) -> tuple[TickAnswer, Changes]:
        """Change the live set by one tick and return who is who.

        Args:
            tick: Valid sightings, with the vectors that were asked for.
            asked: Tracks whose vectors were asked for, whether they came or not.
        """
        live, tick = self.live, self._usable(tick)
        time_ns = max(live.time_ns, _newest_ns(tick))
        registry = Registry(live, self.config, tick.frame_set, time_ns)
        intake = Intake(registry, self._model, self._draw_id, time_ns)
        intake.take(tick)
        live.frame_set, live.time_ns = tick.frame_set, time_ns
        for key in asked:
            if key in live.tracks:
                live.tracks[key].asked_ns = time_ns
        Decisions(registry, self._scorer, self._draw_id).decide(intake.supported)
        self._forget(registry)
        portraits = accept_portraits(live, tick)
        answer = TickAnswer(
            frame_set=tick.frame_set,
            assignments=assignments(live, tick),
            persons=presences(live, tick, self.config),
            changes=tuple(registry.changes.events),
            portraits_wanted=want_portraits(live, tick, self.config),
            portraits=portraits,
        )
        return answer, registry.changes

    def _usable(self, tick: Tick) -> Tick:
        """Return the tick without the evidence that is not to be used."""
        if self.config.use_floor and self.config.use_appearance:
            return tick
        return replace(
            tick, cameras=tuple(self._usable_camera(one) for one in tick.cameras)
        )

    def _usable_camera(self, camera: CameraSightings) -> CameraSightings:
        config = self.config
        return replace(
            camera,
            sightings=tuple(
                replace(
                    one,
                    fix=one.fix if config.use_floor else None,
                    vector=one.vector if config.use_appearance else None,
                )
                for one in camera.sightings
            ),
        )

    def _forget(self, registry: Registry) -> None:
        """Drop persons who were away for too long to be recognised."""
        live, config = registry.live, self.config
        oldest_ns = live.time_ns - config.gallery_horizon_s * _S_NS
        absent = set(live.persons) - live.present_ids()
        last_ns = {one: live.persons[one].left_ns for one in absent}
        latest = sorted(absent, key=lambda one: (-last_ns[one], one))
        for place, global_id in enumerate(latest):
            seen_ns = last_ns[global_id]
            if place >= config.gallery_limit or seen_ns < oldest_ns:
                self._drop(live, global_id)

    @staticmethod
    def _drop(live: LiveSet, global_id: GlobalId) -> None:
        del live.persons[global_id]
        live.version += 1
        for track in live.tracks.values():
            track.past.pop(global_id, None)
            track.places.pop(global_id, None)


def _newest_ns(tick: Tick) -> int:
    """Return the time of the newest frame of a tick, nanoseconds since 1970 UTC."""
    return max(
        (camera.captured_ns for camera in tick.cameras), default=tick.captured_ns
    )
