"""Run sessions over recordings, and tell what came out."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from demo.client import Mesh, get_session, list_identities, watch
from spoton.common.v1 import events_pb2
from spoton.mapper.v1 import environment_pb2
from spoton.pipeline.v1 import pipeline_pb2
from stack.launcher import Stack

REPOSITORY = Path(__file__).parents[2]

_LIMIT_S = 140.0

Disturb = Callable[[pipeline_pb2.Session], Awaitable[None]]
"""Does something to a session that has just published its first frame sets."""


@dataclass(frozen=True, slots=True)
class Site:
    """A running stack and an environment in it.

    Attributes:
        stack: The stack.
        mesh: Its services.
        environment_id: Environment with the beginning of the clip.
        clip: The whole clip.
    """

    stack: Stack
    mesh: Mesh
    environment_id: str
    clip: Path

    def kill(self, program: str) -> int:
        """End a program at once, as a crash would; return its process id."""
        pid = self.stack.supervisor.states()[program].pid
        os.kill(pid, signal.SIGKILL)
        return pid

    async def freeze(self, program: str, duration_s: float) -> None:
        """Let a program and its children hang for a while."""
        parent = psutil.Process(self.stack.supervisor.states()[program].pid)
        frozen = [parent, *parent.children(recursive=True)]
        for process in frozen:
            process.suspend()
        try:
            await asyncio.sleep(duration_s)
        finally:
            for process in frozen:
                process.resume()


@dataclass(slots=True)
class Run:
    """What a session published and counted.

    Attributes:
        session: The session after its end.
        sequences: Number of each event in the environment's log.
        frame_sets: Number of each frame set, in the order of publication.
        tracks: By camera and frame, the boxes with label or 0, rounded.
        kinds: What was published about the session itself.
        persons: By label, the cameras that saw the person and how often.
    """

    session: pipeline_pb2.Session
    sequences: list[int] = field(default_factory=list)
    frame_sets: list[int] = field(default_factory=list)
    tracks: dict[tuple[str, int], list[tuple[int, ...]]] = field(default_factory=dict)
    kinds: list[int] = field(default_factory=list)
    persons: dict[int, dict[str, int]] = field(default_factory=dict)


async def run_session(
    site: Site,
    disturb: Disturb | None = None,
    perception: environment_pb2.Perception | None = None,
) -> Run:
    """Run a session to its end, disturbed after its fifth frame set if asked.

    Args:
        site: Where.
        disturb: What happens to it.
        perception: Models and tracker; absent means the environment's.
    """
    request = pipeline_pb2.CreateSessionRequest(
        environment_id=site.environment_id, perception=perception
    )
    created = (await site.mesh.pipeline.CreateSession(request)).session
    run = Run(created)
    disturbance: asyncio.Task[None] | None = None
    async with asyncio.timeout(_LIMIT_S):
        async for event in watch(site.mesh, created):
            run.sequences.append(event.sequence)
            if event.HasField("tracking"):
                note_update(run, event.tracking)
            elif event.HasField("session"):
                run.kinds.append(event.session.kind)
            if disturb and disturbance is None and len(run.frame_sets) == 5:
                disturbance = asyncio.create_task(disturb(created))
        if disturbance is not None:
            await disturbance
        while run.session.state not in ENDED:
            run.session = await get_session(site.mesh, created)
            await asyncio.sleep(0.1)
        for identity in await list_identities(site.mesh, created):
            if not identity.merged_into:
                run.persons[identity.label] = {
                    sighting.camera_id: sighting.detections
                    for sighting in identity.cameras
                }
    return run


ENDED = (
    pipeline_pb2.SESSION_STATE_COMPLETED,
    pipeline_pb2.SESSION_STATE_STOPPED,
    pipeline_pb2.SESSION_STATE_FAILED,
)


def note_update(run: Run, update: events_pb2.TrackingUpdate) -> None:
    """Write down what one frame set published."""
    run.frame_sets.append(update.frame_set)
    labels = {person.global_id: person.label for person in update.persons}
    for camera in update.cameras:
        key = (camera.frame.camera_id, camera.frame.frame_index)
        assert key not in run.tracks, f"{key} was published twice"
        known = [track.global_id for track in camera.tracks if track.global_id]
        assert len(set(known)) == len(known), f"{key} shows somebody twice"
        run.tracks[key] = [
            (
                track.track_id,
                labels.get(track.global_id, 0),
                round(track.box.x_min),
                round(track.box.y_max),
            )
            for track in camera.tracks
        ]


def counts(run: Run) -> dict[str, tuple[int, ...]]:
    """Return what was counted for each camera, without times."""
    return {
        camera.camera_id: (
            camera.received,
            camera.processed,
            sum(dropped.count for dropped in camera.dropped),
            camera.in_flight,
            camera.lost_upstream,
            camera.detections,
            camera.strong_detections,
            camera.tracks,
        )
        for camera in run.session.cameras
    }


def assert_nothing_lost(run: Run, undisturbed: Run) -> None:
    """Compare a disturbed session with one that was not."""
    assert run.session.state == pipeline_pb2.SESSION_STATE_COMPLETED
    assert counts(run) == counts(undisturbed)
    assert run.frame_sets == undisturbed.frame_sets
    assert run.tracks == undisturbed.tracks
    assert run.persons == undisturbed.persons
