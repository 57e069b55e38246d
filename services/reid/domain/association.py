"""Association of tracks to persons, one frame set after another.

Tracks of different cameras are one person when floor distance, appearance and time
say so for long enough; the order of decisions depends on names and labels alone, so
the same ticks give the same answers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from services.common.ids import GlobalId
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.attention import embeddings_wanted
from services.reid.domain.decisions import Decisions
from services.reid.domain.feedback import Command, Effect, Named
from services.reid.domain.feedback_rules import FeedbackRules
from services.reid.domain.intake import Intake
from services.reid.domain.likelihood import AppearanceStatistics
from services.reid.domain.live_set import Changes, LiveSet, Registry
from services.reid.domain.person import Person
from services.reid.domain.presence import (
    accept_portraits,
    assignments,
    presences,
    want_portraits,
)
from services.reid.domain.recall import Question, admit, keep_apart
from services.reid.domain.scoring import Scorer
from services.reid.domain.suspicions import Suspicion, suspicions
from services.reid.domain.tracklet import Tracklet
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
        if live.looks.model_id != model.model_id:
            # What was learned of another model's vectors says nothing of these.
            live.looks = AppearanceStatistics(model_id=model.model_id)

    def wanted(self, tick: Tick) -> tuple[TrackKey, ...]:
        """Return the tracks whose vectors should come with `tick`, changing nothing."""
        return embeddings_wanted(self.live, tick, self.config)

    def due(self, tick: Tick) -> list[Question]:
        """Return the questions to the archive whose answers should enter at `tick`."""
        return self.live.recall.due(self._time_ns(tick))

    def apply(
        self,
        tick: Tick,
        asked: Iterable[TrackKey] = (),
        recalled: Mapping[GlobalId, Sequence[Person]] | None = None,
    ) -> tuple[TickAnswer, Changes]:
        """Change the live set by one tick and return who is who.

        Args:
            tick: Valid sightings, with the vectors that were asked for.
            asked: Tracks whose vectors were asked for, whether they came or not.
            recalled: By the new person that was asked about: whom the archive names.
        """
        live, tick = self.live, self._usable(tick)
        time_ns = self._time_ns(tick)
        if recalled and admit(
            live.persons,
            live.tracks.values(),
            live.recall,
            recalled,
            time_ns,
            self.config,
        ):
            live.version += 1
        registry = Registry(live, self.config, tick.frame_set, time_ns)
        intake = Intake(registry, self._model, self._draw_id, time_ns)
        intake.take(tick)
        keep_apart(live.recall, live.tracks.values())
        live.frame_set, live.time_ns = tick.frame_set, time_ns
        for key in asked:
            if key in live.tracks:
                live.tracks[key].asked_ns = time_ns
        Decisions(registry, self._scorer, self._draw_id).decide(intake.supported)
        self._forget(registry)
        self._ask(registry)
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

    def suspicions(self) -> tuple[Suspicion, ...]:
        """Return what seems wrong with cameras, clocks or the embedder, sorted."""
        live = self.live
        return suspicions(live.looks, live.floors, live.watches.items(), self.config)

    def carry_out(self, command: Command, named: Named) -> tuple[Effect, Changes]:
        """Change the live set as an operator says.

        Args:
            command: What was said.
            named: Whom it names; all of them are in the live set.

        Raises:
            InvalidInput: It contradicts what cameras saw, or earlier feedback.
            NotFound: A track is not live.
        """
        registry = Registry(self.live, self.config, None, self.live.time_ns)
        effect = FeedbackRules(registry, self._draw_id).carry_out(command, named)
        return effect, registry.changes

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
        present = live.present_ids()
        for global_id in live.recall.settle(
            present, live.tracks.values(), live.time_ns
        ):
            self._drop(live, global_id)
        absent = live.persons.keys() - present - live.recall.guests.keys()
        last_ns = {one: live.persons[one].left_ns for one in absent}
        latest = sorted(absent, key=lambda one: (-last_ns[one], one))
        for place, global_id in enumerate(latest):
            seen_ns = last_ns[global_id]
            if place >= config.gallery_limit or seen_ns < oldest_ns:
                self._drop(live, global_id)

    def _ask(self, registry: Registry) -> None:
        """Ask the archive about who is new."""
        live = registry.live
        tracks: dict[GlobalId, list[Tracklet]] = {}
        for key in sorted(live.tracks):
            track = live.tracks[key]
            if track.global_id is not None and track.prototypes:
                tracks.setdefault(track.global_id, []).append(track)
        for global_id in sorted(tracks):
            question = live.recall.ask(
                live.persons[global_id], tracks[global_id], live.time_ns, self.config
            )
            if question is not None:
                registry.changes.questions.append(question)

    def _time_ns(self, tick: Tick) -> int:
        """Return the time that the live set is at after a tick."""
        return max(self.live.time_ns, _newest_ns(tick))

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
