"""The demo's video and floor picture, over a small real recording."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from demo.cameras import DrawnCamera, drawn_camera
from demo.client import CalibratedCamera
from demo.floor_picture import draw_floor, paths_of
from demo.observation import people_from_identities
from demo.palette import colour_of
from demo.video import draw_video
from spoton.mapper.v1 import environment_pb2
from tests.unit.demo import scene

PEOPLE = people_from_identities(scene.identities())


@pytest.fixture
def cameras(tmp_path: Path) -> list[DrawnCamera]:
    """Two cameras on one grey recording, one of them cropped and scaled."""
    with av.open(str(tmp_path / "clip.mp4"), "w") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(scene.FRAMES):
            grey = np.full((120, 160, 3), 128, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        output.mux(stream.encode(None))
    calibration = environment_pb2.Calibration(
        image_to_floor=[0.05, 0, 0, 0, 0.05, 0, 0, 0, 1],
        image_size={"width": 160, "height": 120},
    )
    made = []
    for camera_id in ("west", "east"):
        camera = environment_pb2.Camera(camera_id=camera_id)
        camera.source.file.path = "clip.mp4"
        if camera_id == "east":
            camera.transform.crop_region.x_max = 80
            camera.transform.crop_region.y_max = 60
            camera.transform.scale = 2.0
            camera.transform.colour_gain.extend((1.5, 1.0, 1.0))
        calibrated = CalibratedCamera(camera, calibration)
        made.append(drawn_camera(calibrated, tmp_path))
    return made


def test_frames_are_read_as_the_pipeline_saw_them(cameras: list[DrawnCamera]) -> None:
    """Cropped, scaled and coloured as the camera says, numbered from 0."""
    for camera in cameras:
        frames = list(camera.frames())
        assert [index for index, _ in frames] == list(range(scene.FRAMES))
        assert frames[0][1].shape == (120, 160, 3)
    red, green, _ = next(cameras[1].frames())[1][60, 80].tolist()
    assert red == pytest.approx(1.5 * green, abs=3)


def test_the_video_has_a_picture_for_every_frame_set(
    cameras: list[DrawnCamera], tmp_path: Path
) -> None:
    """Boxes are drawn in the person's colour; a camera without a frame stands still."""
    path = tmp_path / "out.mp4"
    drawn: list[int] = []
    updates = scene.observation().updates
    draw_video(path, updates, cameras, PEOPLE, progress=drawn.append)
    with av.open(str(path)) as video:
        pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(pictures) == scene.FRAMES
    assert drawn == list(range(scene.FRAMES))
    west = pictures[0][34:574, :720].astype(int)
    distance = np.abs(west - colour_of(1)).sum(axis=2)
    assert (distance < 60).any()


def test_a_frame_that_is_not_in_the_file_is_an_error(
    cameras: list[DrawnCamera], tmp_path: Path
) -> None:
    """Nothing is drawn over the wrong picture."""
    updates = [scene.update(0, frame_index=500)]
    with pytest.raises(LookupError, match="no frame 500"):
        draw_video(tmp_path / "out.mp4", updates, cameras, PEOPLE)


def test_paths_follow_merges_and_are_cut_by_absence() -> None:
    """Two ids of one person make one path; an absence of seconds makes two."""
    numbers = [*range(10), *range(30, 40)]
    walked = list(paths_of([scene.update(number) for number in numbers], PEOPLE))
    assert [(walk.label, len(walk.points_m)) for walk in walked] == [(1, 10), (1, 10)]


def test_the_floor_picture_shows_the_path(
    cameras: list[DrawnCamera], tmp_path: Path
) -> None:
    """In the person's colour."""
    path = tmp_path / "floor.png"
    draw_floor(path, scene.observation().updates, cameras, PEOPLE, "a title")
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    assert (picture == colour_of(1)).all(axis=2).sum() > 100


def test_a_floor_where_nobody_walked_is_drawn_too(
    cameras: list[DrawnCamera], tmp_path: Path
) -> None:
    """An empty session is no reason to crash."""
    nobody = people_from_identities([])
    draw_floor(tmp_path / "floor.png", [], cameras, nobody, "nobody")
    assert (tmp_path / "floor.png").stat().st_size > 0


@pytest.fixture
def tilted() -> DrawnCamera:
    """A camera 2 m above the floor's origin that looks along y, 20 degrees down."""
    sine, cosine = np.sin(np.radians(20)), np.cos(np.radians(20))
    down = np.array([[1, 0, 0], [0, -sine, -cosine], [0, cosine, -sine]])
    lens = environment_pb2.Lens(fx_px=500, fy_px=500, cx_px=320, cy_px=240)
    lens.brown_conrady.k1 = -0.1
    to_pixel = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
    seen = to_pixel @ np.column_stack((down[:, 0], down[:, 1], down @ (0, 0, -2)))
    floor = np.linalg.inv(seen)
    calibration = environment_pb2.Calibration(
        image_to_floor=(floor / floor[2, 2]).ravel(),
        image_size={"width": 640, "height": 480},
        lens=lens,
    )
    camera = environment_pb2.Camera(camera_id="tilted")
    return drawn_camera(CalibratedCamera(camera, calibration), Path())


def test_the_floor_is_seen_through_the_lens(tilted: DrawnCamera) -> None:
    """A point of the floor is drawn where the distorted picture shows it."""
    pixels = np.array([[100.0, 400.0], [320.0, 240.0], [630.0, 470.0]])
    assert tilted.optics is not None
    undistorted, _ = tilted.optics.undistort(pixels)
    assert np.abs(undistorted[2] - pixels[2]).max() > 10
    points_m = tilted.homography.map_points(undistorted)
    assert points_m[1] == pytest.approx([0.0, 2 / np.tan(np.radians(20))])
    assert np.allclose(tilted.from_floor(points_m), pixels)


def test_what_is_behind_a_camera_or_beside_its_picture_is_not_seen(
    tilted: DrawnCamera,
) -> None:
    """The homography alone would mirror the floor behind into the picture."""
    points_m = np.array([[0.0, 5.0], [0.0, -5.0], [40.0, 5.0], [0.0, 0.1]])
    seen = ~np.isnan(tilted.from_floor(points_m)[:, 0])
    assert seen.tolist() == [True, False, False, False]
