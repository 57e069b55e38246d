"""Everything that the native tracker remembers, and its form in a checkpoint."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.common.errors import InvalidInput
from services.common.ids import ModelId
from services.tracker.domain import kalman
from services.tracker.domain.appearance import MOST_DIMENSIONS, Likeness, Looks
from services.tracker.domain.familiarity import Familiarity
from services.tracker.domain.packing import pack_arrays, unpack_arrays
from services.tracker.domain.track_table import TrackTable, new_tracks

_VECTORS = [field.name for field in fields(TrackTable)].index("vectors")
NO_TRACKS = new_tracks(np.empty(0, np.int64), np.empty((0, 4)), 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class NativeState:
    """The state between two frames.

    Attributes:
        tracks: Living tracks.
        next_id: Id of the next track; ids below it were given.
        time_ns: Capture time of the last frame; 0 before the first.
        model_id: Model of the tracks' vectors; empty while there are none.
        looks: What was learned about that model's vectors.
    """

    tracks: TrackTable
    next_id: int
    time_ns: int
    model_id: ModelId
    looks: Looks


EMPTY = NativeState(
    NO_TRACKS,
    next_id=1,
    time_ns=0,
    model_id=ModelId(""),
    looks=Looks(),
)


def pack(state: NativeState) -> bytes:
    """Return a state as bytes."""
    likeness, familiarity = state.looks.likeness, state.looks.familiarity
    scalars = np.array(
        [
            state.next_id,
            state.time_ns,
            likeness.pairs,
            familiarity.same_pairs,
            familiarity.different_pairs,
        ],
        np.int64,
    )
    looks = np.array(
        [
            likeness.distance,
            familiarity.same,
            familiarity.different,
            familiarity.variance,
        ]
    )
    model_id = np.frombuffer(state.model_id.encode(), np.uint8)
    columns = (getattr(state.tracks, field.name) for field in fields(TrackTable))
    return pack_arrays([scalars, looks, model_id, *columns])


def unpack(packed: bytes) -> NativeState:
    """Return the state that `pack` was given, by this version or the one before.

    Raises:
        InvalidInput: The bytes are not such a state.
    """
    arrays = _with_familiarity(unpack_arrays(packed))
    scalars, looks, model_id, *columns = _require_layout(arrays)
    next_id, time_ns, pairs, same_pairs, different_pairs = (
        int(value) for value in scalars
    )
    tracks = TrackTable(*columns)
    ids = tracks.track_ids
    if next_id < 1 or (ids < 1).any() or (ids >= next_id).any():
        raise InvalidInput("holds track ids that were never given")
    motion = tracks.motion
    possible = np.isfinite(motion).all() and (motion[:, kalman.VARIANCE] > 0).all()
    if (
        not (np.diff(ids) > 0).all()
        or not possible
        or not np.isfinite(looks).all()
        or not np.isfinite(tracks.doubts).all()
        or not 0 <= looks[0] <= 2
        or looks[3] <= 0
        or min(pairs, same_pairs, different_pairs) < 1
    ):
        raise InvalidInput("holds tracks that cannot be")
    try:
        name = model_id.tobytes().decode()
    except UnicodeDecodeError:
        raise InvalidInput("holds no name of a model") from None
    distance, same, different, variance = (float(value) for value in looks)
    learned = Looks(
        Likeness(distance, pairs),
        Familiarity(same, different, variance, same_pairs, different_pairs),
    )
    return NativeState(tracks, next_id, time_ns, ModelId(name), learned)


def _with_familiarity(arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the arrays of this version; the one before knew no familiarity."""
    if len(arrays) != 2 + len(fields(TrackTable)):
        return arrays
    scalars, looks, *rest = arrays
    fresh = Familiarity()
    if scalars.shape != (3,) or looks.shape != (1,):
        return arrays
    pairs = np.array([fresh.same_pairs, fresh.different_pairs], np.int64)
    means = np.array([fresh.same, fresh.different, fresh.variance])
    return [
        np.concatenate((scalars, pairs)),
        np.concatenate((looks, means)),
        *rest,
        np.zeros(len(rest[1])),
    ]


def _require_layout(arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return arrays if their number, types and shapes are those of a state."""
    columns = [getattr(NO_TRACKS, field.name) for field in fields(TrackTable)]
    if len(arrays) != 3 + len(columns):
        raise InvalidInput("holds another number of arrays")
    scalars, looks, model_id, *given = arrays
    good = scalars.dtype == np.int64 and scalars.shape == (5,)
    good &= looks.dtype == np.float64 and looks.shape == (4,)
    good &= model_id.dtype == np.uint8 and model_id.ndim == 1
    for array, like in zip(given, columns, strict=True):
        # The length of vectors is the only dimension that is not fixed.
        fixed = 1 if like.dtype == np.float16 else None
        good &= array.dtype == like.dtype and array.ndim == like.ndim
        good &= array.shape[1:fixed] == like.shape[1:fixed]
        good &= array.shape[:1] == given[0].shape[:1]
    if not good or given[_VECTORS].shape[1] > MOST_DIMENSIONS:
        raise InvalidInput("holds arrays of another form")
    return arrays
