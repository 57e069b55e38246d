"""How much speaks for each live track being each person."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.ids import GlobalId
from services.reid.domain.appearance import AppearanceModel, similarity_evidence
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.live_set import LiveSet
from services.reid.domain.person import Person
from services.reid.domain.tracklet import Tracklet

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scores:
    """Evidence for every live track and every person.

    Attributes:
        tracks: Rows, by key.
        persons: Columns, by label.
        row: Row of each track's key.
        column: Column of each person.
        nats: float64, shape (tracks, persons): evidence that they are one, nats;
            minus infinity where that is impossible.
        located: bool, same shape: whether positions of the two were compared.
        floor: float64, same shape: what positions and times contribute to `nats`.
        open_nats: float64, same shape: `nats` as if no live track of the same camera
            stood in the way. For choices that move all tracks of a camera at once.
    """

    tracks: list[Tracklet]
    persons: list[Person]
    row: dict[object, int]
    column: dict[GlobalId, int]
    nats: Matrix
    located: Mask
    floor: Matrix
    open_nats: Matrix

    def of(self, track: Tracklet, global_id: GlobalId) -> float:
        """Return the evidence for one track and one person, nats."""
        return float(self.nats[self.row[track.key], self.column[global_id]])

    def rival(self, track: Tracklet, global_id: GlobalId) -> float:
        """Return the most evidence that a track has for anybody else, nats."""
        others = np.delete(self.nats[self.row[track.key]], self.column[global_id])
        return float(others.max(initial=-np.inf))

    def kept_from(self, track: Tracklet, moving: Sequence[Tracklet]) -> Mask:
        """Return whom a track cannot be because of a live track that does not move.

        Args:
            track: The track.
            moving: Tracks of its camera that are given to persons anew.
        """
        kept = np.zeros(len(self.persons), np.bool_)
        keys = {one.key for one in moving}
        for other in self.tracks:
            at_once = other.key in track.conflicts or track.key in other.conflicts
            if at_once and other.key not in keys and other.global_id is not None:
                kept[self.column[other.global_id]] = True
        return kept


class Scorer:
    """Computes scores, keeping what only changes when tracks change hands."""

    def __init__(self, model: AppearanceModel, config: AssociationConfig) -> None:
        self._model = model
        self._config = config
        self._version = -1
        self._moment = (-1, -1)
        self._latest: Scores | None = None
        self._looks: Matrix = np.zeros((0, 0))
        self._met: Mask = np.zeros((0, 0), np.bool_)
        self._barred: Mask = np.zeros((0, 0), np.bool_)

    def score(self, live: LiveSet) -> Scores:
        """Return the evidence for the live set as it is.

        Within a tick it is computed anew only after something changed hands.
        """
        moment = (live.frame_set, live.version)
        if self._latest is None or self._moment != moment:
            self._latest, self._moment = self._scored(live), moment
        return self._latest

    def _scored(self, live: LiveSet) -> Scores:
        tracks = [live.tracks[key] for key in sorted(live.tracks)]
        persons = sorted(live.persons.values(), key=lambda person: person.label)
        column = {person.global_id: index for index, person in enumerate(persons)}
        members = _membership(tracks, column, len(persons))
        if self._version != live.version:
            self._looks = appearance_evidence(
                tracks, persons, column, self._model, self._config
            )
            self._met = _met_before(tracks, persons) & (members == 0)
            self._barred = _barred(tracks, members)
            self._version = live.version
        floor, located = self._floor_evidence(live, tracks, persons, members)
        said = live.constraints.forbidden([track.key for track in tracks], column)
        met_nats = np.where(located, self._config.met_before_prior, -np.inf)
        open_nats = self._believed(tracks) + floor + np.where(self._met, met_nats, 0.0)
        open_nats[said] = -np.inf
        return Scores(
            tracks=tracks,
            persons=persons,
            row={track.key: index for index, track in enumerate(tracks)},
            column=column,
            nats=np.where(self._barred, -np.inf, open_nats),
            located=located,
            floor=floor,
            open_nats=open_nats,
        )

    def _believed(self, tracks: Sequence[Tracklet]) -> Matrix:
        """Return what appearance says, within what it may say against the floor."""
        located = np.array([track.motion is not None for track in tracks], np.bool_)
        limit = np.where(located, self._config.appearance_located_limit, np.inf)
        believed: Matrix = np.clip(self._looks, -limit[:, None], limit[:, None])
        return believed

    def _floor_evidence(
        self,
        live: LiveSet,
        tracks: Sequence[Tracklet],
        persons: Sequence[Person],
        members: Matrix,
    ) -> tuple[Matrix, Mask]:
        """Return what positions and times say, and where positions were compared."""
        config = self._config
        compared = live.pairs.known.astype(np.float64) @ members
        total = (live.pairs.nats * live.pairs.known) @ members
        cameras = np.array([track.key.camera_id for track in tracks], dtype=object)
        elsewhere = np.asarray(cameras[:, None] != cameras[None, :], np.float64)
        located = compared > 0
        return np.where(
            located,
            total / np.maximum(compared, 1.0),
            np.where(
                elsewhere @ members > 0,
                config.unlocated_prior,
                self._past_evidence(tracks, persons),
            ),
        ), located

    def _past_evidence(
        self, tracks: Sequence[Tracklet], persons: Sequence[Person]
    ) -> Matrix:
        """Return what speaks for a track being somebody without another live track."""
        config = self._config
        on_floor = np.array([track.motion is not None for track in tracks], np.bool_)
        known = np.array([person.motion is not None for person in persons], np.bool_)
        both = on_floor[:, None] & known[None, :]
        past = config.return_prior + np.where(both, config.return_floor_floor, 0.0)
        index = {person.global_id: column for column, person in enumerate(persons)}
        for row, track in enumerate(tracks):
            for global_id, evidence in track.past.items():
                if global_id in index:
                    past[row, index[global_id]] = evidence
        return past


def _membership(
    tracks: Sequence[Tracklet], column: dict[GlobalId, int], person_count: int
) -> Matrix:
    """Return which track belongs to whom, as ones and zeros."""
    members = np.zeros((len(tracks), person_count))
    for row, track in enumerate(tracks):
        if track.global_id is not None:
            members[row, column[track.global_id]] = 1.0
    return members


def _barred(tracks: Sequence[Tracklet], members: Matrix) -> Mask:
    """Return where a camera saw a track and a live track of the person at once."""
    row = {track.key: index for index, track in enumerate(tracks)}
    at_once = np.zeros((len(tracks), len(tracks)))
    for index, track in enumerate(tracks):
        for key in track.conflicts:
            if key in row:
                at_once[index, row[key]] = at_once[row[key], index] = 1.0
    barred: Mask = (at_once @ members > 0) & (members == 0)
    return barred


def _met_before(tracks: Sequence[Tracklet], persons: Sequence[Person]) -> Mask:
    """Return where a camera saw a track and an ended track of the person at once."""
    row = {track.key: index for index, track in enumerate(tracks)}
    met = np.zeros((len(tracks), len(persons)), np.bool_)
    for index, person in enumerate(persons):
        for key in person.past_conflicts:
            if key in row:
                met[row[key], index] = True
    return met


def appearance_evidence(
    tracks: Sequence[Tracklet],
    persons: Sequence[Person],
    column: dict[GlobalId, int],
    model: AppearanceModel,
    config: AssociationConfig,
) -> Matrix:
    """Return what appearance says, nats, shape (tracks, persons); 0 where unknown.

    Each prototype of a track is compared with the person's nearest prototype that is
    not of that track; the track's prototypes are averaged.
    """
    evidence = np.zeros((len(tracks), len(persons)))
    seen = [(row, track) for row, track in enumerate(tracks) if track.prototypes]
    bank: list[NDArray[np.float32]] = []
    owners: list[int] = []
    sources: list[int] = []
    for index, person in enumerate(persons):
        for prototype in person.prototypes:
            bank.append(prototype.vector)
            owners.append(index)
            sources.append(-1)
    for row, track in seen:
        if track.global_id is not None:
            for prototype in track.prototypes:
                bank.append(prototype.vector)
                owners.append(column[track.global_id])
                sources.append(row)
    if not bank or not seen:
        return evidence
    order = np.argsort(owners, kind="stable")
    vectors = np.stack(bank)[order]
    owner, source = np.array(owners)[order], np.array(sources)[order]
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    queries = np.stack([one.vector for _, track in seen for one in track.prototypes])
    query_row = np.array([row for row, track in seen for _ in track.prototypes])
    similarity = queries @ vectors.T
    similarity[query_row[:, None] == source[None, :]] = -2.0
    nearest = np.maximum.reduceat(similarity, starts, axis=1)
    first = np.flatnonzero(np.diff(query_row, prepend=-1))
    sizes = np.array([len(track.prototypes) for _, track in seen])
    mean = np.add.reduceat(nearest, first, axis=0) / sizes[:, None]
    counts = np.array([track.vector_count for _, track in seen], np.float64)
    known = similarity_evidence(mean, counts[:, None], model, config)
    rows = np.array([row for row, _ in seen])
    evidence[np.ix_(rows, owner[starts])] = np.where(mean > -1.5, known, 0.0)
    return evidence
