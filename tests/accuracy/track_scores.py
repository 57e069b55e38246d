"""How well tracks follow people: HOTA and IDF1 of one camera.

HOTA: Luiten et al. 2020, equations 13 to 17, at the nineteen thresholds of the paper.
IDF1: Ristani et al. 2016, equation 7, at an overlap of one half.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

_THRESHOLDS = np.arange(1, 20) / 20
_SAME = 0.5
_TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class ScoredFrame:
    """One frame: who was there, and which tracks said so.

    Attributes:
        people: Ids from 0. Shape (G,).
        people_px: Corners. Shape (G, 4).
        tracks: Ids from 0. Shape (P,).
        tracks_px: Corners. Shape (P, 4).
    """

    people: NDArray[np.int64]
    people_px: NDArray[np.float64]
    tracks: NDArray[np.int64]
    tracks_px: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """What is reported, each in [0, 1]; higher is better."""

    hota: float
    detection: float
    association: float
    idf1: float


def score(frames: Sequence[ScoredFrame]) -> Scores:
    """Return the scores of a sequence."""
    pairs = [(each, iou(each.people_px, each.tracks_px)) for each in frames]
    people = _counts([each.people for each in frames])
    tracks = _counts([each.tracks for each in frames])
    detection, association = _hota_parts(pairs, people, tracks)
    return Scores(
        hota=float(np.sqrt(detection * association).mean()),
        detection=float(detection.mean()),
        association=float(association.mean()),
        idf1=_idf1(pairs, people, tracks),
    )


def iou(
    first_px: NDArray[np.float64], second_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return intersection over union of boxes. Shape (N, M)."""
    low = np.maximum(first_px[:, None, :2], second_px[None, :, :2])
    high = np.minimum(first_px[:, None, 2:], second_px[None, :, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=2)
    areas = [
        (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first_px, second_px)
    ]
    total = areas[0][:, None] + areas[1] - shared
    return np.asarray(shared / np.maximum(total, _TINY))


def without_ignored(
    frame: ScoredFrame, ignored: NDArray[np.bool_], overlap: float = _SAME
) -> ScoredFrame:
    """Return a frame without some people, and without the tracks that follow those.

    Args:
        frame: The frame.
        ignored: People who do not count. Shape (G,).
        overlap: From which a track follows somebody.
    """
    similarity = iou(frame.people_px, frame.tracks_px)
    good = np.where(similarity >= overlap, similarity + 10.0 * ~ignored[:, None], 0.0)
    rows, columns = linear_sum_assignment(good, maximize=True)
    dropped = columns[(good[rows, columns] > 0) & ignored[rows]]
    kept = np.ones(len(frame.tracks), np.bool_)
    kept[dropped] = False
    return ScoredFrame(
        frame.people[~ignored],
        frame.people_px[~ignored],
        frame.tracks[kept],
        frame.tracks_px[kept],
    )


def _counts(ids: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return in how many frames each id is."""
    return np.bincount(np.concatenate([*ids, np.empty(0, np.int64)]))


_Pairs = Sequence[tuple[ScoredFrame, NDArray[np.float64]]]


def _hota_parts(
    pairs: _Pairs, people: NDArray[np.int64], tracks: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return DetA and AssA at each threshold."""
    together = np.zeros((len(people), len(tracks)))
    for frame, similarity in pairs:
        across = similarity.sum(axis=0) + similarity.sum(axis=1, keepdims=True)
        share = similarity / np.maximum(across - similarity, _TINY)
        together[np.ix_(frame.people, frame.tracks)] += share
    either = people[:, None] + tracks - together
    alignment = together / np.maximum(either, _TINY)
    hits = np.zeros((len(_THRESHOLDS), len(people), len(tracks)))
    for frame, similarity in pairs:
        value = alignment[np.ix_(frame.people, frame.tracks)] * similarity
        rows, columns = linear_sum_assignment(value, maximize=True)
        close = similarity[rows, columns] >= _THRESHOLDS[:, None] - _TINY
        hits[:, frame.people[rows], frame.tracks[columns]] += close
    count = hits.sum(axis=(1, 2))
    detection = count / np.maximum(people.sum() + tracks.sum() - count, 1)
    jaccard = hits / np.maximum(people[:, None] + tracks - hits, 1)
    association = (hits * jaccard).sum(axis=(1, 2)) / np.maximum(count, 1)
    return detection, association


def _idf1(pairs: _Pairs, people: NDArray[np.int64], tracks: NDArray[np.int64]) -> float:
    """Return IDF1."""
    shared = np.zeros((len(people), len(tracks)))
    for frame, similarity in pairs:
        shared[np.ix_(frame.people, frame.tracks)] += similarity >= _SAME
    rows, columns = linear_sum_assignment(shared, maximize=True)
    boxes = people.sum() + tracks.sum()
    return float(2 * shared[rows, columns].sum() / max(boxes, 1))
