"""Make what decides who may call a service, from its settings."""

import contextlib
from collections.abc import AsyncIterator

import structlog

from services.common.auth import ScopeInterceptor
from services.common.errors import InvalidInput
from services.common.mesh.keys import Trust
from services.common.mesh.policy import LoopbackPolicy, MeshPolicy
from services.common.mesh.settings import MeshSettings

_NOTHING_CHOSEN = (
    "SPOTON_MESH_TRUST_FILE is required and not set: it holds the public keys by which "
    "calls are verified; SPOTON_MESH_OPEN_LOOPBACK=true serves callers on this machine "
    "without authentication instead"
)

_log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def open_guard(settings: MeshSettings) -> AsyncIterator[ScopeInterceptor]:
    """Yield what decides who may call a service, while the context is open.

    Raises:
        InvalidInput: The keys of the mesh cannot be read, or there are none and it was
            not said that callers on this machine need none.
    """
    if settings.trust_file is None:
        if not settings.open_loopback:
            raise InvalidInput(_NOTHING_CHOSEN)
        _log.warning("callers on this machine are not authenticated")
        yield ScopeInterceptor(LoopbackPolicy())
        return
    yield ScopeInterceptor(MeshPolicy(settings.service, Trust(settings.trust_file)))
