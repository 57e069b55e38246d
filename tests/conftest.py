"""Real stores for tests: each server starts once in a run, on first use.

`postgres_dsn`, `valkey_url` and `s3` share those servers and are always empty.
`postgres_server`, `valkey_server` and `s3_server` are private to a test, which may
stop, kill and start them again.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
import redis

from stack.ports import free_ports
from stack.stores.postgres import Postgres
from stack.stores.process import StoreProcess
from stack.stores.seaweedfs import PEER_PORTS, S3Access, SeaweedFS
from stack.stores.store import Store, StoreError
from stack.stores.valkey import Valkey

# Services that tests start alone are not authenticated; a stack chooses otherwise.
os.environ.setdefault("SPOTON_MESH_OPEN_LOOPBACK", "true")

_START_ATTEMPTS = 3

_S = TypeVar("_S", bound=Store)


@pytest.fixture(scope="module")
def postgres_dsn(_postgres: StoreProcess[Postgres]) -> Iterator[str]:
    """Give a module the superuser's DSN of a new database with pgvector."""
    name = f"test_{secrets.token_hex(6)}"
    _postgres.store.create_database(name)
    yield _postgres.store.dsn(name)
    with psycopg.connect(_postgres.store.dsn(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def valkey_url(_valkey: StoreProcess[Valkey]) -> str:
    """Give a test the address of an empty Valkey."""
    with redis.Redis.from_url(_valkey.store.url) as client:
        client.flushall()
    return _valkey.store.url


@pytest.fixture(scope="module")
def s3(_seaweedfs: StoreProcess[SeaweedFS]) -> S3Access:
    """Give a module a new bucket and the keys to it."""
    return _seaweedfs.store.create_bucket(f"test-{secrets.token_hex(6)}")


@pytest.fixture
def postgres_server() -> Iterator[StoreProcess[Postgres]]:
    """Give a test a PostgreSQL of its own to stop, kill and start."""
    with _temporary(_new_postgres) as process:
        yield process


@pytest.fixture
def valkey_server() -> Iterator[StoreProcess[Valkey]]:
    """Give a test a Valkey of its own to stop, kill and start."""
    with _temporary(_new_valkey) as process:
        yield process


@pytest.fixture
def s3_server() -> Iterator[StoreProcess[SeaweedFS]]:
    """Give a test a SeaweedFS of its own to stop, kill and start."""
    with _temporary(_new_seaweedfs) as process:
        yield process


@pytest.fixture(scope="session")
def _postgres() -> Iterator[StoreProcess[Postgres]]:
    with _temporary(_new_postgres) as process:
        yield process


@pytest.fixture(scope="session")
def _valkey() -> Iterator[StoreProcess[Valkey]]:
    with _temporary(_new_valkey) as process:
        yield process


@pytest.fixture(scope="session")
def _seaweedfs() -> Iterator[StoreProcess[SeaweedFS]]:
    with _temporary(_new_seaweedfs) as process:
        yield process


def _new_postgres(folder: Path) -> Postgres:
    (port,) = free_ports(1)
    return Postgres(folder / "postgres", port, secrets.token_hex(16), durable=False)


def _new_valkey(folder: Path) -> Valkey:
    (port,) = free_ports(1)
    return Valkey(folder / "valkey", port, secrets.token_hex(16), fsync="no")


def _new_seaweedfs(folder: Path) -> SeaweedFS:
    port, *peer_ports = free_ports(1 + PEER_PORTS)
    data_dir = folder / "seaweedfs"
    secret = secrets.token_hex(16)
    return SeaweedFS(data_dir, port, tuple(peer_ports), "test-key", secret)


@contextmanager
def _temporary(new_store: Callable[[Path], _S]) -> Iterator[StoreProcess[_S]]:
    """Run a store in a directory that goes away with it."""
    with tempfile.TemporaryDirectory(prefix="spoton-test-") as folder:
        process = _started(new_store, Path(folder))
        try:
            yield process
        finally:
            process.stop()


def _started(new_store: Callable[[Path], _S], folder: Path) -> StoreProcess[_S]:
    """Start a store, again on other ports if somebody was faster to take one."""
    for attempt in range(1, _START_ATTEMPTS + 1):
        attempt_folder = folder / str(attempt)
        attempt_folder.mkdir()
        process = StoreProcess(new_store(attempt_folder))
        try:
            process.start()
        except StoreError:
            if attempt == _START_ATTEMPTS:
                raise
            shutil.rmtree(attempt_folder, ignore_errors=True)
        else:
            return process
    raise AssertionError("The loop returns or raises.")
