"""Which addresses the system may open: nothing that was not allowed."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from services.common.errors import Forbidden
from services.common.outgoing.url import DEFAULT_PORTS, Url

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
# Where clouds tell a machine its secrets; never opened, whatever is allowed.
_NEVER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "168.63.129.16/32",
        "0.0.0.0/8",
        "::/128",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "ff00::/8",
    )
)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What may be opened.

    Attributes:
        schemes: Such as `rtsp`; others are refused.
        hosts: Names that may be opened; `*.example.org` for all below one, `*` for all
            that resolve to public addresses.
        networks: Networks that may be opened although they are not public, and by
            their bare addresses. Link-local and metadata addresses stay refused.
    """

    schemes: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = ()
    networks: tuple[IPNetwork, ...] = ()

    def check(self, url: Url, field: str) -> None:
        """Return if an address may be opened as far as it can be told by itself.

        Raises:
            Forbidden: Its scheme or host is not allowed.
        """
        if url.scheme not in self.schemes:
            raise Forbidden(f"addresses of {url.scheme} are not allowed", field=field)
        if isinstance(url.host, str):
            if not any(_matches(url.host, pattern) for pattern in self.hosts):
                raise Forbidden(
                    "the host is not in the list of allowed ones", field=field
                )
            return
        if not self._listed(real_address(url.host)):
            raise Forbidden(
                "the network is not in the list of allowed ones", field=field
            )
        self.check_address(url.host, field)

    def check_address(self, address: IPAddress, field: str) -> None:
        """Return if an address to which a name resolved may be connected to.

        Raises:
            Forbidden: It is link-local, of a metadata service, or not public and not in
                an allowed network.
        """
        real = real_address(address)
        if any(real in network for network in _NEVER):
            raise Forbidden(
                "the host is at an address that is never opened", field=field
            )
        if not real.is_global and not self._listed(real):
            raise Forbidden("the host is in a network that is not allowed", field=field)

    def _listed(self, address: IPAddress) -> bool:
        return any(address in network for network in self.networks)


def real_address(address: IPAddress) -> IPAddress:
    """Return the address that is meant by one which carries another inside.

    >>> real_address(IPv6Address("::ffff:127.0.0.1"))
    IPv4Address('127.0.0.1')
    >>> real_address(IPv6Address("64:ff9b::a9fe:a9fe"))
    IPv4Address('169.254.169.254')
    """
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    low = int(address)
    if address in _NAT64 or 1 < low < 2**32:
        return IPv4Address(low & 0xFFFF_FFFF)
    return address


def policy_from_texts(
    schemes: Sequence[str], hosts: Sequence[str], networks: Sequence[str]
) -> AddressPolicy:
    """Return the policy that lists of texts describe.

    Raises:
        ValueError: A scheme is not known, a host pattern is odd, or a network is none.
    """
    for scheme in schemes:
        if scheme not in DEFAULT_PORTS:
            raise ValueError(f"{scheme} is not one of {', '.join(DEFAULT_PORTS)}")
    for host in hosts:
        if "*" in host.removeprefix("*"):
            raise ValueError(f"{host} may have its * at the beginning only")
    return AddressPolicy(
        frozenset(schemes),
        tuple(host.lower() for host in hosts),
        tuple(ipaddress.ip_network(text) for text in networks),
    )


def _matches(host: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return host == pattern
