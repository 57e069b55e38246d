"""The demo as a user runs it: one command, both environments, whole recordings."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
import pytest_asyncio

from demo.studio.recordings import RECORDINGS
from stack.ports import BASE_VARIABLE, free_ports
from tests.e2e.recorded import REPOSITORY, Site

LIMIT_S = 900

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(LIMIT_S)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder into which the demo draws."""
    return tmp_path_factory.mktemp("pictures")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def printed(site: Site, pictures: Path) -> dict[str, str]:
    """Run the demo to its end and give what it printed, by environment."""
    (base,) = free_ports(1)
    environment = os.environ | {
        "SPOTON_HOME": str(pictures / "home"),
        "SPOTON_DEMO_CLIP": str(site.clip),
        "SPOTON_DEMO_STUDIO": str(await asyncio.to_thread(_studio, site.clip.parent)),
        BASE_VARIABLE: str(base),
    }
    environment.pop("SPOTON_PIPELINE_MEDIA_DIR")
    demo = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "demo", "--once", "--output", str(pictures)),
        cwd=REPOSITORY,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await demo.communicate())[0].decode()
    assert demo.returncode == 0, output[-4000:]
    parts = re.split(r"^─+ (\w+) ─+$", output, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _studio(media: Path) -> Path:
    """Return a folder with the studio's recordings, fetched if they are not there."""
    RECORDINGS.obtain(media, print)
    return media


def _rows(text: str, title: str) -> Iterator[list[str]]:
    """Yield the cells of each row of a table."""
    table = text[text.index(title) :]
    for row in re.findall(r"^│(.*)│$", table[: table.index("└")], re.MULTILINE):
        yield [cell.strip() for cell in row.split("│")]


def _frames(path: Path) -> int:
    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))


async def test_the_plaza_is_tracked_to_its_end(
    printed: dict[str, str], pictures: Path
) -> None:
    """It accounts for every frame, follows somebody over all cameras, and draws it."""
    text = printed["plaza"]
    assert "Every frame is accounted for." in text
    ((persons, _, _, by_three_cameras),) = _rows(text, "Coverage")
    assert 8 <= int(persons) <= 30
    assert int(by_three_cameras) >= 4
    assert (pictures / "plaza-floor.png").stat().st_size > 10_000
    assert _frames(pictures / "plaza.mp4") == 795


async def test_the_plaza_has_a_history(printed: dict[str, str], pictures: Path) -> None:
    """It tells of as many people as were final, of zones, and draws a heatmap."""
    rows = {cells[0]: cells[1:] for cells in _rows(printed["plaza"], "What happened")}
    persons, _, _, _, _, total = rows["everywhere"]
    assert 8 <= int(persons) <= 30
    assert float(total.removesuffix(" s")) > 100
    assert int(rows["junction"][1]) >= int(rows["road"][1]) >= 1
    assert (pictures / "plaza-heatmap.png").stat().st_size > 10_000


async def test_the_studio_shows_three_people(
    printed: dict[str, str], pictures: Path
) -> None:
    """Two in every camera and one in two, each for 95 % of the 100 frames at least."""
    text = printed["studio"]
    assert "Every frame is accounted for." in text
    persons = list(_rows(text, "Persons, with their"))
    assert len(persons) == 3
    by_cameras = [[int(count or 0) for count in row[2:6]] for row in persons]
    assert sorted(sum(count > 0 for count in counts) for counts in by_cameras) == [
        2,
        4,
        4,
    ]
    assert all(max(counts) >= 95 for counts in by_cameras)
    assert (pictures / "studio-floor.png").stat().st_size > 10_000
    assert _frames(pictures / "studio.mp4") == 100


async def test_the_studios_cameras_agree_on_the_floor(printed: dict[str, str]) -> None:
    """About where a person with free feet stands, within 0.35 m as a median."""
    *pairs, (_, free, median, *_) = _rows(printed["studio"], "Floor agreement")
    assert len(pairs) == 6
    assert int(free) >= 100
    assert float(median.removesuffix(" m")) <= 0.35


async def test_the_demo_says_what_came_of_each_environment(
    printed: dict[str, str],
) -> None:
    """In one line each, at the end."""
    verdicts = [line.split() for line in printed["verdict"].strip().splitlines()]
    assert verdicts == [["plaza", "good"], ["studio", "good"]]
