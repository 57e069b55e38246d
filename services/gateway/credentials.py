"""What the gateway shows to the services that it calls."""

from typing import Protocol

from services.common.caller import Caller

Metadata = tuple[tuple[str, str], ...]


class CallCredentials(Protocol):
    """Makes the metadata by which a service knows the gateway and its caller."""

    def metadata(self, audience: str, caller: Caller) -> Metadata:
        """Return what to send with a call.

        Args:
            audience: Name of the service that is called, such as `mapper`.
            caller: On whose behalf.
        """


class NoCredentials:
    """Shows nothing, which services take from this machine alone."""

    def metadata(self, audience: str, caller: Caller) -> Metadata:
        """Return nothing."""
        return ()
