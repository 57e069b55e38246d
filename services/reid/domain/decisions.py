"""Decide whose the tracks are: join, switch, split, confirm, merge."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from services.common.ids import CameraId, GlobalId
from services.reid.domain.fusion import contradict
from services.reid.domain.live_set import LiveSet, Registry
from services.reid.domain.person import Person
from services.reid.domain.scoring import Scorer, Scores
from services.reid.domain.tracklet import Tracklet
from services.reid.domain.values import EventKind

_FORBIDDEN = -1e6
_PINNED = 1e5
_S_NS = 1_000_000_000


class Decisions:
    """Applies what the evidence says, in an order that names alone decide."""

    def __init__(
        self, registry: Registry, scorer: Scorer, draw_id: Callable[[], GlobalId]
    ) -> None:
        self._registry = registry
        self._live: LiveSet = registry.live
        self._config = registry.config
        self._scorer = scorer
        self._draw_id = draw_id

    def decide(self, supported: Iterable[Tracklet]) -> None:
        """Settle the persons of the tracks that a detection supports."""
        by_camera: dict[CameraId, list[Tracklet]] = {}
        for track in supported:
            by_camera.setdefault(track.key.camera_id, []).append(track)
        for camera_id in sorted(by_camera):
            self._part(by_camera[camera_id])
            self._assign(by_camera[camera_id])
        seen = [track for key in sorted(by_camera) for track in by_camera[key]]
        self._split(seen)
        self._confirm(seen)
        self._merge()

    def _part(self, camera_tracks: list[Tracklet]) -> None:
        """Part tracks that took turns as one person, and now are seen at once."""
        holders: dict[GlobalId, Tracklet] = {}
        pins = self._live.constraints.pins
        for track in sorted(
            camera_tracks,
            key=lambda one: (
                one.key not in pins,
                one.provisional,
                one.begun_ns,
                one.key,
            ),
        ):
            if track.global_id is None:
                continue
            if holders.setdefault(track.global_id, track) is not track:
                # Not even an operator makes two of one who are seen at once.
                pins.pop(track.key, None)
                self._leave(track)

    def _leave(self, track: Tracklet) -> None:
        """Make somebody new of a track; that is a split if its person was final."""
        own = track.global_id
        person = self._registry.found(self._draw_id())
        final, track.provisional = not track.provisional, True
        track.past[person.global_id] = 0.0
        self._registry.bind(track, person.global_id)
        self._inherit_motion(track)
        if final and own is not None:
            self._registry.note(EventKind.SPLIT, own, person.global_id)

    def _assign(self, camera_tracks: list[Tracklet]) -> None:
        """Give the tracks of one camera to different persons, all at once.

        So two tracks that a tracker mixed up can change places. A confirmed track
        moves only when the evidence leads by as much as made it final.
        """
        scores = self._scorer.score(self._live)
        count = len(scores.persons)
        value = np.full((len(camera_tracks), count + len(camera_tracks)), _FORBIDDEN)
        for index, track in enumerate(camera_tracks):
            value[index, :count] = self._worth(scores, track, camera_tracks)
            if track.provisional or not self._is_located(track, scores):
                # Column of its own: somebody new. Whom the floor contradicts leaves
                # below, where it is known which of the tracks does not fit.
                value[index, count + index] = 0.0
        rows, columns = linear_sum_assignment(value, maximize=True)
        for index, column in zip(rows, columns, strict=True):
            track = camera_tracks[index]
            chosen = scores.persons[column].global_id if column < count else None
            self._bind(track, chosen, scores)

    @staticmethod
    def _is_located(track: Tracklet, scores: Scores) -> bool:
        """Return whether positions of a track and its person were compared."""
        if track.global_id is None:
            return False
        row, column = scores.row[track.key], scores.column[track.global_id]
        return bool(scores.located[row, column])

    def _worth(
        self, scores: Scores, track: Tracklet, camera_tracks: list[Tracklet]
    ) -> NDArray[np.float64]:
        """Return what each person is worth to a track, nats."""
        if track.key in self._live.constraints.pins and track.global_id is not None:
            pinned = np.full(len(scores.persons), _FORBIDDEN)
            pinned[scores.column[track.global_id]] = _PINNED
            return pinned
        config, row = self._config, scores.row[track.key]
        located = scores.located[row] & ~scores.kept_from(track, camera_tracks)
        nats = np.where(located, scores.open_nats[row], scores.nats[row])
        worth: NDArray[np.float64] = np.where(
            nats >= config.join_evidence, nats, _FORBIDDEN
        )
        if track.global_id is not None:
            own = scores.column[track.global_id]
            margin = config.switch_margin if track.provisional else config.move_margin
            if not track.provisional and self._is_all_of_its_person(track):
                # Of two who are one, the older stays: they merge below.
                worth[own:] = _FORBIDDEN
            worth[own] = nats[own] + margin
        return worth

    def _is_all_of_its_person(self, track: Tracklet) -> bool:
        """Return whether nothing would be left of a track's person without it."""
        assert track.global_id is not None  # noqa: S101 - the caller checked.
        person = self._live.persons[track.global_id]
        return not person.past_keys and self._live.tracks_of(person.global_id) == [
            track
        ]

    def _bind(self, track: Tracklet, chosen: GlobalId | None, scores: Scores) -> None:
        """Carry out one choice; taking a confirmed track from its person is a split."""
        own, final = track.global_id, not track.provisional
        if chosen is not None and chosen == own:
            return
        evidence = 0.0
        returned = False
        if chosen is None:
            chosen = self._registry.found(self._draw_id()).global_id
        else:
            row, column = scores.row[track.key], scores.column[chosen]
            evidence = float(scores.open_nats[row, column])
            returned = self._was_away(track, chosen)
        if chosen not in track.places:
            track.past.setdefault(chosen, min(evidence, self._config.join_evidence))
        track.returned, track.provisional = returned, True
        self._registry.bind(track, chosen)
        self._inherit_motion(track)
        if final and own in self._live.persons:
            self._registry.note(EventKind.SPLIT, own, chosen)

    def _was_away(self, track: Tracklet, global_id: GlobalId) -> bool:
        """Return whether a person was gone for a while before a track began."""
        if self._live.tracks_of(global_id):
            return False
        last_ns = self._live.last_seen_ns(self._live.persons[global_id])
        gap_ns = track.begun_ns - last_ns
        return gap_ns >= self._config.return_event_gap_s * _S_NS

    def _inherit_motion(self, track: Tracklet) -> None:
        """Place a person who was never located, or was located elsewhere, anew."""
        if track.motion is None or track.global_id is None:
            return
        person = self._live.persons[track.global_id]
        alone = len(self._live.tracks_of(person.global_id)) == 1
        if person.motion is None or alone:
            person.motion = track.motion

    def _split(self, seen: list[Tracklet]) -> None:
        """Take confirmed tracks from persons they clearly do not belong to."""
        scores = self._scorer.score(self._live)
        worst: dict[GlobalId, Tracklet] = {}
        for track in sorted(seen, key=lambda one: (-one.begun_ns, one.key)):
            own = track.global_id
            if track.provisional or own is None:
                continue
            if track.key in self._live.constraints.pins:
                continue
            row, column = scores.row[track.key], scores.column[own]
            if not scores.located[row, column] or (
                scores.floor[row, column] > -self._config.split_evidence
            ):
                continue
            if own not in worst or (
                self._fit(track, scores) < self._fit(worst[own], scores)
            ):
                worst[own] = track
        for _, track in sorted(worst.items()):
            self._leave(track)

    def _fit(self, track: Tracklet, scores: Scores) -> tuple[bool, float]:
        """Return how well a track suits its person: by place, then by evidence."""
        assert track.global_id is not None  # noqa: S101 - the caller checked.
        left = self._live.persons[track.global_id].motion
        stays = (
            track.motion is not None
            and left is not None
            and not contradict(left.fix, track.motion.fix, self._config)
        )
        return stays, scores.of(track, track.global_id)

    def _confirm(self, seen: list[Tracklet]) -> None:
        """Make final what is beyond doubt, and mark what is torn."""
        scores = self._scorer.score(self._live)
        for track in seen:
            if not track.provisional or track.global_id is None:
                continue
            own = scores.of(track, track.global_id)
            rival = scores.rival(track, track.global_id)
            clear = rival < self._config.join_evidence or (
                own - rival >= self._config.confirm_margin
            )
            track.torn = not clear
            if clear and self._is_proven(track, own, scores):
                self._make_final(track)

    def _is_proven(self, track: Tracklet, own: float, scores: Scores) -> bool:
        """Return whether the evidence for a track's person is enough or mature."""
        assert track.global_id is not None  # noqa: S101 - the caller checked.
        if own >= self._config.confirm_evidence:
            return True
        row = scores.row[track.key]
        if scores.located[row, scores.column[track.global_id]]:
            return False
        age_ns = track.listed_ns - track.begun_ns
        mature = age_ns >= self._config.confirm_age_s * _S_NS
        return mature and own >= 0.0

    def _make_final(self, track: Tracklet) -> None:
        """Confirm a track's person, and announce a return."""
        assert track.global_id is not None  # noqa: S101 - the caller checked.
        track.provisional = False
        person = self._live.persons[track.global_id]
        if not person.confirmed:
            person.confirmed = True
            self._registry.changes.touched.add(person.global_id)
        if track.returned:
            track.returned = False
            self._registry.note(EventKind.RETURNED, person.global_id)

    def _merge(self) -> None:
        """Join persons who turned out to be one, the oldest surviving."""
        while (pair := self._next_merge()) is not None:
            survivor, former = pair
            for track in self._live.tracks_of(former.global_id):
                if self._was_away(track, survivor.global_id):
                    track.returned = True
                track.past.setdefault(survivor.global_id, 0.0)
            moved = self._live.tracks_of(former.global_id)
            self._registry.merge(into=survivor.global_id, away=former.global_id)
            for track in moved:
                if track.returned and not track.provisional:
                    self._make_final(track)

    def _next_merge(self) -> tuple[Person, Person] | None:
        """Return the pair of persons that most clearly is one, older first."""
        scores = self._scorer.score(self._live)
        if not scores.tracks:
            return None
        best: tuple[float, Person, Person] | None = None
        for column, former in enumerate(scores.persons):
            rows = [
                row
                for row, track in enumerate(scores.tracks)
                if track.global_id == former.global_id
            ]
            if not rows or all(scores.tracks[row].provisional for row in rows):
                continue
            mean = scores.nats[rows].mean(axis=0)
            mean[column] = -np.inf
            order = np.argsort(-mean, kind="stable")
            top, evidence = int(order[0]), float(mean[order[0]])
            second = float(mean[order[1]]) if len(order) > 1 else -np.inf
            if (
                top < column
                and evidence >= self._config.merge_evidence
                and evidence - second >= self._config.confirm_margin
                and self._can_be_one(scores.persons[top], former, scores)
                and (best is None or evidence > best[0])
            ):
                best = (evidence, scores.persons[top], former)
        return best[1:] if best else None

    def _can_be_one(self, survivor: Person, former: Person, scores: Scores) -> bool:
        """Return whether no camera ever saw the two at once, and nobody parted them."""
        if self._live.told_apart(survivor.global_id, former.global_id):
            return False
        column = scores.column[former.global_id]
        now = all(
            np.isfinite(scores.nats[scores.row[track.key], column])
            for track in self._live.tracks_of(survivor.global_id)
        )
        apart = set(survivor.past_conflicts).isdisjoint(former.past_keys)
        return (
            now and apart and set(former.past_conflicts).isdisjoint(survivor.past_keys)
        )
