"""The ways in which a call can fail, with no transport in sight.

Raise these from domain and service code; `grpc_errors` translates them to and from
the wire, and a client sees the class that the server raised.
"""


class SpotOnError(Exception):
    """Base of every error that a caller is meant to understand.

    Attributes:
        message: One sentence for the caller, safe to show.
        field: Path of the request field at fault, or an empty string.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.message = message
        self.field = field


class InvalidInput(SpotOnError):
    """The request can never succeed as it is."""


class NotFound(SpotOnError):
    """Something that the request names does not exist."""


class AlreadyExists(SpotOnError):
    """Something that the request would create exists."""


class NotReady(SpotOnError):
    """The request is fine, but something must be done first."""


class Conflict(SpotOnError):
    """Somebody else was faster: a stale version, a lost lease, a wrong order."""


class Overloaded(SpotOnError):
    """A limit is reached; try again later."""


class Unauthenticated(SpotOnError):
    """The caller did not prove who it is."""


class Forbidden(SpotOnError):
    """The caller may not do this."""


class Unavailable(SpotOnError):
    """A peer or a store is away; the same call may succeed later."""


class DeadlineExceeded(SpotOnError):
    """The answer did not come in time."""
