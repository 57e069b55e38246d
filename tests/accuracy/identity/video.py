"""Run sessions over video: every service as a process, from pixels to events."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import av

from demo.client import (
    Mesh,
    connected,
    ended_session,
    import_environment,
    import_qualisys,
    list_identities,
    watch,
)
from demo.environment import DemoEnvironment
from services.common.ids import CameraId
from spoton.pipeline.v1 import pipeline_pb2
from spoton.reid.v1 import reid_pb2
from stack.launcher import running
from stack.ports import BASE_VARIABLE, free_ports, ports_from_environment
from stack.services import SERVICES
from tests.accuracy.identity.evidence import Mode
from tests.accuracy.identity.notes import Notes
from tests.accuracy.identity.published import Change, ChangeKind, Published

_TIMEOUT_S = 20.0
_LIMIT_S = 600.0
_NOBODY = "127.0.0.1:9"
_PROGRAMS = ("detector", "reid", "tracker", "mapper", "pipeline")


@asynccontextmanager
async def running_mesh(home: Path, media: Path) -> AsyncIterator[Mesh]:
    """Run what a session needs while a block runs.

    Args:
        home: Folder for stores and logs, absolute.
        media: Folder with the recordings.
    """
    before = dict(os.environ)
    os.environ["SPOTON_PIPELINE_MEDIA_DIR"] = str(media)
    programs = {name: SERVICES[name] for name in _PROGRAMS}
    try:
        (base,) = free_ports(1)
        ports = ports_from_environment({BASE_VARIABLE: str(base)})
        async with running(home, ports, programs) as stack:
            addresses = {"analytics": _NOBODY, **stack.addresses}
            async with connected(
                addresses, lambda: stack.keys.operator_token("evaluation")
            ) as mesh:
                yield mesh
    finally:
        os.environ.clear()
        os.environ.update(before)


async def import_demo(mesh: Mesh, environment: DemoEnvironment, media: Path) -> None:
    """Tell the mapper about an environment of the demo, calibrations included."""
    document = environment.document.read_text(encoding="utf-8")
    name = environment.environment_id
    await import_environment(mesh, name, document)
    if environment.calibration is not None:
        file = media / environment.calibration
        await import_qualisys(mesh, name, file.name, file.read_text(encoding="utf-8"))


async def run_session(mesh: Mesh, environment_id: str, mode: Mode) -> Published:
    """Run one session over an environment's recordings; return what it published.

    Merges are read from the identities once it has ended: their events may come after
    the last one of the session.

    Raises:
        TimeoutError: It does not end in ten minutes.
    """
    begin_s = perf_counter()
    request = pipeline_pb2.CreateSessionRequest(
        environment_id=environment_id,
        evidence=reid_pb2.AssociationEvidence(
            ignore_floor=not mode.uses_floor,
            ignore_appearance=not mode.uses_appearance,
        ),
    )
    created = (await mesh.pipeline.CreateSession(request, timeout=_TIMEOUT_S)).session
    notes = Notes()
    async with asyncio.timeout(_LIMIT_S):
        async for event in watch(mesh, created):
            if event.HasField("tracking"):
                notes.add(event.tracking)
    wall_s = perf_counter() - begin_s
    session = await ended_session(mesh, created)
    last = max((box.frame_set for box in notes.boxes), default=1)
    for identity in await list_identities(mesh, session):
        if identity.merged_into:
            notes.changes.append(
                Change(
                    ChangeKind.MERGED, last, identity.merged_into, identity.global_id
                )
            )
    return notes.published(
        frames=_frames(session),
        embeddings=sum(camera.embeddings for camera in session.cameras),
        wall_s=wall_s,
    )


def _frames(session: pipeline_pb2.Session) -> Mapping[CameraId, int]:
    return {CameraId(one.camera_id): one.processed for one in session.cameras}


def cut(source: Path, target: Path, frames: int) -> None:
    """Copy the first frames of a video, as they are."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        video = whole.streams.video[0]
        copied = part.add_stream_from_template(video)
        for count, packet in enumerate(whole.demux(video)):
            if count == frames or packet.dts is None:
                break
            packet.stream = copied
            part.mux(packet)
