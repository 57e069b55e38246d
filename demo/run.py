"""The demo from beginning to end."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress

from demo.cameras import DrawnCamera, drawn_camera
from demo.checks import problems
from demo.client import (
    Mesh,
    calibrated_cameras,
    connected,
    create_session,
    ended_session,
    import_environment,
    list_identities,
    stop_sessions,
    watch,
)
from demo.clip import obtain_clip
from demo.floor_picture import draw_floor
from demo.live import LiveView
from demo.models import fetch_models
from demo.observation import Observation, People, people_from_identities
from demo.options import MEDIA_VARIABLE, Options
from demo.plaza.compose import CAMERAS, DOCUMENT
from demo.report import camera_table, coverage_table, latency_table, people_table
from demo.video import draw_video
from spoton.pipeline.v1 import pipeline_pb2
from stack.launcher import Stack, running
from stack.ports import ports_from_environment

ENVIRONMENT = "plaza"
_STALLED_S = 60.0


class Stalled(Exception):
    """The session stands still."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left.

    Attributes:
        session: The session after its end.
        observation: What was published about it.
        people: Whom it saw.
        cameras: The cameras, from west to east.
    """

    session: pipeline_pb2.Session
    observation: Observation
    people: People
    cameras: tuple[DrawnCamera, ...]


async def run(options: Options, console: Console) -> int:
    """Run the demo and return its exit status.

    Raises:
        ClipUnavailable: The recording cannot be had.
        SpotOnError, WrongHash: A model cannot be had.
        StackError: The stack does not come up.
        Stalled: The session stands still.
        grpc.aio.AioRpcError: A call failed.
    """
    await asyncio.to_thread(_fetch, options, console)
    os.environ[MEDIA_VARIABLE] = str(options.media_dir)
    console.print(f"Starting stores and services in {options.home} ...")
    async with running(options.home, ports_from_environment(os.environ)) as stack:
        console.print(f"All healthy after {stack.start_s:.1f} s.")
        async with connected(stack.addresses) as mesh:
            outcome = await _track(mesh, options, console)
        _print_tables(console, outcome)
        await asyncio.to_thread(_draw, options, console, outcome)
        failed = _print_verdict(console, outcome)
        if not options.once:
            _print_addresses(console, stack.addresses)
            await _stay_up(stack)
        return 1 if failed else 0


def _fetch(options: Options, console: Console) -> None:
    """Fetch models and recording, where they are missing."""
    with console.status("looking for models") as status:

        def say(text: str) -> None:
            status.update(text)
            if not console.is_terminal:
                console.print(text)

        fetch_models(say)
        clip = obtain_clip(options.media_dir, say)
    console.print(f"Recording: {clip}")


async def _track(mesh: Mesh, options: Options, console: Console) -> Outcome:
    """Import the environment, run one session over it, and read what it left."""
    document = DOCUMENT.read_text()
    imported = await import_environment(mesh, ENVIRONMENT, document)
    console.print(
        f"Environment {ENVIRONMENT}: {imported.created} entries created, "
        f"{imported.updated} updated, {imported.unchanged} unchanged."
    )
    for left_over in await stop_sessions(mesh, ENVIRONMENT):
        console.print(f"Stopped session {left_over.session_id} of an earlier run.")
    session = await create_session(mesh, ENVIRONMENT, ignore_floor=options.no_floor)
    evidence = "appearance alone" if options.no_floor else "floor and appearance"
    console.print(f"Session {session.session_id}, identities by {evidence}.")
    observation = await _observe(mesh, session, options, console)
    identities = await list_identities(mesh, session)
    order = [camera.camera_id for camera in CAMERAS]
    cameras = [
        drawn_camera(camera, options.media_dir)
        for camera in await calibrated_cameras(mesh, ENVIRONMENT)
        if camera.camera.camera_id in order
    ]
    return Outcome(
        session=await ended_session(mesh, session),
        observation=observation,
        people=people_from_identities(identities),
        cameras=tuple(sorted(cameras, key=lambda one: order.index(one.camera_id))),
    )


async def _observe(
    mesh: Mesh, session: pipeline_pb2.Session, options: Options, console: Console
) -> Observation:
    """Watch a session to its end.

    Raises:
        Stalled: Nothing was published for a minute.
    """
    observation = Observation()
    loop = asyncio.get_running_loop()
    try:
        async with (
            LiveView(console, observation).following(mesh, session),
            asyncio.timeout(_STALLED_S) as patience,
        ):
            async for event in watch(mesh, session):
                patience.reschedule(loop.time() + _STALLED_S)
                observation.add(event)
                if event.HasField("tracking") and len(observation.updates) == 1:
                    seconds = options.seconds_since_start()
                    console.print(
                        f"First tracking update {seconds:.1f} s after the command."
                    )
    except TimeoutError:
        raise Stalled(f"Nothing was published for {_STALLED_S:.0f} s.") from None
    return observation


def _print_tables(console: Console, outcome: Outcome) -> None:
    """Print what became of every frame and every person."""
    session, people = outcome.session, outcome.people
    camera_ids = [camera.camera_id for camera in session.cameras]
    console.print(camera_table(session, people))
    console.print(latency_table(session))
    console.print(people_table(people, camera_ids))
    console.print(coverage_table(people, len(camera_ids)))


def _draw(options: Options, console: Console, outcome: Outcome) -> None:
    """Draw the video and the floor."""
    options.output.mkdir(parents=True, exist_ok=True)
    updates, people = outcome.observation.updates, outcome.people
    video = options.output / f"{options.name}.mp4"
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("drawing the video", total=len(updates))
        draw_video(
            video,
            updates,
            outcome.cameras,
            people,
            progress=lambda number: progress.update(task, completed=number + 1),
        )
    console.print(f"Video: {video}")
    floor = options.output / f"{options.name}-floor.png"
    title = "plaza" + (", identities without the floor" if options.no_floor else "")
    draw_floor(floor, updates, outcome.cameras, people, title)
    console.print(f"Floor: {floor}")


def _print_verdict(console: Console, outcome: Outcome) -> bool:
    """Print what is not as it must be; return whether anything is not."""
    found = problems(outcome.session, outcome.observation, outcome.people)
    for problem in found:
        console.print(f"[bold red]wrong:[/] {problem}")
    if not found:
        console.print("Every frame is accounted for.")
    return bool(found)


def _print_addresses(console: Console, addresses: Mapping[str, str]) -> None:
    """Print where everything is, and a call that works."""
    console.print("\nEverything stays up; Ctrl-C ends it.")
    for name, address in addresses.items():
        console.print(f"  {name:10} {address}")
    console.print("Try, in another terminal:")
    request = f'{{"environment_id": "{ENVIRONMENT}"}}'
    console.print(
        f"  grpcurl -plaintext -d '{request}' {addresses['pipeline']} "
        "spoton.pipeline.v1.PipelineService/ListSessions",
        soft_wrap=True,
        highlight=False,
    )


async def _stay_up(stack: Stack) -> None:
    """Wait until the stack is stopped from outside."""
    await stack.wait_until_stopped()
