"""How many may watch an environment at once, by whichever route."""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol


class ViewerQuota(Protocol):
    """Bounds how many watch an environment."""

    def watching(self, environment_id: str) -> AbstractAsyncContextManager[object]:
        """Count a viewer while the context is open.

        Raises:
            Overloaded: There are too many already, on entering.
        """


class NoQuota:
    """Lets everybody watch."""

    def watching(
        self,
        environment_id: str,  # noqa: ARG002 - as the port has it.
    ) -> AbstractAsyncContextManager[object]:
        """Count nothing."""
        return nullcontext()
