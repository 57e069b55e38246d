"""The one way to an address that a caller gave: checked, resolved once, and pinned."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from services.common.errors import NotFound, Unavailable
from services.common.outgoing.policy import AddressPolicy, IPAddress
from services.common.outgoing.url import Url, read_url

RESOLVE_TIMEOUT_S = 5.0

Resolve = Callable[[str], Awaitable[Sequence[IPAddress]]]
"""Returns every address of a name; raises OSError when it has none."""


@dataclass(frozen=True, slots=True)
class PinnedUrl:
    """An address that may be opened, at the IP address that was checked.

    Whoever opens it connects to `address`, not to what the name resolves to by then.
    """

    url: Url
    address: IPAddress


async def resolve(name: str) -> Sequence[IPAddress]:
    """Return every address of a name, as this machine resolves it.

    Raises:
        OSError: It has none.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(answer[4][0]) for answer in found]


class AddressGuard:
    """Says which addresses may be opened, and where they are."""

    def __init__(self, policy: AddressPolicy, resolve: Resolve = resolve) -> None:
        self._policy = policy
        self._resolve = resolve

    def check(self, text: str, field: str) -> None:
        """Return if an address may be stored, to be pinned when it is opened.

        Raises:
            InvalidInput: It is no address, or an odd one.
            Forbidden: Its scheme or host is not allowed.
        """
        url, _ = read_url(text, field)
        self._policy.check(url, field)

    async def pin(self, text: str, field: str) -> PinnedUrl:
        """Return an address that may be opened now, with the IP address to connect to.

        A name is refused when any of its addresses is, as one that answers with both
        a public and a private address has no good reason to.

        Raises:
            InvalidInput: It is no address, or an odd one.
            Forbidden: Scheme, host, or an IP address of the host is not allowed.
            NotFound: The host has no address.
            Unavailable: The host's address cannot be told in time.
        """
        url, _ = read_url(text, field)
        self._policy.check(url, field)
        if not isinstance(url.host, str):
            return PinnedUrl(url, url.host)
        addresses = await self._addresses(url.host, field)
        for address in addresses:
            self._policy.check_address(address, field)
        return PinnedUrl(url, addresses[0])

    async def _addresses(self, name: str, field: str) -> Sequence[IPAddress]:
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                addresses = await self._resolve(name)
        except TimeoutError:
            raise Unavailable("the host's address cannot be told now") from None
        except (OSError, UnicodeError):
            addresses = ()
        if not addresses:
            raise NotFound("the host has no address", field=field)
        return addresses
