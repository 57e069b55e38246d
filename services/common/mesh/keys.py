"""Ed25519 keys: one private for each member of the mesh, all public ones in a JWKS."""

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from services.common.errors import InvalidInput, Unauthenticated

_LOOK_EVERY_S = 5.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private key of one member.

    Attributes:
        member: Name of the member, such as `pipeline`.
        key_id: Name of the key: the member's name, a dot, and a thumbprint.
        private_key: The key.
    """

    member: str
    key_id: str
    private_key: Ed25519PrivateKey = field(repr=False)

    def public_jwk(self) -> dict[str, str]:
        """Return the public half as a JSON Web Key."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": self.key_id,
            "x": _encoded(self.private_key.public_key().public_bytes_raw()),
        }


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key and the member whose it is."""

    member: str
    public_key: Ed25519PublicKey


def load_signing_key(file: Path, member: str) -> SigningKey:
    """Read the private key of a member.

    Raises:
        InvalidInput: The file cannot be read, or holds no Ed25519 key.
    """
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"{file} holds no private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput(f"{file} holds no Ed25519 key")
    return _signing_key(member, key)


def load_or_create_signing_key(file: Path, member: str) -> SigningKey:
    """Read the private key of a member, made at the first time with mode 0600.

    Raises:
        InvalidInput: The file holds no Ed25519 key.
        OSError: It cannot be made.
    """
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        new = file.with_suffix(".new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(text)
        new.replace(file)
    return load_signing_key(file, member)


def trust_document(keys: Mapping[str, SigningKey]) -> str:
    """Return the JWKS of some members' public keys."""
    return json.dumps({"keys": [key.public_jwk() for key in keys.values()]}, indent=2)


class Trust:
    """Public keys of all members, read from a JWKS and again when it changes.

    A key that is taken out of the file is believed for five more seconds at most. A
    file that becomes unreadable changes nothing.
    """

    def __init__(
        self, file: Path, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the file.

        Raises:
            InvalidInput: It cannot be read, or is no JWKS of Ed25519 keys.
        """
        self._file = file
        self._monotonic = monotonic
        self._stamp = _stamp(file)
        self._keys = _read(file)
        self._looked_s = monotonic()

    def key(self, key_id: str) -> TrustedKey:
        """Return a key by its name.

        Raises:
            Unauthenticated: No member has such a key.
        """
        self.version()
        try:
            return self._keys[key_id]
        except KeyError:
            raise Unauthenticated("the token's key is not of the mesh") from None

    def version(self) -> Hashable:
        """Return what changes whenever the keys do, so that verdicts may be kept."""
        if self._monotonic() - self._looked_s > _LOOK_EVERY_S:
            self._look_again()
        return self._stamp

    def _look_again(self) -> None:
        """Read the file if it has changed."""
        self._looked_s = self._monotonic()
        try:
            stamp = _stamp(self._file)
            if stamp != self._stamp:
                self._keys, self._stamp = _read(self._file), stamp
        except InvalidInput as error:
            _log.error("the keys of the mesh cannot be read again", reason=str(error))


def _stamp(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error}") from error
    return status.st_mtime_ns, status.st_ino


def _read(file: Path) -> dict[str, TrustedKey]:
    """Return the keys of a file by their names."""
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))["keys"]
        return {str(one["kid"]): _trusted(one) for one in listed}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{file} is no JWKS of Ed25519 keys: {error}") from error


def _trusted(jwk: Mapping[str, str]) -> TrustedKey:
    if (jwk["kty"], jwk["crv"]) != ("OKP", "Ed25519"):
        raise ValueError(f"key {jwk['kid']} is not of Ed25519")
    member, dot, _ = jwk["kid"].rpartition(".")
    if not (member and dot):
        raise ValueError(f"key {jwk['kid']} names no member")
    padded = jwk["x"] + "=" * (-len(jwk["x"]) % 4)
    return TrustedKey(
        member, Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(padded))
    )


def _signing_key(member: str, key: Ed25519PrivateKey) -> SigningKey:
    thumbprint = hashlib.sha256(key.public_key().public_bytes_raw()).digest()
    return SigningKey(member, f"{member}.{_encoded(thumbprint)[:16]}", key)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
