"""The package boxmot itself, imported when a tracker of it is named.

It is no dependency of SpotOn: its licence and its size (it needs torch) are a choice of
whoever installs it.
"""

import importlib
import importlib.util
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.common.errors import NotReady
from services.tracker.adapters.boxmot_kinds import BoxmotKind
from services.tracker.adapters.object_graph import (
    Vocabulary,
    pack_objects,
    unpack_objects,
)
from services.tracker.domain.arrays import VectorArray
from services.tracker.domain.frame import Detections
from services.tracker.domain.tracker import TrackerSettings

HOW_TO_INSTALL = "make install VARIANT=boxmot"

_STATEFUL_MODULES = ("boxmot.motion.", "boxmot.trackers.")
_COMMON_STATE = (
    "active_tracks",
    "frame_count",
    "id_allocator",
    "last_emb_size",
    "_canonical_to_kernel_class_id",
    "_kernel_to_canonical_class_id",
    "_last_timestamp_s",
)
_FRAME_NAME = "frame"
_MOST_IDS = 2**23
"""The library reports its ids as float32, which counts to twice that."""
_FASTEST_HZ = 60
_REMEMBERED_OBSERVATIONS = 8
"""Past boxes that OC-SORT and its kin look at are the last three."""


def is_installed() -> bool:
    """Return whether the package and torch are there, without importing them."""
    return all(importlib.util.find_spec(name) for name in ("boxmot", "torch"))


@dataclass(frozen=True, slots=True)
class Row:
    """One track after a frame.

    Attributes:
        library_id: The library's number.
        predicted_box_px: Corners at which it believes the person.
        detection: Detection that supported it in this frame, None for none.
    """

    library_id: int
    predicted_box_px: list[float]
    detection: int | None


class BoxmotLibrary:
    """One tracker object of the package, with its differences evened out."""

    def __init__(
        self, kind: BoxmotKind, settings: TrackerSettings, *, with_appearance: bool
    ) -> None:
        """Build the tracker.

        Raises:
            NotReady: The package cannot be imported; says how to install it.
        """
        self._kind = kind
        package, self._structures, self._torch = _packages()
        self._vocabulary = _vocabulary()
        self.version: str = package.__version__
        options = kind.options(settings)
        if kind.appearance and not kind.needs_appearance:
            options["use_embeddings"] = with_appearance
        if kind.counts_seconds:
            options["variable_dt"] = True
        remembered = max(50, int(_FASTEST_HZ * settings.coast_s))
        self._tracker = getattr(package, kind.class_name)(max_obs=remembered, **options)
        # HybridSORT and StrongSORT have no switch for it.
        self._tracker.cmc = None
        self._tracker._requires_frame = False  # noqa: SLF001

    def update(
        self,
        detections: Detections,
        vectors: VectorArray | None,
        most_unseen: int,
    ) -> set[int]:
        """Take a frame and return the ids of the tracks that the library reports.

        Args:
            detections: The frame.
            vectors: A unit vector for each detection, where appearance is used.
            most_unseen: Frames after which an unseen track ends.
        """
        self._reuse_ids()
        for name in self._kind.age_limits:
            setattr(self._tracker, name, most_unseen)
        for track in self._tracks():
            # StrongSORT's tracks remember the limit of the day they began.
            if hasattr(track, "_max_age"):
                track._max_age = most_unseen  # noqa: SLF001
        clock = {}
        if self._kind.counts_seconds:
            clock["timestamp_s"] = detections.time_ns / 1e9
        tracks = self._tracker.update(self._input(detections, vectors), None, **clock)
        self._forget()
        return set(tracks.track_ids.tolist())

    def rows(self) -> list[Row]:
        """Return the tracks that live, by the library's number."""
        frame, reading = self._tracker.frame_count, self._kind.reading
        rows = [
            Row(
                int(track.id),
                np.asarray(reading.predicted_box(track), np.float64).tolist(),
                int(track.det_ind) if reading.seen(track, frame) else None,
            )
            for track in self._tracks()
        ]
        return sorted(rows, key=lambda row: row.library_id)

    def drop(self, library_ids: set[int]) -> None:
        """End tracks."""
        for name in self._kind.lists:
            kept = [
                track
                for track in getattr(self._tracker, name)
                if track.id not in library_ids
            ]
            setattr(self._tracker, name, kept)
        # StrongSORT has its tracks under two names.
        if "tracks" in self._kind.lists:
            self._tracker.active_tracks = self._tracker.tracks

    def forget_looks(self) -> None:
        """Let the next vectors have any length. No track may live."""
        self._tracker.last_emb_size = None

    def pack(self) -> bytes:
        """Return everything that the next frames depend on."""
        values = {name: getattr(self._tracker, name) for name in self._state()}
        return pack_objects(values, self._vocabulary)

    def unpack(self, packed: bytes) -> None:
        """Continue from what `pack` returned.

        Raises:
            InvalidInput: It is no state of this tracker.
        """
        values = unpack_objects(packed, self._vocabulary)
        for name in self._state():
            setattr(self._tracker, name, values.get(name))

    def _state(self) -> tuple[str, ...]:
        return _COMMON_STATE + self._kind.state

    def _tracks(self) -> list[Any]:
        """Return the track objects that live."""
        return [
            track
            for name in self._kind.lists
            for track in getattr(self._tracker, name)
            if not _is_removed(track)
        ]

    def _reuse_ids(self) -> None:
        """Let the library count from 0 again, where that is far from living tracks."""
        allocator = self._tracker.id_allocator
        if allocator.next_id < _MOST_IDS:
            return
        if all(track.id >= _MOST_IDS // 2 for track in self._tracks()):
            allocator.next_id = 0

    def _forget(self) -> None:
        """Drop what the library keeps for ever, or for drawings only."""
        lost = getattr(self._tracker, "lost_stracks", None)
        if lost is not None:
            removed = self._tracker.removed_stracks
            kept = [track for track in removed if track in lost]
            removed.clear()
            removed.extend(kept)
        for track in self._tracks():
            track.history_observations.clear()
            observations = getattr(track, "observations", {})
            for age in list(observations)[:-_REMEMBERED_OBSERVATIONS]:
                del observations[age]

    def _input(self, detections: Detections, vectors: VectorArray | None) -> Any:
        """Return the detections as the library takes them."""
        torch, count = self._torch, len(detections)
        boxes_px = torch.from_numpy(detections.boxes_px.astype(np.float32))
        return self._structures.Detections(
            self._structures.Boxes(boxes_px),
            torch.from_numpy(detections.scores.astype(np.float32)),
            torch.zeros(count, dtype=torch.int64),
            _FRAME_NAME,
            embeddings=None if vectors is None else torch.from_numpy(vectors),
        )


def _is_removed(track: Any) -> bool:
    """Return whether a track ended that ByteTrack or BoT-SORT keep one frame longer."""
    removed = getattr(track, "removed_state", None)
    return removed is not None and track.state == removed


def _packages() -> tuple[Any, Any, Any]:
    """Return boxmot, its structures, and torch.

    Raises:
        NotReady: They cannot be imported.
    """
    try:
        torch = importlib.import_module("torch")
        package = importlib.import_module("boxmot")
        structures = importlib.import_module("boxmot.structures")
    except ImportError as error:
        raise NotReady(
            f"the package boxmot is not installed ({error}): {HOW_TO_INSTALL}"
        ) from None
    importlib.import_module("boxmot.utils")
    # It announces every tracker that is built, in colours.
    logging.getLogger("boxmot").setLevel(logging.WARNING)
    return package, structures, torch


def _vocabulary() -> Vocabulary:
    """Return what the library's state is made of."""
    motion = importlib.import_module("boxmot.trackers.common.motion")
    return Vocabulary(
        _STATEFUL_MODULES,
        {
            motion.MotionModelAdapter: (
                lambda model: model.kind.value,
                lambda kind: motion.create_motion_model(str(kind)),
            )
        },
    )
