"""Recordings are read from files as others write them."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.accuracy.identity import csv_layout, motchallenge, wildtrack
from tests.accuracy.identity.loading import source_of
from tests.accuracy.identity.places import document_of, environment_id_of
from tests.accuracy.identity.predictions import first_of, write_csv
from tests.accuracy.identity.recording import shortened
from tests.accuracy.identity.unusable import UnusableData
from tests.fakes.small_recording import box

IDENTITY = [1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder in the CSV layout, with a frame in which nothing was found."""
    own = tmp_path / "some-set"
    own.mkdir()
    (own / "detections.csv").write_text(
        "camera,frame,timestamp_s,x1,y1,x2,y2,confidence\n"
        "A_1,100,4.0,10,20,30,80,0.9\n"
        "B,100,4.0,1,2,30,80,0.8\n"
        "A_1,102,4.2,12,20,32,80,0.7\n"
    )
    (own / "gt.csv").write_text(
        "camera,frame,person_id,x1,y1,x2,y2,occluded\n"
        "A_1,100,5,10,20,30,80,0\n"
        "B,103,5,1,2,30,80,1\n"
    )
    cameras = {
        name: {"width": 200, "height": 100, "homography_image_to_floor": IDENTITY}
        for name in ("A_1", "B")
    }
    (own / "cameras.json").write_text(json.dumps({"fps": 10, "cameras": cameras}))
    vectors = np.eye(3, 4, dtype=np.float16) * 2
    np.savez(own / "appearance_simulated_seed3.npz", emb=vectors)
    return own


def test_csv_frames_are_complete(folder: Path) -> None:
    """Every camera has every frame, at its time, whether anything was found or not."""
    recording = csv_layout.load(folder, 3)
    assert [camera.camera_id for camera in recording.cameras] == ["a-1", "b"]
    frames = recording.frames["a-1"]
    assert [frame.number for frame in frames] == [100, 101, 102, 103]
    steps_s = np.diff([frame.time_ns for frame in frames]) / 1e9
    assert steps_s == pytest.approx([0.1, 0.1, 0.1])
    assert [len(frame.scores) for frame in frames] == [1, 0, 1, 0]
    assert frames[1].vectors.shape == (0, 4)
    assert recording.frames["b"][3].truth.persons.tolist() == [5]


def test_csv_vectors_belong_to_rows(folder: Path) -> None:
    """Row i of the vectors is what row i of the detections looks like, unit length."""
    recording = csv_layout.load(folder, 3)
    assert recording.frames["b"][0].vectors.tolist() == [[0, 1, 0, 0]]
    assert recording.frames["a-1"][2].vectors.tolist() == [[0, 0, 1, 0]]
    assert recording.vector_model.dimensions == 4
    assert csv_layout.load(folder).vector_model is None


def test_csv_may_lack_truth_and_vectors(folder: Path) -> None:
    """Without truth nothing can be scored, without vectors there are no seeds."""
    (folder / "gt.csv").unlink()
    (folder / "appearance_simulated_seed3.npz").unlink()
    source = source_of(folder, "cameras.json", None)
    assert source.seeds == ()
    recording = source.load(None)
    assert not recording.has_truth
    assert [frame.number for frame in recording.frames["b"]] == [100, 102]


def test_csv_floor_may_be_another_file(folder: Path) -> None:
    """A camera without a homography is not calibrated."""
    cameras = {name: {"width": 200, "height": 100} for name in ("A_1", "B")}
    (folder / "none.json").write_text(json.dumps({"fps": 10, "cameras": cameras}))
    assert csv_layout.load(folder).has_floor
    assert not csv_layout.load(folder, floor="none.json").has_floor


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("detections.csv", "camera,frame\nA_1,1\n", "no column timestamp_s"),
        ("detections.csv", None, "does not exist"),
        (
            "detections.csv",
            "camera,frame,timestamp_s,x1,y1,x2,y2,confidence\nA_1,1,0,x,2,3,4,0.5\n",
            "line 2 holds no number",
        ),
        ("gt.csv", "camera,frame,x1,y1,x2,y2\n", "no column person_id"),
        ("cameras.json", "{}", "no object cameras"),
        ("cameras.json", '{"cameras": {"B": {}}}', "does not describe camera A_1"),
        ("cameras.json", '{"cameras": {"A_1": {}}}', "A_1 needs width and height"),
    ],
)
def test_csv_errors_name_the_file(
    folder: Path, name: str, content: str | None, reason: str
) -> None:
    """What cannot be used is refused with the file and what is wrong with it."""
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(UnusableData, match=reason) as refused:
        csv_layout.load(folder)
    assert name in str(refused.value)


def test_csv_vectors_must_be_as_many_as_detections(folder: Path) -> None:
    """Vectors of other detections are refused."""
    np.savez(folder / "appearance_simulated_seed3.npz", emb=np.eye(2, 4))
    with pytest.raises(UnusableData, match="2 rows for 3 detections"):
        csv_layout.load(folder, 3)


def test_predictions_are_written_as_they_are_scored(
    folder: Path, tmp_path: Path
) -> None:
    """A file of predictions has the cameras' own names, and ids from 1."""
    recording = csv_layout.load(folder)
    write_csv(first_of([box("a-1", 100, 70, 0)]), recording, tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text().splitlines() == [
        "camera,frame,global_id,x1,y1,x2,y2",
        "A_1,100,1,0.00,100.00,40.00,200.00",
    ]


def test_a_recording_can_be_shortened(folder: Path) -> None:
    """Frames after the duration are left out."""
    short = shortened(csv_layout.load(folder), 0.15)
    assert [frame.number for frame in short.frames["b"]] == [100, 101]


def test_a_recording_is_an_environment(folder: Path) -> None:
    """The mapper gets the cameras with their calibrations."""
    recording = csv_layout.load(folder)
    document = json.loads(document_of(recording))
    assert environment_id_of(recording) == "some-set"
    assert [one["camera_id"] for one in document["cameras"]] == ["a-1", "b"]
    assert document["cameras"][0]["calibration"]["image_to_floor"] == IDENTITY


def sequence(folder: Path, gt: str, det: str | None) -> None:
    """Write a sequence of MOTChallenge."""
    (folder / "gt").mkdir(parents=True)
    (folder / "gt" / "gt.txt").write_text(gt)
    if det is not None:
        (folder / "det").mkdir()
        (folder / "det" / "det.txt").write_text(det)
    (folder / "seqinfo.ini").write_text(
        "[Sequence]\nname=x\nframeRate=20\nseqLength=3\nimWidth=640\nimHeight=480\n"
    )


def test_mot_classes_and_flags(tmp_path: Path) -> None:
    """Pedestrians count, those alike are forgiven, everything else is left out."""
    gt = "1,1,10,20,30,60,1,1,1\n1,2,50,20,30,60,0,1,1\n1,3,90,20,30,60,1,8,1\n"
    gt += "1,4,200,20,90,60,1,3,1\n"
    sequence(tmp_path / "seq", gt, "1,-1,11,20,30,60,0.9,-1,-1,-1\n")
    recording = motchallenge.load(tmp_path / "seq")
    frames = recording.frames["seq"]
    truth = next(frame for frame in frames if frame.number == 1).truth
    assert truth.persons.tolist() == [1, 2, 3]
    assert truth.counts.tolist() == [True, False, False]
    assert truth.boxes_px[0].tolist() == [10, 20, 40, 80]
    assert [frame.number for frame in frames] == [1, 2, 3]
    assert frames[0].scores.tolist() == [0.9]
    assert recording.rate_hz == 20


def test_mot_scores_outside_of_one_are_all_sure(tmp_path: Path) -> None:
    """Scores of detectors that use another range say nothing here."""
    det = "1,-1,11,20,30,60,37.5,-1,-1,-1\n2,-1,11,20,30,60,-2,-1,-1,-1\n"
    sequence(tmp_path / "seq", "1,1,10,20,30,60,1,1,1\n", det)
    frames = motchallenge.load(tmp_path / "seq").frames["seq"]
    assert [frame.scores.tolist() for frame in frames] == [[1.0], [1.0], []]


def test_mot_folders_are_cameras(tmp_path: Path) -> None:
    """A folder of sequences is one recording, as MTMMC's scenes are."""
    for name in ("c01", "c02"):
        sequence(tmp_path / "s01" / name, "1,7,10,20,30,60,1,1,1\n", None)
    cameras = {"c02": {"homography_image_to_floor": IDENTITY}}
    floor = {"cameras": cameras}
    (tmp_path / "s01" / "cameras.json").write_text(json.dumps(floor))
    recording = source_of(tmp_path / "s01", "cameras.json", None).load(None)
    assert [camera.camera_id for camera in recording.cameras] == ["c01", "c02"]
    assert [one.image_to_floor is None for one in recording.cameras] == [True, False]
    frame = recording.frames["c02"][0]
    assert frame.truth.persons.tolist() == [7]
    assert frame.boxes_px.tolist() == [[10, 20, 40, 80]]


def test_mot_errors_name_the_file(tmp_path: Path) -> None:
    """A file that holds something else is refused by name."""
    sequence(tmp_path / "seq", "one,two\n", None)
    with pytest.raises(UnusableData, match=r"gt\.txt"):
        motchallenge.load(tmp_path / "seq")


def wildtrack_folder(folder: Path) -> None:
    """Write a WILDTRACK of one moment, all cameras looking straight down."""
    inside, outside = folder / "calibrations", folder / wildtrack.ANNOTATIONS
    for part in ("intrinsic_zero", "extrinsic"):
        (inside / part).mkdir(parents=True)
    for name in wildtrack._VIEWS:
        (inside / "intrinsic_zero" / f"intr_{name}.xml").write_text(
            "<?xml version='1.0'?><opencv_storage><camera_matrix><data>"
            "1000. 0. 960. 0. 1000. 540. 0. 0. 1.</data></camera_matrix>"
            "</opencv_storage>"
        )
        (inside / "extrinsic" / f"extr_{name}.xml").write_text(
            "<?xml version='1.0'?><opencv_storage><rvec>0. 0. 0.</rvec>"
            "<tvec>0. 0. 1000.</tvec></opencv_storage>"
        )
    outside.mkdir()
    nobody = {"xmin": -1, "ymin": -1, "xmax": -1, "ymax": -1}
    seen = {"xmin": 900, "ymin": 300, "xmax": 1020, "ymax": 540}
    views = [{"viewNum": n, **(seen if n == 2 else nobody)} for n in range(7)]
    person = {"personID": 9, "positionID": 480 * 360 + 120, "views": views}
    (outside / "00000005.json").write_text(json.dumps([person]))


def test_wildtrack_cameras_and_people(tmp_path: Path) -> None:
    """People are where they are annotated, in pixels and on the floor in metres."""
    wildtrack_folder(tmp_path)
    recording = source_of(tmp_path, "", None).load(None)
    assert len(recording.cameras) == 7
    frame = recording.frames["c3"][0]
    assert frame.number == 5
    assert frame.truth.persons.tolist() == [9]
    assert frame.truth.positions_m == pytest.approx(np.array([[0.0, 0.0]]), abs=1e-9)
    assert len(recording.frames["c1"][0].truth.persons) == 0
    to_floor = np.array(recording.cameras[2].image_to_floor).reshape(3, 3)
    east = to_floor @ (1060.0, 540.0, 1.0)
    assert east[:2] / east[2] == pytest.approx([1.0, 0.0])


def test_an_unknown_folder_is_refused(tmp_path: Path) -> None:
    """A folder in no known form is refused with what would make it one."""
    with pytest.raises(UnusableData, match=r"detections\.csv"):
        source_of(tmp_path, "cameras.json", None)
