"""What is derived from the gateway's one secret: each use has a key of its own."""

import base64
import hashlib
import hmac
import os
import secrets
import struct
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LEAST_SECRET_CHARACTERS = 32
DEVICE_LIFETIME_S = 180 * 24 * 3600
_NONCE_BYTES = 12
_DEVICE_ID_BYTES = 12
_HEAD = struct.Struct(f">{_DEVICE_ID_BYTES}sQ")


def _derived(secret: str, purpose: bytes) -> bytes:
    """Return a key for one purpose, 32 bytes."""
    derivation = HKDF(SHA256(), 32, salt=None, info=b"spoton gateway " + purpose)
    return derivation.derive(secret.encode())


class KeySeal:
    """Encrypts private keys for the database, by AES-256-GCM."""

    def __init__(self, secret: str) -> None:
        self._cipher = AESGCM(_derived(secret, b"signing keys"))

    def seal(self, private_key: bytes, key_id: str) -> bytes:
        """Return a private key encrypted, bound to its id."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, private_key, key_id.encode())

    def open(self, sealed: bytes, key_id: str) -> bytes | None:
        """Return the private key; None if it was sealed with another secret."""
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, ciphertext, key_id.encode())
        except InvalidTag:
            return None


class SignedDeviceProofs:
    """Proofs that a device has logged in before: an id, an end, and a MAC over both.

    They open nothing: whoever shows one may guess on, at the pace of one device.
    """

    def __init__(self, secret: str) -> None:
        self._key = _derived(secret, b"device proofs")

    def make(self, name: str) -> str:
        """Return a proof for the device that just logged in as `name`."""
        ends_s = int(time.time()) + DEVICE_LIFETIME_S
        head = _HEAD.pack(secrets.token_bytes(_DEVICE_ID_BYTES), ends_s)
        proof = head + self._mac(head, name)
        return base64.urlsafe_b64encode(proof).decode().rstrip("=")

    def id_of(self, proof: str, name: str) -> str:
        """Return the device's id, or an empty text if the proof is none for `name`."""
        try:
            decoded = base64.urlsafe_b64decode(proof + "=" * (-len(proof) % 4))
        except ValueError:
            return ""
        head, mac = decoded[: _HEAD.size], decoded[_HEAD.size :]
        if len(head) < _HEAD.size or not hmac.compare_digest(
            mac, self._mac(head, name)
        ):
            return ""
        device, ends_s = _HEAD.unpack(head)
        return device.hex() if ends_s > time.time() else ""

    def _mac(self, head: bytes, name: str) -> bytes:
        return hmac.new(self._key, head + name.encode(), hashlib.sha256).digest()
