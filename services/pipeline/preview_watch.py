"""What `WatchPreview` streams, from its request to its last picture."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor

from prometheus_client import Gauge

from services.common.convert import ns_to_timestamp
from services.common.drain import DrainSignal
from services.common.errors import InvalidInput, NotFound, Unavailable
from services.common.ids import CameraId, SessionId, require_resource_id
from services.common.privacy import HeadPrivacy
from services.common.tasks import end_tasks
from services.pipeline.convert import environment_id_from_proto
from services.pipeline.domain.preview import PreviewWish, checked_wish, turn
from services.pipeline.mesh.preview_board import (
    PreviewBoard,
    SessionShow,
    ShownFrame,
)
from spoton.common.v1 import geometry_pb2
from spoton.pipeline.v1 import pipeline_pb2

PREVIEW_VIEWERS = Gauge("spoton_pipeline_preview_viewers", "Open streams of previews.")


class PreviewWatch:
    """Streams pictures of the sessions that this process runs."""

    def __init__(
        self,
        board: PreviewBoard,
        privacy: HeadPrivacy,
        threads: Executor,
        drain: DrainSignal,
    ) -> None:
        """Keep the collaborators.

        Args:
            board: What is shown.
            privacy: Says where heads must not be seen.
            threads: Make pictures; never those that frames wait for.
            drain: Ends the streams.
        """
        self._board = board
        self._privacy = privacy
        self._threads = threads
        self._drain = drain

    async def responses(
        self, request: pipeline_pb2.WatchPreviewRequest
    ) -> AsyncIterator[pipeline_pb2.WatchPreviewResponse]:
        """Yield pictures until this process lets the session go.

        Raises:
            InvalidInput: A value is out of its range.
            NotFound: The session has no such camera.
            NotReady: This process does not run the session.
            Unavailable: The server drains.
        """
        environment_id = environment_id_from_proto(request.environment_id)
        wish = wish_from_proto(request)
        show = self._board.find(environment_id, SessionId(request.session_id))
        if missing := wish.camera_ids - show.camera_ids:
            raise NotFound(f"the session has no camera {min(missing)}")
        with PREVIEW_VIEWERS.track_inprogress():
            async for camera_id, shown in self._due(show, wish):
                blur_heads = await self._privacy.blurs_heads(environment_id)
                kind = wish.picture_class(blur_heads=blur_heads)
                picture = await shown.picture(kind, self._threads)
                frame = shown.seen.frame
                yield pipeline_pb2.WatchPreviewResponse(
                    camera_id=camera_id,
                    capture_time=ns_to_timestamp(frame.capture_time_ns),
                    frame_index=frame.frame_index,
                    size=geometry_pb2.ImageSize(
                        width=picture.width, height=picture.height
                    ),
                    jpeg=picture.jpeg,
                    heads_blurred=blur_heads,
                )

    async def _due(
        self, show: SessionShow, wish: PreviewWish
    ) -> AsyncIterator[tuple[CameraId, ShownFrame]]:
        """Yield each camera's newest frame when its turn has come."""
        camera_ids = wish.camera_ids or show.camera_ids
        latest: dict[CameraId, ShownFrame] = {}
        while not show.has_ended:
            change = show.next_change  # What changes from here on is not missed.
            for camera_id in sorted(camera_ids):
                shown = show.frames.get(camera_id)
                if shown and _is_due(shown, latest.get(camera_id), wish.max_rate_hz):
                    latest[camera_id] = shown
                    yield camera_id, shown
            await self._until(change)

    async def _until(self, change: asyncio.Event) -> None:
        """Wait for the next frame.

        Raises:
            Unavailable: The server drains.
        """
        changed = asyncio.ensure_future(change.wait())
        draining = asyncio.ensure_future(self._drain.wait())
        try:
            await asyncio.wait((changed, draining), return_when=asyncio.FIRST_COMPLETED)
            if not changed.done():
                raise Unavailable("the server is about to stop; ask elsewhere")
        finally:
            await end_tasks(changed, draining)


def wish_from_proto(request: pipeline_pb2.WatchPreviewRequest) -> PreviewWish:
    """Return what a viewer wants to see.

    Raises:
        InvalidInput: A value is out of its range.
    """
    if not request.session_id:
        raise InvalidInput("is required", field="session_id")
    return checked_wish(
        frozenset(
            CameraId(require_resource_id(name, f"camera_ids[{index}]"))
            for index, name in enumerate(request.camera_ids)
        ),
        request.max_rate_hz,
        request.width_px,
        request.quality,
        overlays=request.overlays,
    )


def _is_due(shown: ShownFrame, before: ShownFrame | None, rate_hz: float) -> bool:
    """Return whether a frame is the first of its moment that the viewer gets."""
    if before is None:
        return True
    return turn(shown.shown_s, rate_hz) > turn(before.shown_s, rate_hz)
