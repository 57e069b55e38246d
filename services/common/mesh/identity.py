"""How a service proves itself to the services that it calls."""

import time
from collections.abc import Callable, Hashable

from services.common.caller import Caller
from services.common.mesh.keys import SigningKey
from services.common.mesh.tokens import (
    CALLER_LIFE_S,
    SERVICE_LIFE_S,
    sign_caller,
    sign_service,
)

SERVICE_KEY = "spoton-service"
"""Metadata that holds a service token."""

CALLER_KEY = "spoton-caller"
"""Metadata that holds a caller claim."""

_MOST_KEPT = 4096

Metadata = tuple[tuple[str, str], ...]


class MeshIdentity:
    """Signs what a service's calls prove themselves with.

    Tokens and claims are kept and made anew when half of their life is over: a
    signature costs more than the rest of a small call.
    """

    def __init__(self, key: SigningKey, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock
        self._kept: dict[Hashable, tuple[str, float]] = {}

    @property
    def service(self) -> str:
        """Name of the service."""
        return self._key.member

    def metadata(self, audience: str, caller: Caller | None = None) -> Metadata:
        """Return what goes with a call.

        Args:
            audience: Name of the called service, such as `mapper`.
            caller: On whose behalf it is made; None for the service itself.
        """
        now_s = self._clock()
        token = self._signed(
            audience,
            SERVICE_LIFE_S,
            now_s,
            lambda: sign_service(self._key, audience, now_s),
        )
        if caller is None:
            return ((SERVICE_KEY, token),)
        claim = self._signed(
            (audience, *_content(caller)),
            CALLER_LIFE_S,
            now_s,
            lambda: sign_caller(self._key, audience, caller, now_s),
        )
        return ((SERVICE_KEY, token), (CALLER_KEY, claim))

    def _signed(
        self, key: Hashable, life_s: float, now_s: float, sign: Callable[[], str]
    ) -> str:
        """Return what was signed for a key lately, or sign it.

        Args:
            key: All that is signed but the time.
            life_s: How long it holds, seconds.
            now_s: Time, seconds since 1970 UTC.
            sign: Signs it.
        """
        signed, renew_s = self._kept.get(key, ("", 0.0))
        # A clock that was set back must not keep anything for long either.
        if not renew_s - life_s < now_s < renew_s:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            signed = sign()
            self._kept[key] = (signed, now_s + life_s / 2)
        return signed


def _content(caller: Caller) -> tuple[Hashable, ...]:
    """Return all that a claim says about a caller."""
    return (
        caller.subject,
        caller.name,
        caller.kind,
        frozenset(caller.grants.items()),
        caller.expires_s,
        caller.token_id,
        caller.address,
    )
