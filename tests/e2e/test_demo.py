"""The demo as a user runs it: one command, the whole recording."""

import asyncio
import os
import re
import sys
from pathlib import Path

import av
import pytest

from stack.ports import BASE_VARIABLE, free_ports
from tests.e2e.recorded import REPOSITORY, Site

LIMIT_S = 600

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(LIMIT_S)]


async def test_the_demo_tracks_to_the_end(site: Site, tmp_path: Path) -> None:
    """It accounts for every frame, follows somebody over all cameras, and draws it."""
    (base,) = free_ports(1)
    environment = os.environ | {
        "SPOTON_HOME": str(tmp_path / "home"),
        "SPOTON_DEMO_CLIP": str(site.clip),
        BASE_VARIABLE: str(base),
    }
    environment.pop("SPOTON_PIPELINE_MEDIA_DIR")
    demo = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "demo", "--once", "--output", str(tmp_path)),
        cwd=REPOSITORY,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await demo.communicate())[0].decode()
    assert demo.returncode == 0, output[-4000:]
    assert "Every frame is accounted for." in output
    everywhere = re.findall(r"│\s*(\d+)\s*│\s*\d+\s*│\s*\d+\s*│\s*(\d+)\s*│", output)
    persons, by_three_cameras = (int(count) for count in everywhere[-1])
    assert 8 <= persons <= 30
    assert by_three_cameras >= 4
    assert (tmp_path / "plaza-floor.png").stat().st_size > 10_000
    with av.open(str(tmp_path / "plaza.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 795
