"""Quotas of callers: their configuration, their classes, and what an answer says."""

import pytest

from services.common.environ import ConfigError, Environ
from services.gateway.limits.client_address import (
    client_address,
    limited_address,
    trusted_proxies_from_environ,
)
from services.gateway.limits.policy import (
    Rate,
    RouteClass,
    Standing,
    class_of,
    policies_from_environ,
)


def environ(**variables: str) -> Environ:
    """Return the gateway's variables."""
    return Environ(
        "SPOTON_GATEWAY_",
        {f"SPOTON_GATEWAY_{name}": value for name, value in variables.items()},
    )


TRUSTED = trusted_proxies_from_environ(environ(TRUSTED_PROXIES="10.0.0.0/8, fd00::/8"))


def test_a_rate_is_read_from_its_variable() -> None:
    """Requests and seconds replace the default of one class only."""
    policies = policies_from_environ(environ(RATE_SEARCH="5/10"))
    assert policies.by_class[RouteClass.SEARCH] == Rate(5, 10)
    assert policies.by_class[RouteClass.READ] == Rate(600, 60)


@pytest.mark.parametrize("text", ["5", "0/10", "5/0", "-1/10", "5/x", "5/86401", "/"])
def test_a_rate_that_is_none_names_the_variable(text: str) -> None:
    """The service does not start with it."""
    with pytest.raises(ConfigError, match="SPOTON_GATEWAY_RATE_ADDRESS"):
        policies_from_environ(environ(RATE_ADDRESS=text))


def test_a_proxy_that_is_no_network_names_the_variable() -> None:
    """The service does not start with it."""
    with pytest.raises(ConfigError, match="SPOTON_GATEWAY_TRUSTED_PROXIES"):
        trusted_proxies_from_environ(environ(TRUSTED_PROXIES="10.0.0.1/8"))


@pytest.mark.parametrize(
    ("method", "scope", "streaming", "expected"),
    [
        ("GET", "environments:read", False, RouteClass.READ),
        ("PUT", "environments:write", False, RouteClass.WRITE),
        ("POST", "identities:search", False, RouteClass.SEARCH),
        ("POST", "perception:compute", False, RouteClass.COMPUTE),
        ("GET", "tracking:read", True, RouteClass.STREAM),
    ],
)
def test_a_route_belongs_to_the_class_of_its_cost(
    method: str,
    scope: str,
    streaming: bool,  # noqa: FBT001 - a column of the table.
    expected: RouteClass,
) -> None:
    """Searches and models cost more than reading, whatever the HTTP method."""
    assert class_of(method, scope, streaming=streaming) is expected


def test_nobody_is_believed_unless_configured() -> None:
    """A client cannot choose its address."""
    assert client_address("203.0.113.7", ["198.51.100.1"], ()) == "203.0.113.7"


def test_a_trusted_proxy_names_the_client() -> None:
    """The address nearest to our proxies counts, not what the client put before it."""
    forwarded = ["198.51.100.66, 203.0.113.7", "10.1.2.3"]
    assert client_address("10.0.0.1", forwarded, TRUSTED) == "203.0.113.7"


def test_a_proxy_that_names_nonsense_is_the_client() -> None:
    """What is no address is not counted as one."""
    assert client_address("10.0.0.1", ["unknown"], TRUSTED) == "10.0.0.1"


def test_an_address_of_ipv4_has_one_form() -> None:
    """Mapped into IPv6, a proxy is still trusted and a client still the same."""
    forwarded = ["::ffff:203.0.113.7"]
    assert client_address("::ffff:10.0.0.1", forwarded, TRUSTED) == "203.0.113.7"


def test_addresses_of_one_ipv6_network_count_as_one() -> None:
    """A client with 64 bits of addresses has one quota."""
    assert limited_address("2001:db8::1") == limited_address("2001:db8::ffff:2")
    assert limited_address("203.0.113.7") == "203.0.113.7"


def test_the_fields_say_what_is_left() -> None:
    """Names, quota, window, rest and time are those of the draft."""
    standing = Standing("search", Rate(5, 10), 3, 4.2)
    assert standing.fields() == {
        "RateLimit-Policy": '"search";q=5;w=10',
        "RateLimit": '"search";r=3;t=5',
    }
