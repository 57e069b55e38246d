"""What a service is told about the trust of the mesh."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Files for mutual TLS, PEM; certificates name the service as a DNS name.

    Attributes:
        certificate: This service's certificate, with those that it was issued by.
        key: Its private key.
        authorities: Certificates that peers' certificates must be issued by.
    """

    certificate: Path
    key: Path
    authorities: Path


@dataclass(frozen=True, slots=True)
class AccessTrust:
    """How the access tokens of people and other systems are verified.

    Attributes:
        issuer: Who must have issued them.
        keys_url: Address of the issuer's JWKS.
        revocations_url: Redis that knows which are revoked; secret.
    """

    issuer: str
    keys_url: str
    revocations_url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """Whom a service believes, and how it proves itself.

    Attributes:
        service: Its own name, such as `mapper`.
        trust_file: Public keys of all members, a JWKS; None leaves calls unverified.
        private_key_file: Its own Ed25519 key, PEM; None when it verifies nothing.
        open_loopback: Whether callers on this machine need not prove who they are.
        tls: Files for mutual TLS; None for plain text.
        access: How access tokens are verified; None refuses them.
        audit_address: gRPC target of the audit log; empty when there is none, and
            audited calls are refused to callers who do not come by the gateway.
    """

    service: str
    trust_file: Path | None = None
    private_key_file: Path | None = None
    open_loopback: bool = False
    tls: TlsFiles | None = None
    access: AccessTrust | None = None
    audit_address: str = ""


def open_loopback(service: str) -> MeshSettings:
    """Return settings that serve this machine without authentication."""
    return MeshSettings(service, open_loopback=True)
