"""The embedded stores are the real servers, and behave."""

from typing import Any

import boto3
import psycopg
import pytest
import redis
from botocore.exceptions import ClientError

from stack.stores.postgres import Postgres
from stack.stores.process import StoreProcess
from stack.stores.seaweedfs import S3Access, SeaweedFS
from stack.stores.store import StoreError
from stack.stores.valkey import Valkey


def s3_client(access: S3Access, secret_key: str | None = None) -> Any:
    """Return a client with the keys of `access`, or with another secret."""
    return boto3.client(
        "s3",
        endpoint_url=access.endpoint,
        aws_access_key_id=access.access_key,
        aws_secret_access_key=secret_key or access.secret_key,
        region_name="us-east-1",
    )


def test_postgres_compares_vectors(postgres_dsn: str) -> None:
    """A fresh database has pgvector."""
    with psycopg.connect(postgres_dsn) as connection:
        row = connection.execute("SELECT '[1,0]'::vector <=> '[0,1]'::vector")
        assert row.fetchone() == (1.0,)


def test_postgres_refuses_a_wrong_password(postgres_dsn: str) -> None:
    """Loopback is no reason to trust anybody."""
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres_dsn, password="wrong")  # noqa: S106 — wrong on purpose.


@pytest.mark.parametrize("turn", [1, 2])
def test_valkey_is_empty_in_every_test(valkey_url: str, turn: int) -> None:
    """What one test wrote, the next does not see."""
    with redis.Redis.from_url(valkey_url) as client:
        assert client.dbsize() == 0
        client.set("turn", turn)


def test_s3_keeps_an_object(s3: S3Access) -> None:
    """A stored object is read back."""
    client = s3_client(s3)
    client.put_object(Bucket=s3.bucket, Key="crop.jpg", Body=b"pixels")
    assert client.get_object(Bucket=s3.bucket, Key="crop.jpg")["Body"].read()


def test_s3_refuses_a_wrong_signature(s3: S3Access) -> None:
    """A request signed with another secret is refused."""
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        s3_client(s3, "wrong").list_objects_v2(Bucket=s3.bucket)


def test_postgres_survives_a_crash(postgres_server: StoreProcess[Postgres]) -> None:
    """A killed PostgreSQL starts again with what was committed."""
    dsn = postgres_server.store.dsn()
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS value")
    postgres_server.kill()
    assert not postgres_server.store.is_ready()
    postgres_server.start()
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (1,)


def test_valkey_survives_a_crash(valkey_server: StoreProcess[Valkey]) -> None:
    """A killed Valkey starts again with its append-only file."""
    with redis.Redis.from_url(valkey_server.store.url) as client:
        client.xadd("events", {"n": 1})
        valkey_server.kill()
        assert not valkey_server.store.is_ready()
        valkey_server.start()
        assert client.xlen("events") == 1


def test_s3_survives_a_crash(s3_server: StoreProcess[SeaweedFS]) -> None:
    """A killed SeaweedFS starts again with its objects."""
    access = s3_server.store.create_bucket("crops")
    client = s3_client(access)
    client.put_object(Bucket="crops", Key="a", Body=b"pixels")
    s3_server.kill()
    assert not s3_server.store.is_ready()
    s3_server.start()
    assert client.get_object(Bucket="crops", Key="a")["Body"].read() == b"pixels"


def test_postgres_refuses_another_major_version(
    postgres_server: StoreProcess[Postgres],
) -> None:
    """Data of another PostgreSQL is named in the refusal, and left alone."""
    postgres_server.stop()
    (postgres_server.store.data_dir / "PG_VERSION").write_text("17\n")
    with pytest.raises(StoreError, match="holds data of PostgreSQL 17"):
        postgres_server.start()
