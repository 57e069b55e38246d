"""Measure how fast each detector is, and how well it finds people."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2

from demo.media import MediaUnavailable
from services.common.broken_answers import BrokenAnswer
from services.common.devices import DeviceSettings
from services.common.errors import SpotOnError
from services.common.models import (
    DetectorEntry,
    WrongHash,
    cache_dir,
    load_registry,
    model_dir,
)
from services.common.models.locating import home_of
from services.detector.adapters.cutting import cut_tiles
from services.detector.adapters.loading import load_detector
from services.detector.batching import Detector
from services.detector.config import DEFAULT_MODEL
from services.detector.domain.detections import Detections
from services.detector.domain.geometry import Size
from services.detector.domain.merge import merge_tiles
from services.detector.domain.tiles import RgbImage, TilePolicy
from tests.accuracy.pets import AnnotatedFrame, NoData, annotated_frames
from tests.accuracy.precision import Compared, Precision, precision_of
from tests.accuracy.random_weights import TITLE, is_possible, write_rtdetr_r50
from tests.accuracy.table import Cell, Table
from tests.fakes.devices import SeenDevices

COLUMNS = (
    "model",
    "input, pixels",
    "tiles",
    "AP50",
    "best F1",
    "at score",
    "ms a frame",
)
MOST_SLOW_FRAMES = 12
_LEAST_SCORE = 0.01
"""The whole curve of precision over recall needs people of low scores too."""

_NOTES = (
    (
        "69 annotated frames of PETS2009 View 1, seen by the three cameras of plaza; "
        "people of whom a camera shows less than half may be found or not."
    ),
    (
        "Time is the median of what one thread computes for a frame; scaling, cutting "
        "and merging are included."
    ),
)


def measure() -> Table:
    """Measure every detector of the registry that can run here."""
    notes = [*_NOTES]
    rows: list[Sequence[Cell]] = []
    try:
        frames = annotated_frames()
    except (NoData, MediaUnavailable) as reason:
        return Table("detectors", "Detectors", COLUMNS, (), (f"not run: {reason}",))
    for entry in load_registry().entries.values():
        if not isinstance(entry, DetectorEntry):
            continue
        try:
            rows.append(_row(entry, frames))
        except (SpotOnError, WrongHash, _NotHere) as reason:
            notes.append(f"{entry.model_id} not run: {reason}")
    if is_possible():
        rows.append(_time_of_random_weights(frames[:MOST_SLOW_FRAMES]))
        notes.append("Of random weights only the time means anything.")
    return Table("detectors", "Detectors", COLUMNS, rows, notes)


def _time_of_random_weights(frames: Sequence[AnnotatedFrame]) -> Sequence[Cell]:
    """Return how long the backend `transformers` takes for a model of full size."""
    with TemporaryDirectory() as folder:
        entry = write_rtdetr_r50(Path(folder))
        from services.detector.adapters.transformers import TransformersDetector

        detector = TransformersDetector(
            Path(folder), entry, DeviceSettings(), SeenDevices()
        )
        run = _run(detector, entry, frames)
    name = TITLE.format(name="RT-DETR R50 in torch")
    size = f"{entry.input_width_px} x {entry.input_height_px}"
    return (name, size, "1 x 1", "–", "–", "–", run.frame_ms)


class _NotHere(Exception):
    """A model's files are not on this machine."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What one model did with all frames.

    Attributes:
        precision: How well it found people.
        frame_ms: Median time for a frame, milliseconds of one thread.
    """

    precision: Precision
    frame_ms: float


def _row(entry: DetectorEntry, frames: Sequence[AnnotatedFrame]) -> Sequence[Cell]:
    """Return what was measured of one model.

    Raises:
        _NotHere: Its files would have to be fetched.
        SpotOnError: It cannot run.
        WrongHash: A file is another one.
    """
    _require_files(entry)
    detector = load_detector(
        replace(entry, low_score=_LEAST_SCORE),
        DeviceSettings(),
        SeenDevices(),
        model_dir=model_dir(),
        cache_dir=cache_dir(),
        threads=1,
    )
    run = _run(detector, entry, frames)
    return (
        entry.model_id,
        f"{entry.input_width_px} x {entry.input_height_px}",
        f"{entry.tile_columns} x {entry.tile_rows}",
        run.precision.ap50,
        run.precision.best_f1,
        run.precision.best_score,
        run.frame_ms,
    )


def _require_files(entry: DetectorEntry) -> None:
    """Return if nothing but the default model would have to be fetched."""
    folders = [folder for folder in (model_dir(), cache_dir()) if folder is not None]
    if entry.model_id != DEFAULT_MODEL and not any(
        _holds(home_of(entry, folder), entry) for folder in folders
    ):
        fetch = f"python -m services.common.models fetch {entry.model_id}"
        raise _NotHere(f"its files are not here; `{fetch}` fetches those that it can")


def _holds(folder: Path, entry: DetectorEntry) -> bool:
    """Return whether a folder has every file of a model."""
    return all((folder / file.name).is_file() for file in entry.files)


def _run(
    detector: Detector, entry: DetectorEntry, frames: Sequence[AnnotatedFrame]
) -> _Run:
    """Search every frame, in this thread alone."""
    policy = TilePolicy(entry.tile_columns, entry.tile_rows, entry.tile_overlap)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    compared, times_s = [], []
    try:
        _searched(detector, policy, frames[0].pixels)
        for frame in frames:
            begin_s = time.thread_time()
            found = _searched(detector, policy, frame.pixels)
            times_s.append(time.thread_time() - begin_s)
            compared.append(
                Compared(found.boxes_px, found.scores, frame.people, frame.ignored)
            )
    finally:
        cv2.setNumThreads(threads)
    return _Run(precision_of(compared), 1e3 * median(times_s))


def _searched(detector: Detector, policy: TilePolicy, pixels: RgbImage) -> Detections:
    """Return the people of a frame, as the service finds them.

    Raises:
        BrokenAnswer: The model answered NaN or infinity.
    """
    tiles = cut_tiles(pixels, policy, detector.input_size)
    placed = []
    for tile in tiles:
        (answer,) = detector.detect([tile.pixels])
        if isinstance(answer, BrokenAnswer):
            raise answer
        placed.append(answer.to_frame(tile.size, tile.region))
    height, width = pixels.shape[:2]
    return merge_tiles(placed, [tile.region for tile in tiles], Size(width, height))
