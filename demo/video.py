"""Draw what was published over the frames that it is about."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from demo.cameras import DrawnCamera
from demo.canvas import MUTED, WHITE, blank, box, dot, text_width_px, write, write_pill
from demo.observation import People
from demo.palette import Colour, colour_of
from services.pipeline.domain.frames import Pixels
from spoton.common.v1 import events_pb2

_PANEL_HEIGHT_PX = 540
_GAP_PX = 6
_HEADER_PX = 34
_FOOTER_PX = 50
_ID_PX, _LEAST_CELL_PX, _CELL_GAP_PX = 8, 44, 14
_BACKGROUND: Colour = (24, 27, 33)
_CODECS: Sequence[tuple[str, Mapping[str, str]]] = (
    ("libx264", {"preset": "superfast", "crf": "22"}),
    ("libopenh264", {"b": "4000000"}),
    ("mpeg4", {"qscale": "3"}),
)


def draw_video(
    path: Path,
    updates: Sequence[events_pb2.TrackingUpdate],
    cameras: Sequence[DrawnCamera],
    people: People,
    *,
    remark: str = "",
    rate_hz: int = 10,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Write a video with the cameras side by side, one picture per frame set.

    Args:
        path: MP4 file to write.
        updates: What was published, in order.
        cameras: From left to right.
        people: Who was seen.
        remark: What is written behind the name of each camera.
        rate_hz: Pictures per second.
        progress: Called with the number of each picture written.
    """
    panels = {camera.camera_id: _Panel(camera) for camera in cameras}
    width = sum(panel.width_px for panel in panels.values())
    width += _GAP_PX * (len(panels) - 1)
    size_px = width + width % 2, _HEADER_PX + _PANEL_HEIGHT_PX + _FOOTER_PX
    background = blank(*size_px, _BACKGROUND)
    _write_titles(background, panels, remark)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as output:
        stream = _add_stream(output, rate_hz)
        stream.width, stream.height = size_px
        stream.pix_fmt = "yuv420p"
        for number, update in enumerate(updates):
            picture = _draw(update, panels, people, background)
            image = av.VideoFrame.from_ndarray(picture, format="rgb24")
            image.pts, image.time_base = number, Fraction(1, rate_hz)
            output.mux(stream.encode(image))
            progress(number)
        output.mux(stream.encode(None))


class _Panel:
    """One camera's part of the picture."""

    def __init__(self, camera: DrawnCamera) -> None:
        width, height = camera.size_px
        self.camera = camera
        self.scale = _PANEL_HEIGHT_PX / height
        self.width_px = round(width * self.scale / 2) * 2
        self._frames: Iterator[tuple[int, Pixels]] = camera.frames()
        self._shown = blank(self.width_px, _PANEL_HEIGHT_PX, _BACKGROUND)

    def draw(self, tracks: events_pb2.CameraTracks | None, people: People) -> Pixels:
        """Return the camera's frame with its tracks; the last one if there is none."""
        if tracks is None:
            return self._shown
        frame = self._frame(tracks.frame.frame_index)
        size_px = self.width_px, _PANEL_HEIGHT_PX
        panel = cv2.resize(frame, size_px, interpolation=cv2.INTER_LINEAR)
        self._shown = panel.astype(np.uint8, copy=False)
        for track in sorted(tracks.tracks, key=lambda track: track.box.y_max):
            self._draw_track(track, people)
        return self._shown

    def _frame(self, frame_index: int) -> Pixels:
        """Read on to a frame."""
        for index, frame in self._frames:
            if index == frame_index:
                return frame
        raise LookupError(f"{self.camera.path.name} has no frame {frame_index}")

    def _draw_track(self, track: events_pb2.TrackedPerson, people: People) -> None:
        scale, outline = self.scale, track.box
        left_px, top_px = outline.x_min * scale, outline.y_min * scale
        edges_px = left_px, top_px, outline.x_max * scale, outline.y_max * scale
        label = people.label(track.global_id)
        colour = colour_of(label)
        box(self._shown, edges_px, colour, 1 if track.coasted else 2)
        if track.coasted:
            return
        text = f"P{label}" if label else "?"
        if track.provisional:
            text += "?"
        write_pill(self._shown, text, left_px - 1, top_px, height_px=10, colour=colour)


def _draw(
    update: events_pb2.TrackingUpdate,
    panels: Mapping[str, _Panel],
    people: People,
    background: Pixels,
) -> Pixels:
    """Return one picture of the video."""
    picture = background.copy()
    tracks = {camera.frame.camera_id: camera for camera in update.cameras}
    left = 0
    for camera_id, panel in panels.items():
        shown = panel.draw(tracks.get(camera_id), people)
        bottom = _HEADER_PX + _PANEL_HEIGHT_PX
        picture[_HEADER_PX:bottom, left : left + panel.width_px] = shown
        left += panel.width_px + _GAP_PX
    _write_footer(picture, update, people)
    return picture


def _write_titles(picture: Pixels, panels: Mapping[str, _Panel], remark: str) -> None:
    """Write the name of each camera above its part."""
    left = 0
    for camera_id, panel in panels.items():
        title = f"{camera_id}  ({remark})" if remark else camera_id
        write(picture, title, left + 10, 23, height_px=12, colour=WHITE)
        left += panel.width_px + _GAP_PX


def _write_footer(
    picture: Pixels, update: events_pb2.TrackingUpdate, people: People
) -> None:
    """Write the time and who is present, with their global ids."""
    base = _HEADER_PX + _PANEL_HEIGHT_PX + 31
    time = update.capture_time.ToDatetime().strftime("%H:%M:%S.%f")[:-5]
    write(picture, time, 10, base, height_px=12, colour=WHITE)
    left = 130
    present = {people.survivor(person.global_id) for person in update.persons}
    for global_id in sorted(present, key=people.label):
        label, name = people.label(global_id), f"id {global_id}"
        width = max(_LEAST_CELL_PX, text_width_px(name, _ID_PX)) + _CELL_GAP_PX
        if left + width > picture.shape[1]:
            write(picture, "...", left, base, height_px=10, colour=MUTED)
            break
        dot(picture, (left + 5, base - 12), 5, colour_of(label))
        write(picture, f"P{label}", left + 15, base - 7, height_px=10, colour=WHITE)
        write(picture, name, left, base + 9, height_px=_ID_PX, colour=MUTED)
        left += width


def _add_stream(
    output: av.container.OutputContainer, rate_hz: int
) -> av.video.stream.VideoStream:
    """Return a stream of the best codec that this build of FFmpeg has."""
    name, options = next(
        (name, options) for name, options in _CODECS if name in av.codecs_available
    )
    stream = output.add_stream(name, rate=rate_hz, options=dict(options))
    if not isinstance(stream, av.video.stream.VideoStream):
        raise TypeError(f"{name} is no video codec")
    return stream
