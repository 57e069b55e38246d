"""How much speaks for each live track being each person."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.ids import GlobalId
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.likelihood import Likelihood, learned
from services.reid.domain.live_set import LiveSet
from services.reid.domain.person import Person
from services.reid.domain.tracklet import Tracklet

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]


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
            prior = self._model.prior(self._config)
            likelihood = learned(prior, live.looks)
            self._looks = appearance_evidence(
                tracks, persons, column, likelihood, self._config
            )
            self._met = _met_before(tracks, persons) & (members == 0)
            self._barred = _barred(tracks, members)
            self._version = live.version
        floor, located = self._floor_evidence(live, tracks, persons, members)
        said = live.constraints.forbidden([track.key for track in tracks], column)
        met_nats = np.where(located, self._config.met_before_prior, -np.inf)
        open_nats = (
            self._believed(tracks, located) + floor + np.where(self._met, met_nats, 0.0)
        )
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

    def _believed(self, tracks: Sequence[Tracklet], compared: Mask) -> Matrix:
        """Return what appearance says, within what it may say against the floor.

        One look proves nothing against two positions that were compared: from another
        side the same person looks like another. What more looks say counts more.

        Args:
            tracks: Of the rows.
            compared: Pairs whose positions were compared.
        """
        config = self._config
        on_floor = np.array([track.motion is not None for track in tracks], np.bool_)
        limit = np.where(on_floor, config.appearance_located_limit, np.inf)[:, None]
        believed: Matrix = np.clip(self._looks, -limit, limit)
        looks = np.array(
            [sum(one.count for one in track.prototypes) for track in tracks], np.float64
        )
        share = np.clip((looks - 1.0) / (config.embed_first_count - 1.0), 0.0, 1.0)
        least = -config.appearance_located_limit * share[:, None]
        return np.where(compared, np.maximum(believed, least), believed)

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
        past, place = self._past_evidence(tracks, persons)
        apart = np.where(
            elsewhere @ members > 0,
            config.unlocated_prior + place,
            past,
        )
        pairs = total / np.maximum(compared, 1.0) + place
        return np.where(located, pairs, apart), located

    def _past_evidence(
        self, tracks: Sequence[Tracklet], persons: Sequence[Person]
    ) -> tuple[Matrix, Matrix]:
        """Return what speaks for a track being somebody without another live track.

        Returns:
            That, and the part of it that the place says, which also counts for
            somebody whom other cameras see.
        """
        config = self._config
        on_floor = np.array([track.motion is not None for track in tracks], np.bool_)
        known = np.array([person.motion is not None for person in persons], np.bool_)
        both = on_floor[:, None] & known[None, :]
        past = config.return_prior + np.where(both, config.return_floor_floor, 0.0)
        place, least = np.zeros(past.shape), config.return_floor_floor
        index = {person.global_id: column for column, person in enumerate(persons)}
        for row, track in enumerate(tracks):
            for global_id, evidence in track.past.items():
                if global_id in index:
                    past[row, index[global_id]] = evidence
            for global_id, evidence in track.places.items():
                if global_id in index:
                    past[row, index[global_id]] = evidence
                    place[row, index[global_id]] = max(evidence, least)
        return past, place


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
    likelihood: Likelihood,
    config: AssociationConfig,
) -> Matrix:
    """Return what appearance says, nats, shape (tracks, persons); 0 where unknown.

    A person looks like one of the prototypes that are not of the track itself, or
    like the mean of all of them: which one is not known, so their likelihoods are
    averaged. The track's own prototypes are averaged by the vectors behind them.
    """
    evidence = np.zeros((len(tracks), len(persons)))
    seen = [(row, track) for row, track in enumerate(tracks) if track.prototypes]
    bank = [
        (index, -1, prototype)
        for index, person in enumerate(persons)
        for prototype in person.prototypes
    ]
    bank += [
        (column[track.global_id], row, prototype)
        for row, track in seen
        if track.global_id is not None
        for prototype in track.prototypes
    ]
    if not bank or not seen:
        return evidence
    bank.sort(key=lambda one: one[0])
    owner = np.array([one[0] for one in bank])
    source = np.array([one[1] for one in bank])
    vectors = np.stack([one[2].vector for one in bank]).astype(np.float64)
    counts = np.array([float(one[2].count) for one in bank])
    starts = np.flatnonzero(np.diff(owner, prepend=-1))

    queries = np.stack([one.vector for _, track in seen for one in track.prototypes])
    query_counts = np.array([float(one.count) for _, t in seen for one in t.prototypes])
    query_row = np.array([row for row, track in seen for _ in track.prototypes])
    foreign = query_row[:, None] != source[None, :]
    similarity = queries @ vectors.T
    each = likelihood.evidence(similarity, query_counts[:, None], counts[None, :])
    each = np.clip(each, -config.appearance_limit, config.appearance_limit)
    weight = np.where(foreign, 1.0, 0.0)
    like = np.add.reduceat(weight * np.exp(each), starts, axis=1)
    views = np.add.reduceat(weight, starts, axis=1)

    mean, total = _to_means(similarity, vectors, counts, foreign, starts)
    of_mean = likelihood.evidence(mean, query_counts[:, None], np.maximum(total, 1.0))
    of_mean = np.clip(of_mean, -config.appearance_limit, config.appearance_limit)
    like += np.where(total > 0, np.exp(of_mean), 0.0)
    views += total > 0
    nats = np.log(np.maximum(like, 1e-300) / np.maximum(views, 1.0))
    nats = np.where(views > 0, nats, 0.0)

    first = np.flatnonzero(np.diff(query_row, prepend=-1))
    sizes = np.add.reduceat(query_counts, first)
    mean = np.add.reduceat(nats * query_counts[:, None], first, axis=0) / sizes[:, None]
    rows = np.array([row for row, _ in seen])
    evidence[np.ix_(rows, owner[starts])] = mean
    return evidence


def _to_means(
    similarity: Matrix, vectors: Matrix, counts: Matrix, foreign: Mask, starts: Indices
) -> tuple[Matrix, Matrix]:
    """Return the cosines of queries with the means of persons, and the vectors behind.

    Args:
        similarity: Of queries and prototypes, shape (queries, prototypes).
        vectors: Prototypes, person by person.
        counts: Vectors behind each prototype.
        foreign: Which prototypes are not of the query's own track, same shape as
            `similarity`; the others are left out of the mean.
        starts: First prototype of each person.
    """
    weighted = foreign * counts
    towards = np.add.reduceat(weighted * similarity, starts, axis=1)
    total = np.add.reduceat(weighted, starts, axis=1)
    sums = np.add.reduceat(vectors * counts[:, None], starts, axis=0)
    length = np.broadcast_to(np.linalg.norm(sums, axis=1), total.shape).copy()
    # A track is of one person at most: few means lack a part.
    person = np.searchsorted(starts, np.arange(len(counts)), side="right") - 1
    for query, prototype in zip(*np.nonzero(~foreign), strict=True):
        own = person[prototype]
        part = ~foreign[query] & (person == own)
        rest = sums[own] - counts[part] @ vectors[part]
        length[query, own] = np.linalg.norm(rest)
    return towards / np.maximum(length, 1e-9), total
