"""Reads the pictures of a recording in order, with PyAV."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import structlog
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from services.common.errors import InvalidInput
from services.common.outgoing.recording import open_recording
from services.pipeline.domain.frame_times import FrameTimes
from services.pipeline.domain.frames import Pixels

_FIELD = "camera.source.file.path"
_FALLBACK_RATE_HZ = Fraction(25)
_MOST_BASE_RATE = Fraction(3, 2)
_MOST_FAILURES_IN_A_ROW = 100

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture, not yet converted.

    Attributes:
        index: Position in the file, counted from 0 over every picture decoded.
        time_ns: Time since the first picture, nanoseconds.
        previous_time_ns: The same of the picture before. None for the first.
        lost_before: Pictures missing directly before it.
        image: As the decoder delivers it.
    """

    index: int
    time_ns: int
    previous_time_ns: int | None
    lost_before: int
    image: VideoFrame


class VideoReader:
    """A recording, opened anew for each pass through it.

    Attributes:
        width: Width of the first picture, pixels.
        height: Height of the first picture, pixels.
        interval_ns: Nominal time between pictures, nanoseconds.
        container_frames: Pictures that the container states. None if it states none.
        lost_at_end: Pictures that could not be decoded after the last one of the
            latest pass.
    """

    def __init__(self, path: Path) -> None:
        """Open a file and look at its first picture.

        Raises:
            InvalidInput: It is not a video, or holds no picture.
        """
        self._path = path
        with self._open() as container:
            stream = container.streams.video[0]
            self.interval_ns = round(1_000_000_000 / _nominal_rate_hz(stream))
            self.container_frames = stream.frames or None
            first = next(self._decoded(container, stream), None)
            if first is None:
                raise InvalidInput(f"{path.name} holds no picture", field=_FIELD)
            self.width, self.height = first[0].width, first[0].height
            self._first_stamp_ns = _stamp_ns(first[0])
        self.lost_at_end = 0
        self._reformatter = VideoReformatter()
        self._warned_of_size = False

    def read(self) -> Iterator[Picture]:
        """Yield every picture from the first on."""
        times = FrameTimes(self.interval_ns)
        with self._open() as container:
            stream = container.streams.video[0]
            yield from self._pictures(self._decoded(container, stream), times, 0)

    def read_after(self, index: int, time_ns: int) -> Iterator[Picture]:
        """Yield every picture after a known one.

        The file is entered at the key frame before the known picture, which is
        recognised by its exact time. If it cannot be recognised the file is read from
        the start, so indices never depend on where reading began.

        Args:
            index: Index of the known picture.
            time_ns: Its time since the first picture, nanoseconds.
        """
        times = FrameTimes(self.interval_ns)
        times.resume(self._first_stamp_ns, time_ns)
        with self._open() as container:
            stream = container.streams.video[0]
            decoded = self._decoded_after(container, stream, times, time_ns)
            if decoded is not None:
                yield from self._pictures(decoded, times, index + 1)
                return
        yield from (picture for picture in self.read() if picture.index > index)

    def to_rgb(self, image: VideoFrame) -> Pixels:
        """Return a picture as RGB, uint8, shape (height, width, 3).

        A picture of another size than the first is scaled to the first one's.
        """
        same_size = (image.width, image.height) == (self.width, self.height)
        if not same_size:
            self._warn_of_size(image)
        converted = self._reformatter.reformat(
            image,
            width=self.width,
            height=self.height,
            format="rgb24",
            # Nothing but chroma is interpolated at equal size; this is 4 times faster.
            interpolation="POINT" if same_size else "BILINEAR",
            threads=1,
        )
        return converted.to_ndarray().astype(np.uint8, copy=False)

    def _open(self) -> InputContainer:
        try:
            container = open_recording(self._path)
        except (av.FFmpegError, ValueError) as error:
            raise InvalidInput(
                f"{self._path.name} is not a video that can be read: {_reason(error)}",
                field=_FIELD,
            ) from error
        if not container.streams.video:
            container.close()
            raise InvalidInput(f"{self._path.name} has no pictures", field=_FIELD)
        # One thread decodes the same pictures out of damaged data every time.
        container.streams.video[0].codec_context.thread_count = 1
        return container

    def _decoded(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[tuple[VideoFrame, int]]:
        """Yield pictures, each with the number of decoder errors before it."""
        errors = failures = 0
        while failures < _MOST_FAILURES_IN_A_ROW:
            try:
                for packet in container.demux(stream):
                    try:
                        images = packet.decode()
                    except av.FFmpegError:
                        errors += 1
                        continue
                    for image in images:
                        failures = 0
                        yield image, errors
                        errors = 0
                break
            except av.FFmpegError:
                errors += 1
                failures += 1
        self.lost_at_end = errors

    def _decoded_after(
        self,
        container: InputContainer,
        stream: VideoStream,
        times: FrameTimes,
        time_ns: int,
    ) -> Iterator[tuple[VideoFrame, int]] | None:
        """Return what follows the picture of a time, or None if it is not found."""
        if self._first_stamp_ns is None or not stream.time_base:
            return None
        stamp_ns = self._first_stamp_ns + time_ns
        offset = round(Fraction(stamp_ns, 1_000_000_000) / stream.time_base)
        try:
            container.seek(offset, stream=stream)
        except av.FFmpegError:
            return None
        decoded = self._decoded(container, stream)
        for image, _ in decoded:
            since_first_ns = times.since_first_ns(_stamp_ns(image))
            if since_first_ns is None or since_first_ns > time_ns:
                return None
            if since_first_ns == time_ns:
                return decoded
        return None

    def _pictures(
        self, decoded: Iterator[tuple[VideoFrame, int]], times: FrameTimes, index: int
    ) -> Iterator[Picture]:
        """Number the pictures and place them in time."""
        for image, errors in decoded:
            previous_ns = times.latest_ns
            time_ns, missing = times.advance(_stamp_ns(image))
            # A picture that failed to decode usually leaves a gap as well.
            lost = max(errors, missing)
            yield Picture(index, time_ns, previous_ns, lost, image)
            index += 1

    def _warn_of_size(self, image: VideoFrame) -> None:
        if not self._warned_of_size:
            self._warned_of_size = True
            _log.warning(
                "recording changes its size; pictures are scaled to the first size",
                recording=self._path.name,
                first_size=[self.width, self.height],
                new_size=[image.width, image.height],
            )


def _reason(error: Exception) -> str:
    """Return what went wrong, without the path that FFmpeg adds."""
    return getattr(error, "strerror", None) or str(error)


def _nominal_rate_hz(stream: VideoStream) -> Fraction:
    """Return the rate at which pictures follow each other where none is missing.

    The average is too low for files with gaps. The base rate, which gaps do not
    change, is far too high for files of variable rate.
    """
    average, base = stream.average_rate, stream.guessed_rate
    if average and base and base > _MOST_BASE_RATE * average:
        return average
    return base or average or _FALLBACK_RATE_HZ


def _stamp_ns(image: VideoFrame) -> int | None:
    """Return when a picture is to be shown, nanoseconds."""
    if image.pts is None or not image.time_base:
        return None
    return round(image.pts * image.time_base * 1_000_000_000)
