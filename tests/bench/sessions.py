"""Run one session on one arm, and read what it cost."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from demo.client import get_session
from services.common.event_log import LogKeys
from services.common.ids import EnvironmentId
from spoton.common.v1 import events_pb2
from spoton.pipeline.v1 import pipeline_pb2
from tests.bench.arms import Arm, BenchError
from tests.bench.meters import (
    Connection,
    Traffic,
    connections,
    cpu_s,
    machine_time,
    others_share,
)
from tests.bench.observed_pipeline import latencies_path
from tests.bench.scene import Scene

_LIMIT_S = 120.0
_POLL_S = 0.5
_TIMEOUT_S = 20.0
_ENDED = (
    pipeline_pb2.SESSION_STATE_COMPLETED,
    pipeline_pb2.SESSION_STATE_STOPPED,
    pipeline_pb2.SESSION_STATE_FAILED,
)

Reading = dict[Connection, Traffic] | None


@dataclass(frozen=True, slots=True)
class SessionCost:
    """What one session took.

    Attributes:
        frames: Pictures of all cameras.
        commit_times_ms: When the event of each frame set was appended.
        latencies_s: From a frame set's last picture to its confirmed commit.
        services_cpu_s: Processor time of the arm's services, by name.
        stores_cpu_s: Processor time of the stores, by name.
        others_share: Share of the processors that other programs had, [0, 1].
        embeddings: Vectors that were computed.
        before: Counters of the connections before it.
        after: Counters of the connections after it.
    """

    frames: int
    commit_times_ms: Sequence[float]
    latencies_s: Sequence[float]
    services_cpu_s: dict[str, float]
    stores_cpu_s: dict[str, float]
    others_share: float
    embeddings: int
    before: Reading
    after: Reading

    @property
    def services_cpu_ms_per_frame(self) -> float:
        """Processor time of the services for one picture, milliseconds."""
        return 1e3 * sum(self.services_cpu_s.values()) / self.frames

    @property
    def stores_cpu_ms_per_frame(self) -> float:
        """Processor time of the stores for one picture, milliseconds."""
        return 1e3 * sum(self.stores_cpu_s.values()) / self.frames


async def run_session(
    arm: Arm, scene: Scene, *, speed: float | None = None
) -> SessionCost:
    """Run a session over a scene to its end.

    Args:
        arm: Where.
        scene: Over what.
        speed: Multiple of real time; None means as fast as it goes.

    Raises:
        BenchError: It did not process every frame, or took more than two minutes.
    """
    before = connections()
    machine_before = machine_time()
    services_before, stores_before = cpu_s(arm.services), cpu_s(arm.stores)
    session = await _ended(arm, await _created(arm, scene, speed))
    services_s = _difference(cpu_s(arm.services), services_before)
    stores_s = _difference(cpu_s(arm.stores), stores_before)
    machine_after = machine_time()
    after = connections()
    _require_whole(session, scene)
    latencies = latencies_path(os.environ, session.session_id)
    return SessionCost(
        frames=scene.cameras * scene.frames,
        commit_times_ms=await _commit_times_ms(arm, session),
        latencies_s=json.loads(latencies.read_text()),
        services_cpu_s=services_s,
        stores_cpu_s=stores_s,
        others_share=others_share(
            machine_before,
            machine_after,
            sum(services_s.values()) + sum(stores_s.values()),
        ),
        embeddings=sum(camera.embeddings for camera in session.cameras),
        before=before,
        after=after,
    )


async def _created(arm: Arm, scene: Scene, speed: float | None) -> pipeline_pb2.Session:
    request = pipeline_pb2.CreateSessionRequest(
        environment_id=scene.environment_id, pace=pipeline_pb2.Pace(speed=speed)
    )
    created = await arm.mesh.pipeline.CreateSession(request, timeout=_TIMEOUT_S)
    return created.session


async def _ended(arm: Arm, session: pipeline_pb2.Session) -> pipeline_pb2.Session:
    """Return a session once it has ended."""
    try:
        async with asyncio.timeout(_LIMIT_S):
            while session.state not in _ENDED:
                await asyncio.sleep(_POLL_S)
                session = await get_session(arm.mesh, session)
    except TimeoutError:
        raise BenchError(f"{arm.name}: no end after {_LIMIT_S:.0f} s") from None
    return session


def _require_whole(session: pipeline_pb2.Session, scene: Scene) -> None:
    """Refuse numbers of a session that left something out."""
    processed = {camera.camera_id: camera.processed for camera in session.cameras}
    expected = {camera.camera_id: scene.frames for camera in session.cameras}
    completed = session.state == pipeline_pb2.SESSION_STATE_COMPLETED
    if not completed or len(processed) != scene.cameras or processed != expected:
        raise BenchError(f"session {session.session_id} is not whole: {session}")


async def _commit_times_ms(arm: Arm, session: pipeline_pb2.Session) -> Sequence[float]:
    """Return when Valkey appended each update of a session, by its own clock."""
    keys = LogKeys(EnvironmentId(session.environment_id))
    async with Redis.from_url(arm.redis_url) as redis:
        entries: Any = await redis.xrange(keys.events)
    return [
        float(entry[b"at"])
        for _, entry in entries
        if events_pb2.EnvironmentEvent.FromString(entry[b"event"]).tracking.session_id
        == session.session_id
    ]


def _difference(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {name: value - before[name] for name, value in after.items()}
