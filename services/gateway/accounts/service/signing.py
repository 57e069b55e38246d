"""Signing keys: made at first start, shared by replicas, rotated with overlap."""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from services.common.access_tokens import (
    ALGORITHM,
    LEEWAY_S,
    LIFETIME_S,
    TOKEN_TYPE,
    AccessClaims,
    claims_payload,
)
from services.common.errors import NotReady, Unavailable
from services.gateway.accounts.domain.accounts import SigningKey
from services.gateway.accounts.domain.revoking import Revocation, Revoked
from services.gateway.accounts.service.ports import Store, Transaction

ACTIVATE_AFTER_S = 60.0
"""Time for everybody to learn a new key before it signs, seconds."""

FRESH_S = 30.0
"""Age at which known public keys are read again, seconds."""

STALE_S = 3600.0
"""Age up to which they are used while the store is away, seconds."""

_RETRY_S = 1.0


class Seal(Protocol):
    """Encrypts private keys for the database."""

    def seal(self, private_key: bytes, key_id: str) -> bytes:
        """Return a private key encrypted, bound to its id."""

    def open(self, sealed: bytes, key_id: str) -> bytes | None:
        """Return the private key; None if it was sealed with another secret."""


class SigningKeys:
    """Makes, rotates and uses the signing keys.

    Args:
        store: Where they are.
        seal: Keeps their private halves secret there.
        issuer: `iss` of the tokens.
        clock: Monotonic time, seconds.
    """

    def __init__(
        self,
        store: Store,
        seal: Seal,
        issuer: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._seal = seal
        self._issuer = issuer
        self._clock = clock
        self._known: dict[str, Ed25519PublicKey] = {}
        self._read_s = float("-inf")

    async def ensure(self) -> None:
        """Make the first key, unless there is one.

        Raises:
            NotReady: There are keys, sealed with another secret than ours.
            Unavailable: The store is away.
        """
        async with self._store.transaction() as transaction:
            await transaction.signing_keys.lock()
            keys = await transaction.signing_keys.all()
            if not keys:
                await self._make(transaction, after_s=0.0)
            elif all(self._opened(key, sealed) is None for key, sealed in keys):
                raise NotReady(
                    "the signing keys are sealed with another secret: give the "
                    "gateway the one of before, or make new ones with "
                    "`python -m services.gateway.rotate_keys --immediately`"
                )

    async def rotate(self, *, immediately: bool = False) -> None:
        """Make a new key.

        Args:
            immediately: Whether it signs at once, and what the others signed is
                refused at once; else it follows them.

        Raises:
            Unavailable: The store is away.
        """
        async with self._store.transaction() as transaction:
            await transaction.signing_keys.lock()
            if immediately:
                key_id = await self._make(transaction, after_s=0.0)
                gone = await transaction.signing_keys.remove_others(key_id)
                await transaction.revoke(
                    *(Revocation(Revoked.SIGNING_KEY, one) for one in gone)
                )
                return
            key_id = await self._make(transaction, after_s=ACTIVATE_AFTER_S)
            last_s = ACTIVATE_AFTER_S + LIFETIME_S + 2 * LEEWAY_S
            await transaction.signing_keys.retire_others(key_id, after_s=last_s)

    async def list(self) -> list[SigningKey]:
        """Return the keys that are published, newest first.

        Raises:
            Unavailable: The store is away.
        """
        async with self._store.transaction() as transaction:
            return [key for key, _ in await self._read(transaction)]

    async def jwks(self) -> dict[str, Any]:
        """Return the public keys as a JSON Web Key Set.

        Raises:
            Unavailable: The store is away.
        """
        return {"keys": [_jwk(key) for key in await self.list()]}

    async def find(self, key_id: str) -> Ed25519PublicKey | None:
        """Return the public key of an id, or None.

        Raises:
            Unavailable: The store is away, and was for long.
        """
        age_s = self._clock() - self._read_s
        if age_s > FRESH_S or (key_id not in self._known and age_s > _RETRY_S):
            try:
                await self.list()
            except Unavailable:
                if key_id not in self._known or age_s > STALE_S:
                    raise
        return self._known.get(key_id)

    async def sign(self, claims: AccessClaims, issued_s: float) -> str:
        """Return the token that says `claims`.

        Raises:
            NotReady: No key can sign.
            Unavailable: The store is away.
        """
        async with self._store.transaction() as transaction:
            keys = await self._read(transaction)
        for key, sealed in keys:
            # The newest whose time has come.
            if key.activate_time.timestamp() > issued_s:
                continue
            if private_key := self._opened(key, sealed):
                return jwt.encode(
                    claims_payload(claims, issuer=self._issuer, issued_s=issued_s),
                    private_key,
                    algorithm=ALGORITHM,
                    headers={"kid": key.key_id, "typ": TOKEN_TYPE},
                )
        raise NotReady("there is no key to sign with")

    async def _read(
        self, transaction: Transaction
    ) -> Sequence[tuple[SigningKey, bytes]]:
        """Return the keys, and know their public halves from here on."""
        keys = await transaction.signing_keys.all()
        self._known = {
            key.key_id: Ed25519PublicKey.from_public_bytes(key.public_key)
            for key, _ in keys
        }
        self._read_s = self._clock()
        return keys

    def _opened(self, key: SigningKey, sealed: bytes) -> Ed25519PrivateKey | None:
        private_key = self._seal.open(sealed, key.key_id)
        if private_key is None:
            return None
        return Ed25519PrivateKey.from_private_bytes(private_key)

    async def _make(self, transaction: Transaction, *, after_s: float) -> str:
        """Add a key and return its id."""
        key_id = f"key-{secrets.token_hex(8)}"
        private_key = Ed25519PrivateKey.generate()
        await transaction.signing_keys.add(
            key_id,
            private_key.public_key().public_bytes_raw(),
            self._seal.seal(private_key.private_bytes_raw(), key_id),
            after_s=after_s,
        )
        return key_id


def _jwk(key: SigningKey) -> dict[str, str]:
    """Return a public key as RFC 8037 writes it."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": jwt.utils.base64url_encode(key.public_key).decode(),
        "kid": key.key_id,
        "use": "sig",
        "alg": ALGORITHM,
    }
