"""HTTP to a pinned address: no redirects, no proxies, bounded time and size."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from services.common.errors import Forbidden, Unavailable
from services.common.outgoing.guard import PinnedUrl
from services.common.outgoing.policy import IPAddress
from services.common.outgoing.url import Credentials


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a host answered."""

    status: int
    body: bytes


async def send(
    pinned: PinnedUrl,
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    credentials: Credentials | None = None,
    timeout_s: float = 10.0,
    max_bytes: int = 1024 * 1024,
) -> HttpAnswer:
    """Send one request to the IP address that was checked, and return the answer.

    TLS certificates are checked against the host's name.

    Args:
        pinned: Where.
        method: Such as `POST`.
        body: What is sent.
        headers: In addition to the usual ones.
        credentials: Sent as basic authentication.
        timeout_s: Time for all of it, seconds.
        max_bytes: Longest answer that is read.

    Raises:
        Forbidden: The host answers with a redirect, which is not followed.
        Unavailable: The host is away, too slow, or answers too much.
    """
    auth = credentials and aiohttp.BasicAuth(credentials.username, credentials.password)
    connector = aiohttp.TCPConnector(resolver=_Pinned(pinned.address), ttl_dns_cache=0)
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as session,
            session.request(
                method,
                str(pinned.url),
                data=body or None,
                headers=headers,
                auth=auth or None,
                allow_redirects=False,
            ) as answer,
        ):
            if 300 <= answer.status < 400:
                raise Forbidden(
                    "the host answers with a redirect, which is not followed"
                )
            return HttpAnswer(answer.status, await _bounded(answer, max_bytes))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        # The text of the error may hold the address, and that a token.
        raise Unavailable(
            f"the host cannot be reached: {type(error).__name__}"
        ) from None


async def _bounded(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > max_bytes:
            raise Unavailable(f"the host answers with more than {max_bytes} bytes")
    return bytes(body)


class _Pinned(AbstractResolver):
    """Resolves every name to the address that was checked."""

    def __init__(self, address: IPAddress) -> None:
        self._address = str(address)
        self._family = socket.AF_INET if address.version == 4 else socket.AF_INET6

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the address."""
        del family
        return [
            ResolveResult(
                hostname=host,
                host=self._address,
                port=port,
                family=self._family,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Hold nothing."""
