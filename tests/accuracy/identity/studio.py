"""The demo's studio: one floor person for each real person, who are always three."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import mean

from demo.studio import STUDIO
from tests.accuracy.identity.evidence import Mode
from tests.accuracy.identity.figures import Figures, run_figures
from tests.accuracy.identity.lineage import final_identities
from tests.accuracy.identity.published import Published
from tests.accuracy.identity.video import import_demo, run_session, running_mesh

PERSONS = 3


async def measure(media: Path, home: Path) -> dict[str, Figures]:
    """Return the figures with floor and appearance.

    Args:
        media: Folder that keeps the demo's recordings.
        home: Folder for stores and logs.

    Raises:
        MediaUnavailable: The recordings cannot be had.
    """
    STUDIO.media.obtain(media, lambda _line: None)
    async with running_mesh(home, media) as mesh:
        await import_demo(mesh, STUDIO, media)
        published = await run_session(mesh, STUDIO.environment_id, Mode.BOTH)
    return {Mode.BOTH: figures_of_studio(published)}


def figures_of_studio(published: Published) -> Figures:
    """Return how many persons stand on the floor, where there are three.

    `persons` counts the identities that were ever located, in `final` after merges;
    `exact` is the share of frame sets in which as many stand there as there are
    people.
    """
    turned_out = final_identities(published)
    return {
        "first": _counted(published, {}),
        "final": _counted(published, turned_out),
        "run": run_figures(published),
    }


def _counted(published: Published, turned_out: Mapping[int, int]) -> Figures:
    """Return the figures for identities that turned out to be others."""
    present: dict[int, set[int]] = defaultdict(set)
    for box in published.boxes:
        present.setdefault(box.frame_set, set())
    for one in published.persons:
        if one.position_m is not None and one.camera_ids:
            person = turned_out.get(one.global_id, one.global_id)
            present[one.frame_set].add(person)
    counts = [len(persons) for persons in present.values()]
    if not counts:
        return {"persons": 0.0}
    return {
        "persons": float(len(set().union(*present.values()))),
        "mean": mean(counts),
        "exact": counts.count(PERSONS) / len(counts),
    }
