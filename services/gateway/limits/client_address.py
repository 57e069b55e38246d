"""Where a request comes from, when proxies stand between."""

import ipaddress
from collections.abc import Sequence

from aiohttp import web

from services.common.environ import ConfigError, Environ

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
CLIENT_ADDRESS: web.RequestKey[str] = web.RequestKey("client_address", str)
"""Where a request comes from; set once, before anything else is done."""
_IPV6_HOST_BITS = 64


def remote_address(request: web.Request) -> str:
    """Return where a request comes from; empty when unknown."""
    known = request.get(CLIENT_ADDRESS)
    return request.remote or "" if known is None else known


def trusted_proxies_from_environ(environ: Environ) -> tuple[Network, ...]:
    """Return the networks of TRUSTED_PROXIES, divided by commas; none by default.

    Raises:
        ConfigError: One is no network; the message names the variable.
    """
    name = "TRUSTED_PROXIES"
    texts = [text.strip() for text in environ.text(name, ",").split(",")]
    try:
        return tuple(ipaddress.ip_network(text) for text in texts if text)
    except ValueError as error:
        raise ConfigError(
            f"{environ.prefix}{name} must be networks such as 10.0.0.0/8, divided by "
            f"commas: {error}"
        ) from None


def client_address(
    peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]
) -> str:
    """Return the address of the client itself.

    `X-Forwarded-For` is read from its end, where our own proxies wrote, and only as
    far as each writer is trusted: what stands before may be the client's invention.

    Args:
        peer: Address at the other end of the connection.
        forwarded_for: Values of the header fields `X-Forwarded-For`, in order.
        trusted: Networks of proxies that are believed.
    """
    hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
    address = peer
    while hops and _is_trusted(address, trusted):
        named = _parsed(hops.pop())
        if named is None:
            break
        address = str(named)
    return address


def limited_address(address: str) -> str:
    """Return what a limit counts: an IPv6 client owns 64 bits of addresses."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _IPV6_HOST_BITS), strict=False))
    return address


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address; one of IPv4 in the dress of IPv6 is of IPv4."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return mapped or parsed
