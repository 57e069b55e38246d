"""Getting the files that an environment runs on."""

import hashlib
from pathlib import Path

import pytest

from demo.media import Media, MediaUnavailable, Say, Source

FILES = {"clip.avi": b"a recording", "room/plan.txt": b"where the cameras are"}


def _has(files: dict[str, bytes]) -> Source:
    def source(folder: Path, say: Say) -> None:
        say("copying")
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)

    return source


def _lacks(folder: Path, say: Say) -> None:
    raise MediaUnavailable("nothing here")


def _silent(line: str) -> None:
    del line


@pytest.fixture(autouse=True)
def _nothing_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_COPY", raising=False)


def _media(*sources: Source, files: dict[str, bytes] = FILES) -> Media:
    hashes = {name: hashlib.sha256(one).hexdigest() for name, one in files.items()}
    return Media("The recordings", hashes, "MY_COPY", sources)


def _content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_first_source_that_has_all_files_is_used(tmp_path: Path) -> None:
    """One without them, with another file or with a part leads to the next."""
    said: list[str] = []
    other = {**FILES, "clip.avi": b"something else"}
    part = {"clip.avi": FILES["clip.avi"]}
    media = _media(_lacks, _has(other), _has(part), _has(FILES))
    media.obtain(tmp_path / "media", said.append)
    assert _content(tmp_path / "media") == FILES
    assert said == ["copying"] * 3


def test_files_that_are_there_are_not_fetched_again(tmp_path: Path) -> None:
    """Nor is anybody asked."""
    _has(FILES)(tmp_path, _silent)
    _media(_lacks).obtain(tmp_path, _silent)


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    """What is kept is verified every time."""
    _has(FILES)(tmp_path, _silent)
    (tmp_path / "room/plan.txt").write_bytes(b"where the cam")
    _media(_has(FILES)).obtain(tmp_path, _silent)
    assert _content(tmp_path) == FILES


def test_every_reason_is_told_when_nobody_has_them(tmp_path: Path) -> None:
    """And what the user can do about it; nothing half is left."""
    wrong = {**FILES, "clip.avi": b"wrong"}
    with pytest.raises(MediaUnavailable) as failed:
        _media(_lacks, _has(wrong)).obtain(tmp_path, _silent)
    message = str(failed.value)
    assert "MY_COPY is not set" in message
    assert "nothing here" in message
    assert hashlib.sha256(b"wrong").hexdigest() in message
    assert f"{hashlib.sha256(FILES['clip.avi']).hexdigest()}  clip.avi" in message
    assert list(tmp_path.iterdir()) == []


def test_the_users_folder_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files may lie anywhere below it."""
    (tmp_path / "mine" / "videos").mkdir(parents=True)
    (tmp_path / "mine" / "videos" / "clip.avi").write_bytes(FILES["clip.avi"])
    (tmp_path / "mine" / "plan.txt").write_bytes(FILES["room/plan.txt"])
    monkeypatch.setenv("MY_COPY", str(tmp_path / "mine"))
    _media(_lacks).obtain(tmp_path / "media", _silent)
    assert _content(tmp_path / "media") == FILES


def test_a_single_file_may_be_named_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under whatever name the user has it."""
    (tmp_path / "mine.avi").write_bytes(FILES["clip.avi"])
    monkeypatch.setenv("MY_COPY", str(tmp_path / "mine.avi"))
    single = {"clip.avi": FILES["clip.avi"]}
    _media(files=single).obtain(tmp_path / "media", _silent)
    assert _content(tmp_path / "media") == single


@pytest.mark.parametrize("own", ["nowhere", "empty"])
def test_a_copy_that_lacks_a_file_is_told(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name of the variable and of the file."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("MY_COPY", str(tmp_path / own))
    with pytest.raises(
        MediaUnavailable, match=f"MY_COPY: there is no clip.avi in .*{own}"
    ):
        _media().obtain(tmp_path / "media", _silent)
