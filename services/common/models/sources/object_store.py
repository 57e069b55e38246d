"""Files in S3, asked for by an address that is signed for a while."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, NoCredentialsError

from services.common.models.sources.failures import SourceFailed
from services.common.models.sources.pace import Patience
from services.common.models.sources.transfer import Answer, Ask
from services.common.models.sources.web import ask_web

_PREFIX = "SPOTON_MODEL_S3_"
_SIGNED_FOR_S = 3600


def ask_s3(url: str, patience: Patience) -> Ask:
    """Return what asks S3 for a file.

    Endpoint, keys and region are those of SPOTON_MODEL_S3_…; without them, those that
    the AWS command line would use.

    Args:
        url: `s3://bucket/key`.
        patience: How long it may keep us waiting.

    Raises:
        SourceFailed: Endpoint or keys cannot be used.
    """
    parts = urlsplit(url)
    where = {"Bucket": parts.netloc, "Key": parts.path.lstrip("/")}
    try:
        client = _client()
        # Signing needs keys: their absence is told now.
        client.generate_presigned_url("get_object", Params=where)
    except NoCredentialsError as error:
        message = "no keys: set SPOTON_MODEL_S3_ACCESS_KEY and …_SECRET_KEY"
        raise SourceFailed(message) from error
    except (BotoCoreError, ValueError) as error:
        raise SourceFailed(str(error)) from error

    @contextmanager
    def ask(offset: int, validator: str | None) -> Iterator[Answer]:
        signed = client.generate_presigned_url(
            "get_object", Params=where, ExpiresIn=_SIGNED_FOR_S
        )
        with ask_web(signed, patience)(offset, validator) as answer:
            yield answer

    return ask


def _client() -> Any:
    """Return a client that signs addresses; it never connects."""
    endpoint = os.environ.get(f"{_PREFIX}ENDPOINT")
    access_key, secret_key = _secret("ACCESS_KEY"), _secret("SECRET_KEY")
    if bool(access_key) != bool(secret_key):
        raise SourceFailed(
            "SPOTON_MODEL_S3_ACCESS_KEY and …_SECRET_KEY belong together; "
            "one of them is not set"
        )
    return boto3.client(
        "s3",
        endpoint_url=endpoint or None,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        # A store of one's own rarely has a region, but the signature names one.
        region_name=os.environ.get(f"{_PREFIX}REGION")
        or ("us-east-1" if endpoint else None),
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if endpoint else "auto"},
        ),
    )


def _secret(name: str) -> str | None:
    """Return a secret of ours, from the variable or from the file that …_FILE names.

    Raises:
        SourceFailed: The file cannot be read.
    """
    file = os.environ.get(f"{_PREFIX}{name}_FILE")
    if not file:
        return os.environ.get(f"{_PREFIX}{name}") or None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SourceFailed(f"{_PREFIX}{name}_FILE cannot be read: {error}") from error
