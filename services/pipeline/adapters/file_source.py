"""A recording as a camera."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from services.common.ids import CameraId
from services.pipeline.adapters.pixels import FrameTransformer
from services.pipeline.adapters.video_reader import Picture, VideoReader
from services.pipeline.domain.frames import (
    Frame,
    ReadFrom,
    SeekTarget,
    SourceEnd,
    SourceInfo,
    SourcePosition,
)
from services.pipeline.domain.rate_limit import RateLimit
from services.pipeline.domain.transform import FrameTransform


@dataclass(frozen=True, slots=True)
class Recording:
    """A camera whose pictures come from a file.

    Attributes:
        camera_id: The camera.
        path: The file.
        start_time_ns: When its first frame was taken by the camera's own clock,
            nanoseconds since 1970.
        clock_offset_ns: How far that clock runs ahead of UTC, nanoseconds.
        transform: What is done to each picture.
        max_rate_hz: Frames to deliver per second at most. None delivers all.
    """

    camera_id: CameraId
    path: Path
    start_time_ns: int
    clock_offset_ns: int = 0
    transform: FrameTransform = field(default_factory=FrameTransform)
    max_rate_hz: float | None = None

    @property
    def first_capture_time_ns(self) -> int:
        """When its first frame was taken, nanoseconds since 1970, UTC."""
        return self.start_time_ns - self.clock_offset_ns


class FileSource:
    """Delivers the frames of a recording in order, each exactly once.

    The frame with an index is the same whenever and from wherever the file is read.
    Decoding runs in a thread of its own, a bounded number of frames ahead.
    """

    def __init__(self, recording: Recording, *, ahead: int = 2) -> None:
        """Prepare to read; nothing is opened yet.

        Args:
            recording: What to read.
            ahead: Decoded frames that may wait to be taken.
        """
        self._recording = recording
        self._thread = ThreadPoolExecutor(1, f"decode-{recording.camera_id}")
        self._queue: asyncio.Queue[Frame | Exception | None] = asyncio.Queue(ahead)
        self._pump: asyncio.Task[None] | None = None
        self._frames: Iterator[Frame] = iter(())
        self.end: SourceEnd | None = None

    async def open(self, start: ReadFrom = None) -> SourceInfo:
        """Open the file and begin to decode.

        Args:
            start: Where to begin. A position is found by its key frame; a time is
                found by decoding from the start, so that frames can be counted.

        Raises:
            InvalidInput: The file is not a video, or the crop region lies outside.
        """
        loop = asyncio.get_running_loop()
        info = await loop.run_in_executor(self._thread, self._open, start)
        self._pump = asyncio.create_task(self._decode_ahead())
        return info

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield the frames; `end` is set when there are no more."""
        while (item := await self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    async def close(self) -> None:
        """Stop decoding and close the file."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def _open(self, start: ReadFrom) -> SourceInfo:
        reader = VideoReader(self._recording.path)
        transformer = FrameTransformer(
            self._recording.transform, reader.width, reader.height
        )
        limit = RateLimit(self._recording.max_rate_hz, reader.interval_ns)
        self._frames = self._deliver(reader, transformer, limit, start)
        return SourceInfo(
            width=transformer.size_px[0],
            height=transformer.size_px[1],
            rate_hz=limit.delivered_rate_hz(),
            first_capture_time_ns=self._recording.first_capture_time_ns,
            container_frames=reader.container_frames,
        )

    def _close(self) -> None:
        self._frames = iter(())

    async def _decode_ahead(self) -> None:
        """Move frames from the thread to the queue until there are no more."""
        loop = asyncio.get_running_loop()
        while True:
            item: Frame | Exception | None
            try:
                item = await loop.run_in_executor(
                    self._thread, next, self._frames, None
                )
            except Exception as error:  # noqa: BLE001 - raised to whoever reads.
                item = error
            await self._queue.put(item)
            if not isinstance(item, Frame):
                return

    def _deliver(
        self,
        reader: VideoReader,
        transformer: FrameTransformer,
        limit: RateLimit,
        start: ReadFrom,
    ) -> Iterator[Frame]:
        """Yield the frames that are kept, on the decoding thread."""
        first_ns = self._recording.first_capture_time_ns
        skipped = lost = 0
        next_index = start.frame_index + 1 if isinstance(start, SourcePosition) else 0
        began_s = time.perf_counter()
        for picture in self._pictures(reader, start):
            next_index = picture.index + 1
            if (
                isinstance(start, SeekTarget)
                and first_ns + picture.time_ns < start.capture_time_ns
            ):
                continue
            lost += picture.lost_before
            if not limit.keeps(picture.time_ns, picture.previous_time_ns):
                skipped += 1
                continue
            pixels = transformer.apply(reader.to_rgb(picture.image))
            yield Frame(
                camera_id=self._recording.camera_id,
                frame_index=picture.index,
                capture_time_ns=first_ns + picture.time_ns,
                pixels=pixels,
                decode_s=time.perf_counter() - began_s,
                skipped_before=skipped,
                lost_before=lost,
            )
            skipped = lost = 0
            began_s = time.perf_counter()
        self.end = SourceEnd(next_index, skipped, lost + reader.lost_at_end)

    def _pictures(self, reader: VideoReader, start: ReadFrom) -> Iterator[Picture]:
        """Return the pictures from where decoding is to begin."""
        if isinstance(start, SourcePosition):
            time_ns = start.capture_time_ns - self._recording.first_capture_time_ns
            return reader.read_after(start.frame_index, time_ns)
        return reader.read()
