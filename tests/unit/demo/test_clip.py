"""Where the plaza's recording comes from."""

import shutil
import subprocess
from pathlib import Path

import pytest

from demo.media import MediaUnavailable
from demo.plaza import clip

CONTENT = b"a recording"


def _silent(line: str) -> None:
    del line


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
    (tmp_path / "fresh").mkdir()
    clip.from_debian_package(tmp_path / "fresh", _silent)
    assert (tmp_path / "fresh" / clip.CLIP_NAME).read_bytes() == CONTENT
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
    with pytest.raises(MediaUnavailable, match="apt-get"):
        clip.from_debian_package(tmp_path, _silent)
