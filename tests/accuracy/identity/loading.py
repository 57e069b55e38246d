"""Find out in which form a folder holds a recording."""

from functools import partial
from pathlib import Path

from tests.accuracy.identity import csv_layout, motchallenge, wildtrack
from tests.accuracy.identity.recording import Recording, shortened
from tests.accuracy.identity.runs import Source
from tests.accuracy.identity.unusable import UnusableData

CSV_FILE = "detections.csv"


def source_of(folder: Path, floor: str, duration_s: float | None) -> Source:
    """Return the recording in a folder.

    Args:
        folder: In the CSV layout, or of MOTChallenge, MTMMC or WILDTRACK.
        floor: Name of the file that describes cameras and floor, in the CSV layout.
        duration_s: How much of it is wanted; None for all.

    Raises:
        UnusableData: The folder is in no form that is known.
    """
    if not folder.is_dir():
        raise UnusableData(f"{folder} is not a folder")
    if (folder / CSV_FILE).is_file():
        seeds = csv_layout.seeds_in(folder)
        return Source(partial(_load_csv, folder, floor, duration_s), seeds)
    if (folder / wildtrack.ANNOTATIONS).is_dir():
        return Source(partial(_load_wildtrack, folder, duration_s))
    if motchallenge.camera_folders(folder):
        return Source(partial(_load_mot, folder, duration_s))
    raise UnusableData(
        f"{folder} has no {CSV_FILE}, no {wildtrack.ANNOTATIONS}, and no gt/gt.txt or "
        "det/det.txt in it or in its folders"
    )


def _load_csv(
    folder: Path, floor: str, duration_s: float | None, seed: int | None
) -> Recording:
    return _cut(csv_layout.load(folder, seed, floor), duration_s)


def _load_wildtrack(
    folder: Path, duration_s: float | None, seed: int | None
) -> Recording:
    del seed
    return _cut(wildtrack.load(folder), duration_s)


def _load_mot(folder: Path, duration_s: float | None, seed: int | None) -> Recording:
    del seed
    return _cut(motchallenge.load(folder), duration_s)


def _cut(recording: Recording, duration_s: float | None) -> Recording:
    return recording if duration_s is None else shortened(recording, duration_s)
