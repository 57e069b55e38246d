"""JWKS of an issuer, fetched over HTTP, kept, and fetched again within bounds."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.common.errors import Unavailable

MAX_DOCUMENT_BYTES = 256 * 1024
"""Largest document of an issuer that is read."""

_TIMEOUT = aiohttp.ClientTimeout(total=5.0, connect=2.0)

_log = structlog.get_logger(__name__)


async def fetch_json(session: aiohttp.ClientSession, url: str) -> Mapping[str, Any]:
    """Return the JSON object at an address; redirects are not followed.

    Raises:
        Unavailable: It cannot be had, is too large, or is no JSON object.
    """
    try:
        async with session.get(
            url, allow_redirects=False, timeout=_TIMEOUT, max_line_size=8190
        ) as answer:
            if answer.status != 200:
                raise Unavailable(f"{url} answers with status {answer.status}")
            body = await answer.content.read(MAX_DOCUMENT_BYTES + 1)
            while not answer.content.at_eof() and len(body) <= MAX_DOCUMENT_BYTES:
                body += await answer.content.read(MAX_DOCUMENT_BYTES + 1)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unavailable(f"{url} cannot be read: {error}") from error
    if len(body) > MAX_DOCUMENT_BYTES:
        raise Unavailable(f"{url} answers with more than {MAX_DOCUMENT_BYTES} bytes")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Unavailable(f"{url} does not answer with a JSON object")
    return document


class RemoteKeySet:
    """The keys of one issuer, by their ids.

    A key that is not known causes a fetch, but at most one every `retry_s`, whoever
    asks and for whatever id. While the issuer is away, keys that are known stay good
    for `stale_s`.

    Args:
        session: HTTP client.
        url: Of the JWKS.
        fresh_s: Age at which the keys are fetched again, seconds.
        retry_s: Least time between two fetches, seconds.
        stale_s: Age beyond which kept keys are not used any more, seconds.
        clock: Monotonic time, seconds.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        fresh_s: float = 300.0,
        retry_s: float = 5.0,
        stale_s: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._url = url
        self._fresh_s, self._retry_s, self._stale_s = fresh_s, retry_s, stale_s
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_s = self._tried_s = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key, or None when the issuer has none of this id.

        Raises:
            Unavailable: The issuer's keys cannot be had.
        """
        if self._must_fetch(key_id):
            async with self._one_at_a_time:
                if self._must_fetch(key_id):
                    await self._fetch()
        if self._age_s() > self._stale_s:
            raise Unavailable(f"the keys of {self._url} cannot be had")
        return self._keys.get(key_id)

    def _age_s(self) -> float:
        return self._clock() - self._fetched_s

    def _must_fetch(self, key_id: str) -> bool:
        if self._clock() - self._tried_s < self._retry_s:
            return False
        return key_id not in self._keys or self._age_s() > self._fresh_s

    async def _fetch(self) -> None:
        """Read the keys; keep those that are known when that fails."""
        self._tried_s = self._clock()
        try:
            document = await fetch_json(self._session, self._url)
        except Unavailable as error:
            _log.warning("keys cannot be read", url=self._url, cause=error.message)
            return
        self._keys = keys_of(document)
        self._fetched_s = self._clock()


class OwnKeySet:
    """The gateway's keys, as other services see them: Ed25519 only."""

    def __init__(self, keys: RemoteKeySet) -> None:
        self._keys = keys

    async def find(self, key_id: str) -> Ed25519PublicKey | None:
        """Return the key of an id, or None.

        Raises:
            Unavailable: The keys cannot be had.
        """
        found = await self._keys.key(key_id)
        key = found.key if found is not None else None
        return key if isinstance(key, Ed25519PublicKey) else None


def keys_of(document: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """Return the signing keys in a JWKS, leaving out what cannot be used."""
    keys = {}
    entries = document.get("keys")
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        key_id = entry.get("kid")
        # A secret key has no place in a public set.
        if not isinstance(key_id, str) or entry.get("kty") == "oct":
            continue
        try:
            keys[key_id] = jwt.PyJWK(entry)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
    return keys
