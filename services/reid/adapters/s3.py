"""Pictures in S3."""

import asyncio
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from services.common.errors import NotFound, Unavailable
from services.common.store_metrics import store_timed

_MISSING = frozenset({"NoSuchKey", "404"})


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where the pictures are.

    Attributes:
        endpoint: URL of the S3 service.
        bucket: Name of an existing bucket.
        access_key: Id of the key pair.
        secret_key: Secret of the key pair.
    """

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"S3Settings({self.endpoint!r}, {self.bucket!r}, secret redacted)"


class S3Pictures:
    """Keeps files in one bucket; every call runs in a thread."""

    def __init__(self, settings: S3Settings) -> None:
        self._bucket = settings.bucket
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=settings.endpoint,
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=settings.secret_key,
            region_name="us-east-1",
            config=Config(
                connect_timeout=2,
                read_timeout=5,
                retries={"total_max_attempts": 2},
                s3={"addressing_style": "path"},
            ),
        )

    async def put(self, key: str, content: bytes) -> None:
        """Keep a file.

        Raises:
            Unavailable: The store is away.
        """
        await self._call("put_object", Key=key, Body=content, ContentType="image/jpeg")

    async def get(self, key: str) -> bytes:
        """Return a file.

        Raises:
            NotFound: There is none of that name.
            Unavailable: The store is away.
        """
        return await asyncio.to_thread(self._read, key)

    async def delete(self, key: str) -> None:
        """Remove a file, if it exists.

        Raises:
            Unavailable: The store is away.
        """
        await self._call("delete_object", Key=key)

    async def _call(self, operation: str, **arguments: Any) -> None:
        await asyncio.to_thread(self._run, operation, arguments)

    def _read(self, key: str) -> bytes:
        answer = self._run("get_object", {"Key": key})
        try:
            return bytes(answer["Body"].read())
        except BotoCoreError as error:
            raise Unavailable("the picture store is away") from error

    def _run(self, operation: str, arguments: dict[str, Any]) -> Any:
        """Run an operation of the client, in a thread."""
        try:
            with store_timed("s3", operation):
                call = getattr(self._client, operation)
                return call(Bucket=self._bucket, **arguments)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                raise NotFound(f"no object {arguments['Key']}") from error
            raise Unavailable(f"the picture store refused: {error}") from error
        except BotoCoreError as error:
            raise Unavailable("the picture store is away") from error
