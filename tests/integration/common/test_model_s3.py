"""Files of models are fetched from a real S3."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from services.common.errors import Unavailable
from services.common.models import ModelFile, UrlSource, locate
from services.common.models.fetching import partial_of
from services.common.models.sources.pace import Patience
from stack.stores.process import StoreProcess
from stack.stores.seaweedfs import S3Access, SeaweedFS
from tests.fakes.models import SHA256, WEIGHTS, net

HASTE = Patience(silence_s=0.3, attempts=2)
LIMIT_S = 20.0
PART = 300_000


@pytest.fixture
def keys(s3: S3Access, monkeypatch: pytest.MonkeyPatch) -> S3Access:
    """Tell the registry how to reach the store."""
    tell(s3, monkeypatch)
    return s3


def tell(access: S3Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables of the registry."""
    monkeypatch.setenv("SPOTON_MODEL_S3_ENDPOINT", access.endpoint)
    monkeypatch.setenv("SPOTON_MODEL_S3_ACCESS_KEY", access.access_key)
    monkeypatch.setenv("SPOTON_MODEL_S3_SECRET_KEY", access.secret_key)


def put(access: S3Access, key: str, content: bytes) -> Any:
    """Keep a file in the bucket; return what S3 says about it."""
    client = boto3.client(
        "s3",
        endpoint_url=access.endpoint,
        aws_access_key_id=access.access_key,
        aws_secret_access_key=access.secret_key,
        region_name="us-east-1",
    )
    return client.put_object(Bucket=access.bucket, Key=key, Body=content)


def test_fetches_from_s3(tmp_path: Path, keys: S3Access) -> None:
    """A file in a bucket is fetched, and the origin tells bucket and key, no secret."""
    put(keys, "models/net.onnx", WEIGHTS)
    url = f"s3://{keys.bucket}/models/net.onnx"
    lines: list[str] = []
    located = locate(net(url), None, tmp_path, report=lines.append)
    (file,) = located.files
    assert file.path.read_bytes() == WEIGHTS
    assert f"fetched from {url}" in file.origin
    assert not any(keys.access_key in line for line in [*lines, file.origin])


def test_resumes_from_s3(tmp_path: Path, keys: S3Access) -> None:
    """What is here of a version is built on: S3 need not send it again."""
    tag = put(keys, "resumed", WEIGHTS)["ETag"]
    source = UrlSource(f"s3://{keys.bucket}/resumed")
    partial = partial_of(ModelFile("net.onnx", SHA256), source, tmp_path)
    partial.restart(tag)
    # Other bytes than the file's: that they are kept shows in the hash.
    partial.path.write_bytes(b"x" * PART)
    lines: list[str] = []
    chatty = Patience(report_every_s=0.0)
    locate(net(source.url), None, tmp_path, patience=chatty, report=lines.append)
    assert (tmp_path / "net.onnx").read_bytes() == WEIGHTS
    whole_mb = len(WEIGHTS) / 1e6
    assert lines.count(f"net.onnx: {whole_mb:.1f} of {whole_mb:.1f} MB") >= 2


def test_another_version_in_s3_is_fetched_whole(tmp_path: Path, keys: S3Access) -> None:
    """The part of a version that was replaced is not used."""
    put(keys, "changed", WEIGHTS)
    source = UrlSource(f"s3://{keys.bucket}/changed")
    partial = partial_of(ModelFile("net.onnx", SHA256), source, tmp_path)
    partial.restart('"0123456789abcdef0123456789abcdef"')
    partial.path.write_bytes(b"x" * PART)
    locate(net(source.url), None, tmp_path)
    assert (tmp_path / "net.onnx").read_bytes() == WEIGHTS


def test_an_absent_key_is_named(tmp_path: Path, keys: S3Access) -> None:
    """The error names bucket and key, and that it is not there."""
    url = f"s3://{keys.bucket}/nothing"
    with pytest.raises(Unavailable, match=f"{url}: answered HTTP 404"):
        locate(net(url), None, tmp_path)


def test_wrong_keys_are_refused(
    tmp_path: Path, keys: S3Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong secret is told from an absent file, and is not shown."""
    put(keys, "secret", WEIGHTS)
    monkeypatch.setenv("SPOTON_MODEL_S3_SECRET_KEY", "not-the-secret")
    with pytest.raises(Unavailable, match="HTTP 403") as refused:
        locate(net(f"s3://{keys.bucket}/secret"), None, tmp_path)
    assert "not-the-secret" not in str(refused.value)


def test_the_secret_may_be_in_a_file(
    tmp_path: Path, keys: S3Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """…_SECRET_KEY_FILE names a file that holds the secret."""
    put(keys, "filed", WEIGHTS)
    monkeypatch.delenv("SPOTON_MODEL_S3_SECRET_KEY")
    secret = tmp_path / "secret"
    secret.write_text(f"{keys.secret_key}\n")
    monkeypatch.setenv("SPOTON_MODEL_S3_SECRET_KEY_FILE", str(secret))
    locate(net(f"s3://{keys.bucket}/filed"), None, tmp_path / "cache")
    monkeypatch.setenv("SPOTON_MODEL_S3_SECRET_KEY_FILE", str(tmp_path / "absent"))
    with pytest.raises(Unavailable, match="SPOTON_MODEL_S3_SECRET_KEY_FILE"):
        locate(net(f"s3://{keys.bucket}/filed"), None, tmp_path / "other")


def test_half_a_pair_of_keys_is_named(
    tmp_path: Path, keys: S3Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key without its secret is not silently replaced by other keys."""
    monkeypatch.delenv("SPOTON_MODEL_S3_SECRET_KEY")
    with pytest.raises(Unavailable, match="belong together"):
        locate(net(f"s3://{keys.bucket}/any"), None, tmp_path)


def test_no_keys_at_all_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without keys of ours or of AWS the error tells which variables to set."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Unavailable, match="SPOTON_MODEL_S3_ACCESS_KEY"):
        locate(net("s3://bucket/key"), None, tmp_path)


def test_a_store_that_is_away_is_passed_over(
    tmp_path: Path,
    s3_server: StoreProcess[SeaweedFS],
    keys: S3Access,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the store is down the error says so; once it is up, the file is fetched."""
    access = s3_server.store.create_bucket("models")
    put(access, "net", WEIGHTS)
    tell(access, monkeypatch)
    s3_server.stop()
    with pytest.raises(Unavailable, match="s3://models/net: cannot be reached"):
        locate(net("s3://models/net"), None, tmp_path)
    s3_server.start()
    locate(net("s3://models/net"), None, tmp_path)
    assert (tmp_path / "net.onnx").read_bytes() == WEIGHTS


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return a port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_silent_store_is_given_up(
    tmp_path: Path, silent_port: int, keys: S3Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that accepts and never answers costs a bounded time."""
    monkeypatch.setenv("SPOTON_MODEL_S3_ENDPOINT", f"http://127.0.0.1:{silent_port}")
    began = time.monotonic()
    with pytest.raises(Unavailable, match="nothing came for too long, 2 times"):
        locate(net("s3://bucket/key"), None, tmp_path, patience=HASTE)
    assert time.monotonic() - began < LIMIT_S
