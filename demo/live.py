"""What is to be seen in the terminal while a session runs."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import grpc
from grpc import aio
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from demo.client import Mesh, get_session
from demo.observation import Observation
from spoton.pipeline.v1 import pipeline_pb2

_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
_REFRESH_S = 0.5
_PLAIN_LINE_S = 10.0


class LiveView:
    """One bar for each camera, and who is there now.

    Where there is no terminal a line is printed now and then instead.
    """

    def __init__(self, console: Console, observation: Observation) -> None:
        self._console = console
        self._observation = observation
        self._progress = Progress(
            TextColumn("{task.description:>8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._bars: dict[str, TaskID] = {}
        self._started_s = time.monotonic()
        self._printed_s = self._started_s

    @asynccontextmanager
    async def following(
        self, mesh: Mesh, session: pipeline_pb2.Session
    ) -> AsyncIterator[None]:
        """Keep the view up to date while a block runs."""
        with self._progress:
            following = asyncio.create_task(self._follow(mesh, session))
            try:
                yield
            finally:
                following.cancel()
                with suppress(asyncio.CancelledError):
                    await following
            with _while_away():
                self._show(await get_session(mesh, session))

    async def _follow(self, mesh: Mesh, session: pipeline_pb2.Session) -> None:
        while True:
            with _while_away():
                self._show(await get_session(mesh, session))
            await asyncio.sleep(_REFRESH_S)

    def _show(self, session: pipeline_pb2.Session) -> None:
        """Draw the state of a session."""
        persons = self._observation.persons_now()
        elapsed_s = time.monotonic() - self._started_s
        rate_hz = session.frame_sets / elapsed_s if elapsed_s else 0.0
        summary = f"{persons} persons now, {rate_hz:.1f} frame sets/s"
        for camera in session.cameras:
            self._show_camera(camera)
        self._update("all", session.frame_sets, None, summary)
        if not self._console.is_terminal and self._is_time_for_a_line():
            self._console.print(f"{session.frame_sets} frame sets, {summary}")

    def _show_camera(self, camera: pipeline_pb2.CameraProgress) -> None:
        total = camera.container_frames or None
        note = f"{camera.tracks} tracks, {camera.embeddings} embeddings"
        self._update(camera.camera_id, camera.processed, total, note)

    def _update(self, name: str, done: int, total: int | None, note: str) -> None:
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=total, note="")
        self._progress.update(self._bars[name], completed=done, total=total, note=note)

    def _is_time_for_a_line(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._printed_s < _PLAIN_LINE_S:
            return False
        self._printed_s = now_s
        return True


@contextmanager
def _while_away() -> Iterator[None]:
    """Let the view stand still while the pipeline cannot answer; it is only a view."""
    try:
        yield
    except aio.AioRpcError as error:
        if error.code() not in _AWAY:
            raise
