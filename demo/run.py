"""The demo from beginning to end."""

import asyncio
import os
from collections.abc import Mapping

from rich.console import Console
from rich.progress import Progress

from demo.analytics import ask, draw_heatmap, history_table
from demo.checks import expected_problems, problems
from demo.client import Mesh, connected, list_zones
from demo.floor_picture import draw_floor
from demo.login import curl_lines, password_lines
from demo.models import fetch_models
from demo.options import MEDIA_VARIABLE, Options
from demo.report import (
    agreement_table,
    camera_table,
    coverage_table,
    latency_table,
    people_table,
)
from demo.tracking import Outcome, Stalled, track
from demo.video import draw_video
from stack.launcher import Stack, running
from stack.ports import ports_from_environment


async def run(options: Options, console: Console) -> int:
    """Run the demo and return its exit status.

    Raises:
        MediaUnavailable: A recording cannot be had.
        SpotOnError, WrongHash: A model cannot be had.
        StackError: The stack does not come up.
        Stalled: A session, or its history, stands still.
        grpc.aio.AioRpcError: A call failed.
    """
    await asyncio.to_thread(_fetch, options, console)
    os.environ[MEDIA_VARIABLE] = str(options.media_dir)
    console.print(f"Starting stores and services in {options.home} ...")
    async with running(options.home, ports_from_environment(os.environ)) as stack:
        console.print(f"All healthy after {stack.start_s:.1f} s.")
        for line in password_lines(stack.admin_password):
            console.print(line, soft_wrap=True, markup=False)
        wrong = await _run_all(stack, options, console)
        _print_summary(console, wrong)
        if not options.once:
            _print_addresses(console, stack, list(wrong))
            await _stay_up(stack)
        return 1 if any(wrong.values()) else 0


async def _run_all(
    stack: Stack, options: Options, console: Console
) -> dict[str, list[str]]:
    """Run every environment, and return what is wrong with each."""
    wrong = {}
    async with connected(
        stack.addresses, lambda: stack.keys.operator_token("demo")
    ) as mesh:
        for environment in options.environments:
            console.rule(environment.environment_id)
            outcome = await track(mesh, environment, options, console)
            _print_tables(console, outcome)
            await asyncio.to_thread(_draw, options, console, outcome)
            await _look_back(mesh, options, console, outcome)
            wrong[environment.environment_id] = _verdict(console, outcome)
    return wrong


def _fetch(options: Options, console: Console) -> None:
    """Fetch models and recordings, where they are missing."""
    with console.status("looking for models") as status:

        def say(text: str) -> None:
            status.update(text)
            if not console.is_terminal:
                console.print(text)

        fetch_models(say)
        for environment in options.environments:
            environment.media.obtain(options.media_dir, say)
    console.print(f"Recordings: {options.media_dir}")


def _print_tables(console: Console, outcome: Outcome) -> None:
    """Print what became of every frame and every person."""
    session, people = outcome.session, outcome.people
    camera_ids = [camera.camera_id for camera in session.cameras]
    console.print(camera_table(session, people))
    console.print(latency_table(session))
    console.print(people_table(people, camera_ids))
    console.print(coverage_table(people, len(camera_ids)))
    console.print(agreement_table(outcome.agreement))


def _draw(options: Options, console: Console, outcome: Outcome) -> None:
    """Draw the video and the floor."""
    options.output.mkdir(parents=True, exist_ok=True)
    updates, people = outcome.observation.updates, outcome.people
    video = options.output / f"{outcome.name}.mp4"
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("drawing the video", total=len(updates))
        draw_video(
            video,
            updates,
            outcome.cameras,
            people,
            remark=outcome.environment.remark,
            progress=lambda number: progress.update(task, completed=number + 1),
        )
    console.print(f"Video: {video}")
    floor = options.output / f"{outcome.name}-floor.png"
    title = outcome.environment.environment_id
    title += "" if outcome.by_floor else ", identities without the floor"
    draw_floor(floor, updates, outcome.cameras, people, title)
    console.print(f"Floor: {floor}")


async def _look_back(
    mesh: Mesh, options: Options, console: Console, outcome: Outcome
) -> None:
    """Print what the history tells about the session, and draw the heatmap.

    Raises:
        Stalled: The history does not reach the session's end.
    """
    updates, environment_id = (
        outcome.observation.updates,
        outcome.session.environment_id,
    )
    if not updates:
        return
    try:
        happened = await ask(
            mesh.analytics,
            environment_id,
            outcome.session.timeline_id,
            updates[0].capture_time,
            updates[-1].capture_time,
        )
    except TimeoutError:
        raise Stalled("The history stays behind what was published.") from None
    console.print(history_table(happened))
    picture = options.output / f"{outcome.name}-heatmap.png"
    zones = await list_zones(mesh, environment_id)
    await asyncio.to_thread(
        draw_heatmap, picture, happened.heatmap, zones, environment_id
    )
    console.print(f"Heatmap: {picture}")


def _verdict(console: Console, outcome: Outcome) -> list[str]:
    """Print what is not as it must be, and return it."""
    found = problems(outcome.session, outcome.observation, outcome.people)
    expectation = outcome.environment.expectation
    if not found:
        console.print("Every frame is accounted for.")
    if expectation is not None and outcome.by_floor:
        missed = expected_problems(
            expectation, outcome.observation, outcome.people, outcome.agreement
        )
        if not missed:
            console.print(
                f"{expectation.persons} persons, each with one id all the time; the "
                "median distance between two cameras' positions of free feet is at "
                f"most {expectation.agreement_m} m."
            )
        found += missed
    for problem in found:
        console.print(f"[bold red]wrong:[/] {problem}")
    return found


def _print_summary(console: Console, wrong: Mapping[str, list[str]]) -> None:
    """Print one line for each environment."""
    console.rule("verdict")
    for environment_id, found in wrong.items():
        good = "[bold green]good[/]"
        verdict = f"[bold red]{len(found)} wrong[/]" if found else good
        console.print(f"{environment_id:10} {verdict}")


def _print_addresses(
    console: Console, stack: Stack, environment_ids: list[str]
) -> None:
    """Print where everything is, and a call that works."""
    console.print("\nEverything stays up; Ctrl-C ends it.")
    for name, address in stack.addresses.items():
        console.print(f"  {name:10} {address}")
    console.print("Try, in another terminal:")
    for http in stack.http.values():
        for line in curl_lines(http, environment_ids[0], stack.admin_password):
            console.print(f"  {line}", soft_wrap=True, markup=False)
    request = f'{{"environment_id": "{environment_ids[0]}"}}'
    console.print(
        '  grpcurl -plaintext -H "authorization: Bearer $(python -m stack token)" '
        f"-d '{request}' {stack.addresses['pipeline']} "
        "spoton.pipeline.v1.PipelineService/ListSessions",
        soft_wrap=True,
        highlight=False,
    )


async def _stay_up(stack: Stack) -> None:
    """Wait until the stack is stopped from outside."""
    await stack.wait_until_stopped()
