"""The gateway as a member of the mesh: what it shows, and whom it believes."""

from services.common.access_tokens import AccessTokens
from services.common.auditing import AuditLog
from services.common.auth import ScopeInterceptor
from services.common.caller import Caller
from services.common.errors import InvalidInput
from services.common.mesh.identity import MeshIdentity
from services.common.mesh.keys import Trust, load_signing_key
from services.common.mesh.policy import LoopbackPolicy, MeshPolicy
from services.common.mesh.settings import MeshSettings
from services.gateway.config import OWN_AUDIENCES
from services.gateway.credentials import CallCredentials, Metadata, NoCredentials


def call_credentials(mesh: MeshSettings) -> CallCredentials:
    """Return what makes the proof that goes with a call to a service.

    Raises:
        InvalidInput: The gateway's key cannot be used.
    """
    if mesh.private_key_file is None:
        return NoCredentials()
    key = load_signing_key(mesh.private_key_file, mesh.service)
    return _Signed(MeshIdentity(key))


class _Signed:
    """Signs calls to services, one's own port included."""

    def __init__(self, identity: MeshIdentity) -> None:
        self._identity = identity

    def metadata(self, audience: str, caller: Caller) -> Metadata:
        """Return what to send with a call."""
        own = audience in OWN_AUDIENCES
        service = self._identity.service if own else audience
        return self._identity.metadata(service, caller)


def own_guard(
    mesh: MeshSettings, tokens: AccessTokens, audit_log: AuditLog
) -> ScopeInterceptor:
    """Return what decides who may call the gateway's own port.

    Raises:
        InvalidInput: The keys of the mesh cannot be read, or there are none and it was
            not said that callers on this machine need none.
    """
    if mesh.trust_file is not None:
        policy = MeshPolicy(mesh.service, Trust(mesh.trust_file), tokens)
        return ScopeInterceptor(policy, audit_log)
    if not mesh.open_loopback:
        raise InvalidInput("SPOTON_MESH_TRUST_FILE is required and not set")
    return ScopeInterceptor(LoopbackPolicy(), audit_log)
