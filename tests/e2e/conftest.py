"""A whole stack on real video, started once for all tests of this folder."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest
import pytest_asyncio

from demo.client import connected, import_environment
from demo.plaza.clip import CLIP, CLIP_NAME
from demo.plaza.compose import DOCUMENT
from stack.launcher import running
from stack.ports import BASE_VARIABLE, free_ports, ports_from_environment
from tests.e2e.recorded import REPOSITORY, Site

FRAMES = 60
"""Frames of the recording that the tests use, 6 seconds."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """Give the plaza with the beginning of its recording, on a stack of its own."""
    home = tmp_path_factory.mktemp("stack")
    shared = REPOSITORY / (os.environ.get("SPOTON_HOME") or ".spoton")
    await asyncio.to_thread(CLIP.obtain, shared / "media", print)
    clip = shared / "media" / CLIP_NAME
    cut(clip, home / "media" / CLIP_NAME)
    environment = {
        "SPOTON_PIPELINE_MEDIA_DIR": str(home / "media"),
        "SPOTON_MODEL_CACHE": f"{shared}/models",
    }
    before = dict(os.environ)
    os.environ |= environment
    try:
        (base,) = free_ports(1)
        ports = ports_from_environment({BASE_VARIABLE: str(base)})
        async with (
            running(home, ports) as stack,
            connected(
                stack.addresses, lambda: stack.keys.operator_token("e2e")
            ) as mesh,
        ):
            document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
            await import_environment(mesh, "plaza", json.dumps(document))
            yield Site(stack, mesh, "plaza", clip)
    finally:
        os.environ.clear()
        os.environ.update(before)


def cut(source: Path, target: Path) -> None:
    """Copy the first frames of a recording, as they are."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        video = whole.streams.video[0]
        copied = part.add_stream_from_template(video)
        for count, packet in enumerate(whole.demux(video)):
            if count == FRAMES or packet.dts is None:
                break
            packet.stream = copied
            part.mux(packet)
