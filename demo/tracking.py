"""One session over one environment, from its import to what it left."""

import asyncio
from dataclasses import dataclass

from rich.console import Console

from demo.agreement import PairAgreement, floor_agreement
from demo.cameras import DrawnCamera, drawn_camera
from demo.client import (
    Mesh,
    calibrated_cameras,
    create_session,
    ended_session,
    import_environment,
    import_qualisys,
    list_identities,
    stop_sessions,
    watch,
)
from demo.environment import DemoEnvironment
from demo.live import LiveView
from demo.observation import Observation, People, people_from_identities
from demo.options import Options
from spoton.pipeline.v1 import pipeline_pb2

_STALLED_S = 60.0


class Stalled(Exception):
    """The session stands still."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left.

    Attributes:
        environment: What was run.
        by_floor: Whether positions on the floor helped to decide who is who.
        session: The session after its end.
        observation: What was published about it.
        people: Whom it saw.
        cameras: The cameras, in the order in which they are drawn.
        agreement: How well each two cameras agree about where people stand.
    """

    environment: DemoEnvironment
    by_floor: bool
    session: pipeline_pb2.Session
    observation: Observation
    people: People
    cameras: tuple[DrawnCamera, ...]
    agreement: tuple[PairAgreement, ...]

    @property
    def name(self) -> str:
        """Name of the pictures, without ending."""
        suffix = "" if self.by_floor else "-no-floor"
        return f"{self.environment.environment_id}{suffix}"


async def track(
    mesh: Mesh, environment: DemoEnvironment, options: Options, console: Console
) -> Outcome:
    """Import an environment, run one session over it, and read what it left.

    Raises:
        Stalled: Nothing was published for a minute.
        grpc.aio.AioRpcError: A call failed.
    """
    environment_id = environment.environment_id
    await _prepare(mesh, environment, options, console)
    session = await create_session(mesh, environment_id, ignore_floor=options.no_floor)
    evidence = "appearance alone" if options.no_floor else "floor and appearance"
    console.print(f"Session {session.session_id}, identities by {evidence}.")
    observation = await _observe(mesh, session, options, console)
    people = people_from_identities(await list_identities(mesh, session))
    order = environment.camera_ids
    cameras = [
        drawn_camera(camera, options.media_dir)
        for camera in await calibrated_cameras(mesh, environment_id)
        if camera.camera.camera_id in order
    ]
    return Outcome(
        environment=environment,
        by_floor=not options.no_floor,
        session=await ended_session(mesh, session),
        observation=observation,
        people=people,
        cameras=tuple(sorted(cameras, key=lambda one: order.index(one.camera_id))),
        agreement=floor_agreement(observation.updates, people),
    )


async def _prepare(
    mesh: Mesh, environment: DemoEnvironment, options: Options, console: Console
) -> None:
    """Import cameras and calibrations, and stop what an earlier run left running."""
    environment_id = environment.environment_id
    document = environment.document.read_text(encoding="utf-8")
    imported = await import_environment(mesh, environment_id, document)
    console.print(
        f"Environment {environment_id}: {imported.created} entries created, "
        f"{imported.updated} updated, {imported.unchanged} unchanged."
    )
    if environment.calibration is not None:
        file = options.media_dir / environment.calibration
        content = file.read_text(encoding="utf-8")
        calibrations = await import_qualisys(mesh, environment_id, file.name, content)
        names = ", ".join(one.camera_id for one in calibrations)
        console.print(f"Calibrated {names} by {file.name}.")
    for left_over in await stop_sessions(mesh, environment_id):
        console.print(f"Stopped session {left_over.session_id} of an earlier run.")


async def _observe(
    mesh: Mesh, session: pipeline_pb2.Session, options: Options, console: Console
) -> Observation:
    """Watch a session to its end.

    Raises:
        Stalled: Nothing was published for a minute.
    """
    observation = Observation()
    is_first = session.environment_id == options.environments[0].environment_id
    loop = asyncio.get_running_loop()
    try:
        async with (
            LiveView(console, observation).following(mesh, session),
            asyncio.timeout(_STALLED_S) as patience,
        ):
            async for event in watch(mesh, session):
                patience.reschedule(loop.time() + _STALLED_S)
                observation.add(event)
                if is_first and event.HasField("tracking"):
                    is_first = False
                    seconds = options.seconds_since_start()
                    console.print(
                        f"First tracking update {seconds:.1f} s after the command."
                    )
    except TimeoutError:
        raise Stalled(f"Nothing was published for {_STALLED_S:.0f} s.") from None
    return observation
