"""Getting the demo's clip."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from demo import clip

CONTENT = b"a recording"


@pytest.fixture(autouse=True)
def _known_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.delenv(clip.VARIABLE, raising=False)


def _has(content: bytes) -> clip.Source:
    def source(target: Path, say: clip.Say) -> None:
        say("copying")
        target.write_bytes(content)

    return source


def _lacks(target: Path, say: clip.Say) -> None:
    raise clip.ClipUnavailable("nothing here")


def _silent(line: str) -> None:
    del line


def test_the_first_source_that_has_it_is_used(tmp_path: Path) -> None:
    """A source without the clip, or with another file, leads to the next."""
    said: list[str] = []
    sources = [_lacks, _has(b"something else"), _has(CONTENT)]
    kept = clip.obtain_clip(tmp_path / "media", said.append, sources)
    assert kept.read_bytes() == CONTENT
    assert said == ["copying", "copying"]
    assert [path.name for path in kept.parent.iterdir()] == [clip.CLIP_NAME]


def test_a_clip_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    """Nor is anybody asked."""
    (tmp_path / clip.CLIP_NAME).write_bytes(CONTENT)
    clip.obtain_clip(tmp_path, _silent, [_lacks])


def test_a_damaged_clip_is_replaced(tmp_path: Path) -> None:
    """What is kept is verified every time."""
    (tmp_path / clip.CLIP_NAME).write_bytes(CONTENT[:-1])
    kept = clip.obtain_clip(tmp_path, _silent, [_has(CONTENT)])
    assert kept.read_bytes() == CONTENT


def test_every_reason_is_told_when_nobody_has_it(tmp_path: Path) -> None:
    """And what the user can do about it."""
    sources = [_lacks, _has(b"wrong")]
    with pytest.raises(clip.ClipUnavailable) as failed:
        clip.obtain_clip(tmp_path, _silent, sources)
    message = str(failed.value)
    assert "nothing here" in message
    assert hashlib.sha256(b"wrong").hexdigest() in message
    assert clip.VARIABLE in message
    assert list(tmp_path.iterdir()) == []


def test_a_local_path_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable names a copy."""
    local = tmp_path / "mine.avi"
    local.write_bytes(CONTENT)
    monkeypatch.setenv(clip.VARIABLE, str(local))
    kept = clip.obtain_clip(tmp_path / "media", _silent)
    assert kept.read_bytes() == CONTENT


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs Debian's dpkg-deb")
def test_the_clip_is_taken_out_of_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is downloaded with apt-get and never installed."""
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: opencv-doc\nVersion: 1\nArchitecture: all\n"
        "Maintainer: Nobody <nobody@example.org>\nDescription: Samples\n"
    )
    (tree / "usr" / "share").mkdir(parents=True)
    (tree / "usr" / "share" / clip.CLIP_NAME).write_bytes(CONTENT)
    (tree / "usr" / "share" / "zebra.avi").write_bytes(bytes(5_000_000))
    package = tmp_path / "opencv-doc_1_all.deb"
    build = ["dpkg-deb", "--root-owner-group", "-b", str(tree), str(package)]
    subprocess.run(  # noqa: S603 - our own words only.
        build,
        check=True,
        capture_output=True,
    )

    commands: list[list[str]] = []

    def apt_get(command: list[str], folder: Path) -> None:
        commands.append(command)
        if len(commands) == 1:
            raise subprocess.CalledProcessError(100, command, stderr=b"no lists")
        if "download" in command:
            shutil.copy(package, folder)

    monkeypatch.setattr(clip, "_run", apt_get)
    kept = clip.obtain_clip(tmp_path / "media", _silent, [clip.from_debian_package])
    assert kept.read_bytes() == CONTENT
    assert [command[-1] for command in commands] == [
        "opencv-doc",
        "update",
        "opencv-doc",
    ]


def test_a_machine_without_apt_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing program is a reason, not a crash."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(clip.ClipUnavailable, match="apt-get"):
        clip.obtain_clip(tmp_path / "media", _silent, [clip.from_debian_package])
