"""Make what decides who may call a service, from its settings."""

import contextlib
from collections.abc import AsyncIterator

import aiohttp
import structlog

from services.common.access_tokens import AccessTokens
from services.common.audit_client import reporting
from services.common.auth import ScopeInterceptor
from services.common.errors import InvalidInput
from services.common.grpc_client import open_peer
from services.common.key_sets import OwnKeySet, RemoteKeySet
from services.common.mesh.keys import Trust
from services.common.mesh.policy import LoopbackPolicy, MeshPolicy
from services.common.mesh.settings import AccessTrust, MeshSettings
from services.common.redis_client import open_redis
from services.common.revocations import RedisRevocations

AUDITOR = "gateway"
"""Service that keeps the audit log."""

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
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        trust, tokens, audit_log = Trust(settings.trust_file), None, None
        if settings.access is not None:
            tokens = await enter(_access_tokens(settings.access))
        if settings.audit_address:
            channel = open_peer(settings, AUDITOR, settings.audit_address)
            audit_log = await enter(reporting(await enter(channel)))
        policy = MeshPolicy(settings.service, trust, tokens)
        yield ScopeInterceptor(policy, audit_log)


@contextlib.asynccontextmanager
async def _access_tokens(trust: AccessTrust) -> AsyncIterator[AccessTokens]:
    """Yield what verifies access tokens while the context is open."""
    async with (
        aiohttp.ClientSession() as session,
        open_redis(trust.revocations_url) as redis,
    ):
        keys = OwnKeySet(RemoteKeySet(session, trust.keys_url))
        yield AccessTokens(trust.issuer, keys, RedisRevocations(redis))
