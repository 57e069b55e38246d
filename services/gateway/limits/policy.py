"""Classes of routes, and how often each may be asked for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.common.environ import ConfigError, Environ
from services.common.errors import Overloaded

_LONGEST_S = 86_400


class RouteClass(StrEnum):
    """Routes that cost about the same, and share one quota of a caller.

    Attributes:
        READ: Answers from a store.
        WRITE: Changes something.
        SEARCH: Compares a picture or a vector with all that is stored.
        COMPUTE: Runs a model on what the caller sends.
        STREAM: Opens a stream, which lasts.
        PICTURE: Answers one picture.
        LOGIN: Says who the caller is.
    """

    READ = "read"
    WRITE = "write"
    SEARCH = "search"
    COMPUTE = "compute"
    STREAM = "stream"
    PICTURE = "picture"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something may happen.

    Attributes:
        requests: Most of them in any window. Range: >= 1.
        window_s: Length of the window, seconds. Range: >= 1.
    """

    requests: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Policies:
    """What a gateway allows.

    Attributes:
        by_class: For each account, in each class of routes.
        per_address: For each address, over all classes and accounts; it bounds who
            has no account, and one machine with many.
    """

    by_class: Mapping[RouteClass, Rate]
    per_address: Rate


_DEFAULTS = {
    RouteClass.READ: Rate(600, 60),
    RouteClass.WRITE: Rate(120, 60),
    RouteClass.SEARCH: Rate(60, 60),
    RouteClass.COMPUTE: Rate(120, 60),
    RouteClass.STREAM: Rate(60, 60),
    RouteClass.PICTURE: Rate(600, 60),
    RouteClass.LOGIN: Rate(30, 60),
}
_PER_ADDRESS = Rate(3000, 60)


def policies_from_environ(environ: Environ) -> Policies:
    """Return the limits: RATE_<CLASS> and RATE_ADDRESS, as `requests/seconds`.

    Raises:
        ConfigError: A variable is no rate; the message names it.
    """
    return Policies(
        by_class={
            each: _rate(environ, f"RATE_{each.name}", default)
            for each, default in _DEFAULTS.items()
        },
        per_address=_rate(environ, "RATE_ADDRESS", _PER_ADDRESS),
    )


def _rate(environ: Environ, name: str, default: Rate) -> Rate:
    text = environ.text(name, f"{default.requests}/{default.window_s}")
    requests, slash, window_s = text.partition("/")
    numbers = slash and requests.isdecimal() and window_s.isdecimal()
    if not numbers or not int(requests) >= 1 or not 1 <= int(window_s) <= _LONGEST_S:
        raise ConfigError(
            f"{environ.prefix}{name} must be requests/seconds, such as 600/60, with at "
            f"most {_LONGEST_S} seconds; got {text!r}"
        )
    return Rate(int(requests), int(window_s))


def class_of(method: str, scope: str, *, streaming: bool) -> RouteClass:
    """Return the class of a route of an RPC.

    Args:
        method: Of HTTP, such as `GET`.
        scope: That the RPC requires, such as `identities:search`.
        streaming: Whether the server answers with many messages.
    """
    if streaming:
        return RouteClass.STREAM
    action = scope.partition(":")[2]
    if action == "search":
        return RouteClass.SEARCH
    if action == "compute":
        return RouteClass.COMPUTE
    return RouteClass.READ if method in ("GET", "HEAD") else RouteClass.WRITE


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a rate.

    Attributes:
        name: Of the quota, as in the header fields.
        rate: The quota.
        remaining: Requests that are left in this window. Range: >= 0.
        reset_s: Time until the window is as good as empty, seconds. Range: >= 0.
    """

    name: str
    rate: Rate
    remaining: int
    reset_s: float

    def fields(self) -> dict[str, str]:
        """Return the `RateLimit` fields of an answer, as the IETF's draft has them."""
        return {
            "RateLimit-Policy": (
                f'"{self.name}";q={self.rate.requests};w={self.rate.window_s}'
            ),
            "RateLimit": f'"{self.name}";r={self.remaining};t={self.wait_s}',
        }

    @property
    def wait_s(self) -> int:
        """Whole seconds until the window is as good as empty; also `Retry-After`."""
        return max(0, math.ceil(self.reset_s))


class LimitReached(Overloaded):
    """A caller asked too often.

    Attributes:
        standing: What is left, and when there is more.
    """

    def __init__(self, standing: Standing) -> None:
        super().__init__(
            f"more than {standing.rate.requests} requests of the class "
            f"{standing.name} in {standing.rate.window_s} s; try again in "
            f"{max(1, standing.wait_s)} s"
        )
        self.standing = standing

    def fields(self) -> dict[str, str]:
        """Return the header fields of the refusal."""
        wait_s = max(1, self.standing.wait_s)
        return self.standing.fields() | {"Retry-After": str(wait_s)}
