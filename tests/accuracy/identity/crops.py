"""EPFL's crops: how well embedders tell two people apart, a sanity check."""

from pathlib import Path

from services.common.errors import SpotOnError
from services.common.models import EmbedderEntry, WrongHash, load_registry
from tests.accuracy.embedders import embed, load, pair_auc, rank_one, read_crops
from tests.accuracy.identity.figures import Figures
from tests.accuracy.table import Table

FOLDER = "epfl-4p-crops"
EMBEDDERS = (
    "stripes-hsv-v1",
    "osnet-x0-25-msmt17",
    "person-reidentification-retail-0248",
)


def measure(data: Path) -> tuple[dict[str, Figures], list[str]]:
    """Return rank-1 and pair AUC of each embedder, and why others were left out.

    Args:
        data: Folder of the evaluation data.
    """
    crops, entries = read_crops(data / FOLDER), load_registry().entries
    found: dict[str, Figures] = {}
    left_out = []
    for name in EMBEDDERS:
        entry = entries.get(name)
        try:
            if not isinstance(entry, EmbedderEntry):
                left_out.append(f"{name} is not in the registry.")
                continue
            vectors = embed(load(entry), crops)
        except (SpotOnError, WrongHash) as error:
            left_out.append(f"{name} was left out: {error}.")
        else:
            found[name.replace("-", "_")] = {
                "rank1": rank_one(crops, vectors),
                "pair_auc": pair_auc(crops, vectors),
                "crops": float(len(crops)),
            }
    return found, left_out


def table_of(found: dict[str, Figures], left_out: list[str]) -> Table:
    """Return the table of the embedders."""
    rows = [(name, one["rank1"], one["pair_auc"]) for name, one in found.items()]
    notes = ("Two people, three cameras: a sanity check.", *left_out)
    return Table("epfl", FOLDER, ("embedder", "rank-1", "pair AUC"), rows, notes)  # type: ignore[arg-type]
