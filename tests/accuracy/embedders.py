"""Measure every embedder that can run here: time, and how well it tells people apart.

Crops of two people by three cameras (`epfl-4p-crops`) are a sanity check, no
benchmark. They are measured as they are, and with a colour gain and offset for each
camera, as cameras of different make would have seen them.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from services.common.batching import BatchSettings
from services.common.devices import DeviceSettings
from services.common.errors import SpotOnError
from services.common.images import RgbImage
from services.common.models import (
    EmbedderBackend,
    EmbedderEntry,
    WrongHash,
    cache_dir,
    load_registry,
    locate,
    model_dir,
)
from services.reid.adapters.embedders.clip import ClipEmbedder
from services.reid.adapters.embedders.onnx import OnnxEmbedder
from services.reid.adapters.embedders.stripes import StripesEmbedder
from services.reid.service.embedding import Embedder
from tests.accuracy.random_weights import TITLE, is_possible, write_clip_vit_b32
from tests.accuracy.table import Cell, Table
from tests.fakes.devices import SeenDevices

# By eye there are two people: 0001 and 0006 are one, 0003 is the other.
PEOPLE = {"0001": "A", "0006": "A", "0003": "B"}
SHIFTS = 5
MOST_BATCH = 8
REPETITIONS = 40
COLUMNS = (
    "embedder",
    "dimensions",
    "ms a crop, one at a time",
    f"ms a crop, {MOST_BATCH} at a time",
    "AUC over pairs",
    "AUC, colours shifted",
    "rank-1",
    "half-way similarity",
    "match similarity in use",
)


@dataclass(frozen=True, slots=True)
class Crop:
    """A crop of a person.

    Attributes:
        person: Who it is.
        camera: Who took it.
        pixels: uint8, RGB.
    """

    person: str
    camera: str
    pixels: RgbImage


def read_crops(folder: Path) -> list[Crop]:
    """Return the crops of `epfl-4p-crops`, those left out whose person is unclear."""
    crops = []
    for path in sorted((folder / "reid_eval").glob("*/*.png")):
        _, number, _, camera, *_ = path.name.split("_")
        if number in PEOPLE:
            pixels = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
            crops.append(Crop(PEOPLE[number], camera, np.asarray(pixels, np.uint8)))
    return crops


def shifted(crops: Sequence[Crop], seed: int) -> list[Crop]:
    """Return the crops with a gain and an offset for each camera and channel."""
    rng = np.random.default_rng(seed)
    gains = {
        camera: (rng.uniform(0.8, 1.2, 3), rng.uniform(-12, 12, 3))
        for camera in sorted({crop.camera for crop in crops})
    }
    result = []
    for crop in crops:
        gain, offset = gains[crop.camera]
        pixels = np.clip(crop.pixels * gain + offset, 0, 255).astype(np.uint8)
        result.append(Crop(crop.person, crop.camera, pixels))
    return result


def embed(embedder: Embedder, crops: Sequence[Crop]) -> NDArray[np.float32]:
    """Return the vectors of crops."""
    size = min(embedder.max_batch, BatchSettings().max_batch)
    parts = [
        embedder.embed([crop.pixels for crop in crops[begin : begin + size]])
        for begin in range(0, len(crops), size)
    ]
    return np.concatenate(parts)


def pair_auc(crops: Sequence[Crop], vectors: NDArray[np.float32]) -> float:
    """Return the area under the curve over pairs of crops of different cameras."""
    values, same = [], []
    for one, other in combinations(range(len(crops)), 2):
        if crops[one].camera != crops[other].camera:
            values.append(vectors[one] @ vectors[other])
            same.append(crops[one].person == crops[other].person)
    ranks, positive = rankdata(values), np.array(same)
    hits, misses = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / hits / misses)


def rank_one(crops: Sequence[Crop], vectors: NDArray[np.float32]) -> float:
    """Return how often the nearest crop of another camera shows the same person."""
    similarity = vectors @ vectors.T
    cameras = np.array([crop.camera for crop in crops])
    persons = np.array([crop.person for crop in crops])
    similarity[cameras[:, None] == cameras[None, :]] = -np.inf
    return float((persons[similarity.argmax(axis=1)] == persons).mean())


def balance(crops: Sequence[Crop], vectors: NDArray[np.float32]) -> float:
    """Return the similarity half-way between the means of same and of different."""
    similarity = vectors @ vectors.T
    cameras = np.array([crop.camera for crop in crops])
    persons = np.array([crop.person for crop in crops])
    apart = cameras[:, None] != cameras[None, :]
    same = persons[:, None] == persons[None, :]
    return float(
        (similarity[apart & same].mean() + similarity[apart & ~same].mean()) / 2
    )


def milliseconds(embedder: Embedder, crops: Sequence[Crop], batch: int) -> float:
    """Return the median CPU time per crop, crops already in the model's size."""
    size = (embedder.model.width_px, embedder.model.height_px)
    pixels = [
        np.asarray(
            cv2.resize(crop.pixels, size, interpolation=cv2.INTER_AREA), np.uint8
        )
        for crop in crops[:batch]
    ]
    seconds = []
    for _ in range(REPETITIONS):
        # Everything runs in this thread, so that others' work does not count.
        begin_s = time.thread_time()
        embedder.embed(pixels)
        seconds.append(time.thread_time() - begin_s)
    return 1e3 * float(np.median(seconds)) / batch


def load(entry: EmbedderEntry) -> Embedder:
    """Return an embedder on one thread of the CPU, from files that are here already.

    Raises:
        SpotOnError: It cannot run here.
        WrongHash: Its file is another one.
    """
    if entry.backend is EmbedderBackend.STRIPES:
        return StripesEmbedder()
    here = replace(
        entry, files=tuple(replace(file, sources=()) for file in entry.files)
    )
    located = locate(here, model_dir(), cache_dir())
    backend = ClipEmbedder if entry.backend is EmbedderBackend.CLIP else OnnxEmbedder
    return backend(located.path, entry, DeviceSettings(), SeenDevices())


def row(name: str, embedder: Embedder, crops: Sequence[Crop]) -> list[Cell]:
    """Measure one embedder."""
    vectors = embed(embedder, crops)
    changed = [shifted(crops, seed) for seed in range(SHIFTS)]
    shifted_auc = [pair_auc(one, embed(embedder, one)) for one in changed]
    return [
        name,
        embedder.model.dimensions,
        f"{milliseconds(embedder, crops, 1):.2f}",
        f"{milliseconds(embedder, crops, min(MOST_BATCH, embedder.max_batch)):.2f}",
        f"{pair_auc(crops, vectors):.3f}",
        f"{np.mean(shifted_auc):.3f}",
        f"{rank_one(crops, vectors):.3f}",
        f"{balance(crops, vectors):.2f}",
        f"{embedder.model.match_similarity:.2f}",
    ]


def time_of_random_weights(crops: Sequence[Crop]) -> list[Cell]:
    """Return how long the backend `clip` takes for a model of full size."""
    with TemporaryDirectory() as folder:
        entry = write_clip_vit_b32(Path(folder))
        embedder = ClipEmbedder(Path(folder), entry, DeviceSettings(), SeenDevices())
        times = [
            f"{milliseconds(embedder, crops, batch):.2f}" for batch in (1, MOST_BATCH)
        ]
    name = TITLE.format(name="CLIP ViT-B/32 in torch")
    return [name, embedder.model.dimensions, *times, *["–"] * 5]


def measure() -> Table:
    """Measure every embedder whose files are here."""
    folder = Path(os.environ.get("SPOTON_EVAL_DATA", "")) / "epfl-4p-crops"
    cv2.setNumThreads(1)
    crops = read_crops(folder)
    if not crops:
        reason = f"not run: SPOTON_EVAL_DATA holds no crops, {folder} is empty"
        return Table("embedders", "Embedders", COLUMNS, (), (reason,))
    entries = [
        entry
        for _, entry in sorted(load_registry().entries.items())
        if isinstance(entry, EmbedderEntry)
    ]
    rows, notes = [], []
    for entry in entries:
        try:
            embedder = load(entry)
        except (SpotOnError, WrongHash) as error:
            notes.append(f"`{entry.model_id}` was left out: {error}.")
        else:
            rows.append(row(entry.model_id, embedder, crops))
            if embedder.max_batch < MOST_BATCH:
                most = embedder.max_batch
                notes.append(f"`{entry.model_id}` takes {most} at a time.")
    if is_possible():
        rows.append(time_of_random_weights(crops))
        notes.append("Of random weights only the time means anything.")
    return Table(
        name="embedders",
        title="Embedders",
        columns=COLUMNS,
        rows=rows,
        notes=(
            f"{len(crops)} crops of two people, a sanity check and no benchmark.",
            "Pairs and neighbours are crops of different cameras.",
            f"Colours shifted: gains of 0.8 to 1.2, offsets to 12; mean of {SHIFTS}.",
            "Time of one CPU thread, scaling the crops excluded.",
            *notes,
        ),
    )
