"""Scripted scenes are exact, repeatable, and as difficult as they say."""

from dataclasses import replace

import numpy as np
import pytest

from tests.accuracy.identity.unusable import UnusableData
from tests.accuracy.scenes.generator import Scene, scene_of
from tests.accuracy.scenes.references import causal_of, ceiling_of
from tests.accuracy.scenes.rig import HALL_M, floor_error, rig
from tests.accuracy.scenes.script import Action, Script

SHORT = Script(duration_s=6.0, people=4, cameras=3, rate_hz=5.0)


def feet_error_m(scene: Scene) -> float:
    """Return the median distance of calibrated foot points from the truth."""
    found = []
    for camera in scene.recording.cameras:
        assert camera.image_to_floor is not None
        matrix = np.array(camera.image_to_floor).reshape(3, 3)
        for frame in scene.recording.frames[camera.camera_id]:
            truth = frame.truth
            assert truth is not None
            assert truth.positions_m is not None
            boxes = truth.boxes_px
            whole = boxes[:, 3] < 719.0
            feet = np.column_stack(
                ((boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3], np.ones(len(boxes)))
            )
            spots = feet @ matrix.T
            away = spots[:, :2] / spots[:, 2:] - truth.positions_m
            found += np.hypot(away[:, 0], away[:, 1])[whole].tolist()
    return float(np.median(found))


def test_equal_scripts_give_equal_scenes() -> None:
    """Everything is drawn from the seed, and another seed gives another scene."""
    one, two = scene_of(SHORT), scene_of(SHORT)
    other = scene_of(replace(SHORT, seed=1))
    for camera_id, frames in one.recording.frames.items():
        for first, second in zip(frames, two.recording.frames[camera_id], strict=True):
            np.testing.assert_array_equal(first.boxes_px, second.boxes_px)
            np.testing.assert_array_equal(first.vectors, second.vectors)
    assert not np.array_equal(one.paths_m, other.paths_m)


def test_boxes_stand_where_people_stand() -> None:
    """A true box's foot, through the calibration, is the place; or off as scripted."""
    exact = replace(SHORT, miscalibration_m=0.0)
    assert feet_error_m(scene_of(exact)) < 0.2
    moved = feet_error_m(scene_of(replace(SHORT, miscalibration_m=1.5)))
    assert 0.8 < moved < 2.5


def test_without_noise_every_box_is_a_true_one() -> None:
    """A perfect detector invents nothing, and shows whom it says."""
    scene = scene_of(replace(SHORT, noise=0.0))
    for camera_id, frames in scene.recording.frames.items():
        for frame, people in zip(frames, scene.people[camera_id], strict=True):
            assert (people >= 0).all()
            assert frame.truth is not None
            assert set((people + 1).tolist()) <= set(frame.truth.persons.tolist())


def test_the_error_of_a_floor_is_as_large_as_asked_for() -> None:
    """Over the hall, the root mean square of the shift is the script's."""
    moved = floor_error(0.8, np.random.default_rng(3))
    x, y = np.meshgrid(np.linspace(0, HALL_M[0], 50), np.linspace(0, HALL_M[1], 50))
    places = np.stack((x.ravel(), y.ravel(), np.ones(x.size)), axis=1)
    away = (places @ moved.T - places)[:, :2]
    assert np.sqrt((away**2).sum(axis=1).mean()) == pytest.approx(0.8, rel=0.05)


def test_cameras_see_the_middle_of_the_hall() -> None:
    """Every camera of every rig has the middle before it, in its picture."""
    middle = np.array([[HALL_M[0] / 2, HALL_M[1] / 2, 1.0]])
    for count in range(1, 13):
        for camera in rig(count):
            pixels, depth = camera.project(middle)
            assert depth[0] > 0
            assert (pixels[0] > 0).all()
            assert (pixels[0] < (1280, 720)).all()


def test_who_returns_was_away() -> None:
    """In a scene of returns, people vanish for as long as the script says at least."""
    script = replace(SHORT, action=Action.RETURN, duration_s=60.0, away_s=4.0)
    away = np.isnan(scene_of(script).paths_m[..., 0])
    assert away.any(axis=0).sum() >= 2
    assert not away.all(axis=0).any()


def test_a_clock_that_is_ahead_shifts_times_alone() -> None:
    """Only the first camera's stamps differ, and nothing that it sees."""
    plain, ahead = scene_of(SHORT), scene_of(replace(SHORT, clock_skew_s=2.0))
    first = plain.recording.cameras[0].camera_id
    for camera_id, frames in plain.recording.frames.items():
        later = ahead.recording.frames[camera_id]
        skew_ns = 2_000_000_000 if camera_id == first else 0
        for one, two in zip(frames, later, strict=True):
            assert two.time_ns - one.time_ns == skew_ns
            np.testing.assert_array_equal(one.boxes_px, two.boxes_px)


def test_uniforms_make_people_alike() -> None:
    """Vectors of two in one uniform are nearly as near as those of one person."""
    scene = scene_of(replace(SHORT, in_uniform=2, noise=0.0))
    looks: dict[int, list[np.ndarray]] = {}
    for camera_id, frames in scene.recording.frames.items():
        for frame, people in zip(frames, scene.people[camera_id], strict=True):
            assert frame.vectors is not None
            for person, vector in zip(people.tolist(), frame.vectors, strict=True):
                looks.setdefault(person, []).append(vector)
    mean = {person: np.mean(own, axis=0) for person, own in looks.items()}

    def cosine(one: int, two: int) -> float:
        a, b = mean[one], mean[two]
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    assert cosine(0, 1) > 0.5 > cosine(2, 3)


def test_references_answer_for_the_same_detections() -> None:
    """Both name every true detection once; true ids are the true ids."""
    scene = scene_of(SHORT)
    true, causal = ceiling_of(scene), causal_of(scene)
    spots = [(box.camera_id, box.frame, box.corners_px) for box in true.boxes]
    assert [(box.camera_id, box.frame, box.corners_px) for box in causal.boxes] == spots
    assert all(box.track_id == box.global_id for box in true.boxes)
    assert all(box.global_id > 0 for box in causal.boxes)


@pytest.mark.parametrize(
    ("name", "value"),
    [("people", 0), ("cameras", 13), ("noise", -1.0), ("in_uniform", 9)],
)
def test_what_cannot_be_played_is_refused(name: str, value: float) -> None:
    """A value out of range is named."""
    with pytest.raises(UnusableData, match=name):
        replace(SHORT, **{name: value})
