"""Addresses as callers write them, read in one way only.

Libraries disagree about odd addresses, and where the one that checks and the one that
connects disagree, a check is worth nothing. So what is odd is refused.
"""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import unquote, urlsplit

from services.common.errors import InvalidInput

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
"""Schemes that are known, with their usual ports."""

MAX_URL_LENGTH = 2000

# Letters, digits, dots and hyphens, at least one letter: no number in disguise.
_NAME = re.compile(
    r"(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    r"(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
# How C libraries read numbers: 0x7f000001, 017700000001, 0x7f.1.
_NUMBER = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*")
_VISIBLE = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is in front of the host of an address; never shown."""

    username: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Url:
    """An address without credentials.

    Attributes:
        scheme: One of `DEFAULT_PORTS`.
        host: Name in lower case without a final dot, or an IP address.
        port: TCP port.
        path: All behind the port: path and query; empty or begins with a slash.
    """

    scheme: str
    host: str | IPv4Address | IPv6Address
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Whom the address belongs to: scheme, host and port."""
        return self.scheme, str(self.host), self.port

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """Host and port, the port only where it is not the usual one."""
        host = f"[{self.host}]" if isinstance(self.host, IPv6Address) else self.host
        usual = self.port == DEFAULT_PORTS[self.scheme]
        return f"{host}" if usual else f"{host}:{self.port}"


def read_url(text: str, field: str) -> tuple[Url, Credentials | None]:
    """Return an address and the credentials that were written in it.

    No message repeats the address, which may hold a password.

    Args:
        text: The address.
        field: Where it stands in the request, for errors.

    Raises:
        InvalidInput: It is none, is odd, or its scheme is not known.
    """
    if len(text) > MAX_URL_LENGTH:
        raise InvalidInput(
            f"must have at most {MAX_URL_LENGTH} characters", field=field
        )
    if not _VISIBLE.fullmatch(text) or "\\" in text or "#" in text:
        raise InvalidInput(
            "must be an address without spaces, backslashes and fragments", field=field
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InvalidInput("must be an address with a host", field=field) from None
    if parts.scheme not in DEFAULT_PORTS:
        known = ", ".join(DEFAULT_PORTS)
        raise InvalidInput(f"must begin with one of {known} and ://", field=field)
    userinfo, at, rest = parts.netloc.rpartition("@")
    if "@" in userinfo or not rest or port == 0:
        raise InvalidInput("must name one host, and a port that exists", field=field)
    url = Url(
        scheme=parts.scheme,
        host=_host(parts.hostname or "", rest, field),
        port=port or DEFAULT_PORTS[parts.scheme],
        path=parts.path + (f"?{parts.query}" if parts.query else ""),
    )
    return url, _credentials(userinfo) if at else None


def _credentials(userinfo: str) -> Credentials:
    username, _, password = userinfo.partition(":")
    return Credentials(unquote(username), unquote(password))


def _host(hostname: str, written: str, field: str) -> str | IPv4Address | IPv6Address:
    """Return a host that everybody reads alike."""
    if written.startswith("["):
        try:
            address = IPv6Address(hostname)
        except ValueError:
            raise InvalidInput("must hold an IPv6 address", field=field) from None
        if address.scope_id is not None:
            raise InvalidInput("must not name a network interface", field=field)
        return address
    host = hostname.removesuffix(".")
    if _NUMBER.fullmatch(host):
        try:
            return IPv4Address(host)
        except ValueError:
            raise InvalidInput(
                "must write an IPv4 address as four decimal numbers", field=field
            ) from None
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise InvalidInput("must hold a host name or an IP address", field=field)
    return host
