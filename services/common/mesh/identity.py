"""How a service proves itself to the services that it calls."""

import time
from collections.abc import Callable

from services.common.caller import Caller
from services.common.mesh.keys import SigningKey
from services.common.mesh.tokens import SERVICE_LIFE_S, sign_caller, sign_service

SERVICE_KEY = "spoton-service"
"""Metadata that holds a service token."""

CALLER_KEY = "spoton-caller"
"""Metadata that holds a caller claim."""

Metadata = tuple[tuple[str, str], ...]


class MeshIdentity:
    """Signs what a service's calls prove themselves with.

    Service tokens are kept and made anew when half of their life is over, so a call
    costs no signature; a caller claim is signed for each call.
    """

    def __init__(self, key: SigningKey, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock
        self._tokens: dict[str, tuple[str, float]] = {}

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
        proof = ((SERVICE_KEY, self._service_token(audience, now_s)),)
        if caller is None:
            return proof
        claim = sign_caller(self._key, audience, caller, now_s)
        return (*proof, (CALLER_KEY, claim))

    def _service_token(self, audience: str, now_s: float) -> str:
        token, renew_s = self._tokens.get(audience, ("", 0.0))
        # A clock that was set back must not keep an old token for long either.
        if not renew_s - SERVICE_LIFE_S < now_s < renew_s:
            token = sign_service(self._key, audience, now_s)
            self._tokens[audience] = (token, now_s + SERVICE_LIFE_S / 2)
        return token
