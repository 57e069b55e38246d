"""The pipeline of the live measurement: sessions, and updates at a steady rate.

All services run in this process on real stores; `python -m tests.bench.live_pipeline`.
"""

import asyncio
import logging
import secrets
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog
import uvloop

from services.common.event_log import EventLog
from services.common.ids import EnvironmentId
from services.common.redis_client import open_redis
from services.common.tasks import end_tasks
from spoton.common.v1 import events_pb2
from spoton.mapper.v1 import environment_pb2, mapper_pb2
from stack.ports import free_ports
from stack.stores.postgres import Postgres
from stack.stores.process import StoreProcess
from stack.stores.seaweedfs import PEER_PORTS, SeaweedFS
from stack.stores.valkey import Valkey
from tests.bench.live_child import answer_lines
from tests.integration.pipeline.mesh import Mesh, running_mesh, write_walk

ENVIRONMENT = "live"
CAMERAS = 3
PERSONS = 10
SESSION_FRAMES = 200


class LivePipeline:
    """Publishes, runs sessions, and tells what that took."""

    def __init__(self, mesh: Mesh, log: EventLog) -> None:
        self._mesh = mesh
        self._log = log
        self._number = 0

    async def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what a line asks for."""
        match request["do"]:
            case "addresses":
                return {**self._mesh.addresses, "redis": self._mesh.redis_url}
            case "publish":
                return await self._publish(request["rate_hz"], request["seconds"])
            case "work":
                return await self._work(request["rate_hz"], request["sessions"])
        raise ValueError(request["do"])

    async def _publish(self, rate_hz: float, seconds: float) -> Mapping[str, Any]:
        """Publish updates at a rate; return when each was begun to be published."""
        begun_ns: dict[str, int] = {}
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        for step in range(round(rate_hz * seconds)):
            await asyncio.sleep(start_s + step / rate_hz - loop.time())
            self._number += 1
            begun_ns[str(self._number)] = time.monotonic_ns()
            await self._log.append(
                EnvironmentId(ENVIRONMENT),
                events_pb2.EnvironmentEvent(tracking=_update(self._number)),
                producer="bench",
                producer_sequence=self._number,
            )
        return {"begun_ns": begun_ns}

    async def _work(self, rate_hz: float, sessions: int) -> Mapping[str, Any]:
        """Run sessions while updates are published; return what they took."""
        publishing = asyncio.ensure_future(self._publish(rate_hz, 3600.0))
        results = []
        try:
            for _ in range(sessions):
                cpu_s, wall_s = time.process_time(), time.monotonic()
                ended = await self._mesh.ended(await self._mesh.start())
                results.append(
                    {
                        "frame_sets": ended.frame_sets,
                        "wall_s": time.monotonic() - wall_s,
                        "cpu_s": time.process_time() - cpu_s,
                    }
                )
        finally:
            await end_tasks(publishing)
        return {"sessions": results}


def _update(number: int) -> events_pb2.TrackingUpdate:
    """Return an update of ten persons whom all cameras see."""
    update = events_pb2.TrackingUpdate(
        session_id="session-bench", timeline_id="timeline-bench", frame_set=number
    )
    update.capture_time.GetCurrentTime()
    names = [f"camera-{index}" for index in range(CAMERAS)]
    for name in names:
        camera = update.cameras.add()
        camera.frame.session_id, camera.frame.camera_id = update.session_id, name
        camera.frame.capture_time.CopyFrom(update.capture_time)
        camera.frame_size.width, camera.frame_size.height = 1920, 1080
        for person in range(1, PERSONS + 1):
            track = camera.tracks.add(track_id=person, global_id=person, score=0.9)
            track.box.x_min, track.box.y_min = 40.5 * person + number % 7, 200.25
            track.box.x_max, track.box.y_max = 40.5 * person + 80, 420.75
            _place(track.position, person, number)
    for person in range(1, PERSONS + 1):
        state = update.persons.add(global_id=person, label=person, camera_ids=names)
        state.velocity_x_mps, state.velocity_y_mps = 0.7, -0.2
        _place(state.position, person, number)
    return update


def _place(position: Any, person: int, number: int) -> None:
    position.point.x_m, position.point.y_m = person * 1.37, number * 0.07 % 20
    position.covariance.xx_m2, position.covariance.yy_m2 = 0.02, 0.03
    position.floor_id, position.calibration_revision = "ground", 1


async def _main() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory("-live-bench")))
        postgres_port, valkey_port, s3_port, *peers = free_ports(3 + PEER_PORTS)
        secret = secrets.token_hex(16)
        stores = (
            StoreProcess(Postgres(folder / "pg", postgres_port, secret, durable=False)),
            StoreProcess(Valkey(folder / "valkey", valkey_port, secret, fsync="no")),
            StoreProcess(
                SeaweedFS(folder / "s3", s3_port, tuple(peers), "key", secret)
            ),
        )
        for process in stores:
            await asyncio.to_thread(process.start)
            stack.callback(process.stop)
        postgres, valkey, s3 = (process.store for process in stores)
        postgres.create_database("bench")
        mesh = await stack.enter_async_context(
            running_mesh(
                postgres.dsn("bench"), valkey.url, s3.create_bucket("bench"), folder
            )
        )
        await mesh.add_camera("north", write_walk(folder / "walk.avi", SESSION_FRAMES))
        await mesh.peers.mapper.CreateEnvironment(
            mapper_pb2.CreateEnvironmentRequest(
                environment=environment_pb2.Environment(environment_id=ENVIRONMENT)
            )
        )
        redis = await stack.enter_async_context(open_redis(valkey.url))
        await answer_lines(LivePipeline(mesh, EventLog(redis)).answer)


if __name__ == "__main__":
    uvloop.run(_main())
