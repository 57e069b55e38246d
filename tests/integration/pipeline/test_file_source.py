"""Reading real files, whole, damaged and from the middle."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from services.common.errors import InvalidInput, NotFound
from services.common.ids import CameraId
from services.pipeline.adapters.file_source import FileSource, Recording
from services.pipeline.adapters.media_folder import find_recording
from services.pipeline.domain.frames import (
    Frame,
    ReadFrom,
    SeekTarget,
    SourceEnd,
    SourceInfo,
    SourcePosition,
)
from services.pipeline.domain.transform import FrameTransform

START_NS = 1_700_000_000_000_000_000
TENTH_NS = 100_000_000
FRAMES = 60


def _picture(index: int, width: int = 64, height: int = 48) -> np.ndarray:
    """Draw a picture whose columns count the frame in binary, low bit first."""
    bits = np.array([255 if index >> bit & 1 else 0 for bit in range(8)], np.uint8)
    row = np.repeat(bits, width // 8)
    return np.repeat(np.tile(row, (height, 1))[..., None], 3, axis=-1)


def _number(pixels: np.ndarray) -> int:
    """Read what `_picture` drew."""
    columns = pixels.mean(axis=(0, 2)).reshape(8, -1).mean(axis=1)
    return sum(1 << bit for bit in range(8) if columns[bit] > 127)


def _write(
    path: Path,
    stamps: Sequence[int] = range(FRAMES),
    *,
    codec: str = "libx264",
    container: str | None = None,
    size: tuple[int, int] = (64, 48),
    first: int = 0,
) -> Path:
    """Write a video at 10 Hz with a frame for each stamp, in tenths of a second."""
    options = {"g": "12", "bf": "2"} if codec == "libx264" else {"g": "12"}
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=10, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for index, stamp in enumerate(stamps, first):
            image = av.VideoFrame.from_ndarray(_picture(index, *size), format="rgb24")
            image.pts = stamp
            output.mux(stream.encode(image))
        output.mux(stream.encode(None))
    return path


@pytest.fixture(params=["mp4", "avi", "mkv", "ts"])
def video(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A video of 60 frames, in each container; AVI with MPEG-4, as in vtest.avi."""
    codec = "mpeg4" if request.param == "avi" else "libx264"
    return _write(tmp_path / f"video.{request.param}", codec=codec)


def _recording(path: Path, **fields: object) -> Recording:
    return Recording(CameraId("door"), path, START_NS, **fields)  # type: ignore[arg-type]


@asynccontextmanager
async def _opened(
    recording: Recording, start: ReadFrom = None
) -> AsyncIterator[tuple[FileSource, SourceInfo]]:
    source = FileSource(recording)
    try:
        yield source, await source.open(start)
    finally:
        await source.close()


async def _read(
    recording: Recording, start: ReadFrom = None
) -> tuple[list[Frame], SourceEnd]:
    async with _opened(recording, start) as (source, _):
        frames = [frame async for frame in source.frames()]
        assert source.end is not None
        return frames, source.end


async def test_every_frame_comes_once_and_in_order(video: Path) -> None:
    """Indices, times and pictures belong together in every container."""
    frames, end = await _read(_recording(video))
    assert [frame.frame_index for frame in frames] == list(range(FRAMES))
    assert [_number(frame.pixels) for frame in frames] == list(range(FRAMES))
    times = [frame.capture_time_ns - START_NS for frame in frames]
    assert times == [index * TENTH_NS for index in range(FRAMES)]
    assert end == SourceEnd(next_index=FRAMES)


async def test_reading_on_gives_the_same_frames(video: Path) -> None:
    """A new reader that begins after any frame goes on exactly."""
    whole, _ = await _read(_recording(video))
    for index in (0, 11, 12, 13, 40, FRAMES - 1):
        position = SourcePosition(index, whole[index].capture_time_ns)
        rest, end = await _read(_recording(video), position)
        assert [f.frame_index for f in rest] == list(range(index + 1, FRAMES))
        for ours, theirs in zip(rest, whole[index + 1 :], strict=True):
            assert ours.capture_time_ns == theirs.capture_time_ns
            assert np.array_equal(ours.pixels, theirs.pixels)
            assert ours.lost_before == 0
        assert end == SourceEnd(next_index=FRAMES)


async def test_a_position_survives_as_bytes(video: Path) -> None:
    """What a commit stores leads back to the same frame."""
    position = SourcePosition(17, START_NS + 17 * TENTH_NS)
    assert SourcePosition.from_bytes(position.to_bytes()) == position
    frames, _ = await _read(_recording(video), position)
    assert frames[0].frame_index == 18


async def test_a_seek_begins_with_the_first_frame_of_that_time_or_later(
    video: Path,
) -> None:
    """Indices count from the start of the file all the same."""
    target = SeekTarget(START_NS + 25 * TENTH_NS - 1)
    frames, _ = await _read(_recording(video), target)
    assert frames[0].frame_index == 25
    assert _number(frames[0].pixels) == 25


async def test_a_seek_past_the_end_finds_where_the_end_is(video: Path) -> None:
    """No frame is left, and those before are known in number."""
    target = SeekTarget(START_NS + 3600 * 10 * TENTH_NS)
    assert await _read(_recording(video), target) == ([], SourceEnd(FRAMES))


async def test_a_clock_that_runs_ahead_is_corrected(video: Path) -> None:
    """The offset is subtracted from every time, and reading on respects it."""
    recording = _recording(video, clock_offset_ns=350_000_000)
    async with _opened(recording) as (_, info):
        assert info.first_capture_time_ns == START_NS - 350_000_000
    position = SourcePosition(9, info.first_capture_time_ns + 9 * TENTH_NS)
    frames, _ = await _read(recording, position)
    assert frames[0].frame_index == 10
    assert frames[0].capture_time_ns == START_NS + 10 * TENTH_NS - 350_000_000


async def test_a_rate_skips_frames_evenly_and_counts_them(video: Path) -> None:
    """Also when reading begins in the middle."""
    recording = _recording(video, max_rate_hz=2.5)
    frames, end = await _read(recording)
    indices = [frame.frame_index for frame in frames]
    assert len(frames) == FRAMES // 4
    assert all(frame.skipped_before == 3 for frame in frames[2:])
    skipped = sum(frame.skipped_before for frame in frames) + end.skipped
    assert len(frames) + skipped == FRAMES
    middle = frames[5]
    position = SourcePosition(middle.frame_index, middle.capture_time_ns)
    rest, _ = await _read(recording, position)
    assert [frame.frame_index for frame in rest] == indices[6:]


async def test_the_transform_is_applied(video: Path) -> None:
    """The source's size is that of its frames."""
    recording = _recording(video, transform=FrameTransform((8, 0, 56, 48), 0.5))
    async with _opened(recording) as (source, info):
        assert (info.width, info.height) == (24, 24)
        frame = await anext(source.frames())
        assert frame.pixels.shape == (24, 24, 3)


async def test_what_the_container_states_is_known(video: Path) -> None:
    """Frames, if it counts them, and the rate."""
    async with _opened(_recording(video)) as (_, info):
        assert info.rate_hz == pytest.approx(10.0)
        counts = video.suffix in {".mp4", ".avi"}
        assert info.container_frames == (FRAMES if counts else None)


async def test_a_gap_in_the_times_is_lost_upstream(tmp_path: Path) -> None:
    """The frames that would fill it are counted, and reading goes on."""
    stamps = [*range(20), *range(25, 40)]
    path = _write(tmp_path / "gap.mp4", stamps)
    frames, _ = await _read(_recording(path))
    assert len(frames) == len(stamps)
    lost = {f.frame_index: f.lost_before for f in frames if f.lost_before}
    assert lost == {20: 5}


async def test_a_file_that_ends_early_gives_what_it_has(tmp_path: Path) -> None:
    """The container still states how many there were."""
    path = _write(tmp_path / "whole.avi", codec="mpeg4", size=(320, 240))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    async with _opened(_recording(path)) as (source, info):
        frames = [frame async for frame in source.frames()]
    assert info.container_frames == FRAMES
    assert 10 < len(frames) < FRAMES
    assert [frame.frame_index for frame in frames] == list(range(len(frames)))


async def test_damage_in_the_middle_does_not_end_a_file(tmp_path: Path) -> None:
    """What cannot be decoded is counted, later frames come at their own times."""
    path = _write(tmp_path / "whole.ts", container="mpegts")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 188 * 188
    content[middle : middle + 30 * 188] = bytes(30 * 188)
    path.write_bytes(content)
    frames, end = await _read(_recording(path))
    lost = sum(frame.lost_before for frame in frames) + end.lost
    assert lost > 0
    assert len(frames) + lost >= FRAMES
    assert frames[-1].capture_time_ns == START_NS + (FRAMES - 1) * TENTH_NS
    assert _number(frames[-1].pixels) == FRAMES - 1


async def test_damaged_files_are_read_the_same_every_time(tmp_path: Path) -> None:
    """An index means the same picture after a restart."""
    path = _write(tmp_path / "whole.avi", codec="mpeg4")
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for at in rng.integers(len(content) // 4, 3 * len(content) // 4, 40):
        content[at] ^= 0xFF
    path.write_bytes(content)
    (once, _), (again, _) = await _read(_recording(path)), await _read(_recording(path))
    assert len(once) == len(again) > FRAMES // 2
    for ours, theirs in zip(once, again, strict=True):
        assert np.array_equal(ours.pixels, theirs.pixels)


async def test_a_change_of_size_is_scaled_to_the_first_size(tmp_path: Path) -> None:
    """Coordinates of the camera keep their meaning."""
    first = _write(tmp_path / "a.h264", container="h264")
    second = _write(tmp_path / "b.h264", container="h264", size=(128, 96), first=60)
    path = tmp_path / "both.h264"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    frames, _ = await _read(_recording(path))
    assert {frame.pixels.shape for frame in frames} == {(48, 64, 3)}
    assert [_number(frame.pixels) for frame in frames] == list(range(2 * FRAMES))
    times = [frame.capture_time_ns for frame in frames]
    assert times == sorted(set(times))


async def test_a_file_without_times_is_counted_from_its_start(tmp_path: Path) -> None:
    """A position that no time leads to is found all the same."""
    path = _write(tmp_path / "raw.h264", container="h264")
    whole, _ = await _read(_recording(path))
    position = SourcePosition(30, whole[30].capture_time_ns)
    rest, _ = await _read(_recording(path), position)
    assert [frame.frame_index for frame in rest] == list(range(31, FRAMES))
    assert [_number(frame.pixels) for frame in rest] == list(range(31, FRAMES))


@pytest.mark.parametrize("content", [b"", b"no video at all", bytes(100_000)])
async def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    """The error names the field and the file."""
    path = tmp_path / "strange.mp4"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"strange\.mp4") as refused:
        await _read(_recording(path))
    assert refused.value.field == "camera.source.file.path"


async def test_a_playlist_is_refused(tmp_path: Path) -> None:
    """A text file that names other files is not a recording."""
    _write(tmp_path / "secret.ts", container="mpegts")
    path = tmp_path / "list.mp4"
    path.write_text("#EXTM3U\n#EXTINF:6,\nsecret.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(InvalidInput):
        await _read(_recording(path))


async def test_a_source_may_be_closed_at_any_time(video: Path) -> None:
    """A reader that has had enough leaves nothing waiting."""
    async with _opened(_recording(video)) as (source, _):
        assert (await anext(source.frames())).frame_index == 0
    never_opened = FileSource(_recording(video))
    await never_opened.close()


def test_recordings_are_found_in_the_media_folder_only(tmp_path: Path) -> None:
    """Ways out are refused, unless they are allowed."""
    media = tmp_path / "media"
    media.mkdir()
    (media / "in.avi").touch()
    (tmp_path / "out.avi").touch()
    (media / "link.avi").symlink_to(tmp_path / "out.avi")
    assert find_recording("in.avi", media, allow_outside=False) == media / "in.avi"
    for way_out in ("../out.avi", str(tmp_path / "out.avi"), "link.avi", "", "a\0b"):
        with pytest.raises(InvalidInput) as refused:
            find_recording(way_out, media, allow_outside=False)
        assert refused.value.field == "camera.source.file.path"
    found = find_recording("../out.avi", media, allow_outside=True)
    assert found == tmp_path / "out.avi"
    with pytest.raises(NotFound, match=r"gone\.avi"):
        find_recording("gone.avi", media, allow_outside=False)
