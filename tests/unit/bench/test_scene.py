"""What the measurements run on."""

import json

from tests.bench.scene import Scene


def test_a_scene_is_the_plaza_over_a_recording_of_its_own() -> None:
    """Every camera reads the scene's clip."""
    document = json.loads(Scene("short", frames=10).document())
    paths = {camera["source"]["file"]["path"] for camera in document["cameras"]}
    assert document["environment"]["environment_id"] == "short"
    assert len(document["cameras"]) == 3
    assert paths == {"short.avi"}


def test_a_fourth_camera_takes_its_pictures_when_the_others_do() -> None:
    """All four pictures of a moment have the same capture time."""
    scene = Scene("four", frames=10, fourth_camera=True)
    cameras = json.loads(scene.document())["cameras"]
    whole = next(camera for camera in cameras if camera["camera_id"] == "whole")
    like = next(
        camera
        for camera in cameras
        if camera is not whole and camera["source"] == whole["source"]
    )
    assert len(cameras) == scene.cameras == 4
    assert whole["clock_offset"] == like["clock_offset"]
    assert whole["calibration"]["image_size"] == {"width": 768, "height": 576}
