"""Create once, however often a client asks: answers are kept by `Idempotency-Key`.

A key belongs to its caller and to one request. Only successful answers are kept: a
request that failed may be tried again under its key. Once begun, a creation goes on
when its client goes away, so that the client can ask again for what came of it.
"""

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web
from redis.asyncio import Redis

from services.common.errors import Conflict, InvalidInput, Unavailable
from services.common.redis_client import redis_errors
from services.gateway.http_errors import HttpProblem

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
KEPT_S = 24 * 3600
_LONGEST_KEY = 255
_MARGIN_S = 10.0

_CLAIM = """
local stored = redis.call('HMGET', KEYS[1], 'fingerprint', 'owner', 'body')
if stored[1] and stored[2] ~= ARGV[2] then return stored end
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'owner', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {}
"""
_KEEP = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'body', ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
"""
_RELEASE = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
if redis.call('HEXISTS', KEYS[1], 'body') == 1 then return 0 end
return redis.call('DEL', KEYS[1])
"""

_log = structlog.get_logger(__name__)

Create = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Creation:
    """A request to create something under a key.

    Attributes:
        subject: Who asks.
        key: As the caller chose it.
        fingerprint: Digest of the request; the key holds for no other.
    """

    subject: str
    key: str
    fingerprint: str

    @property
    def place(self) -> str:
        """Return the name under which Redis keeps the answer."""
        digest = hashlib.sha256(f"{self.subject}\0{self.key}".encode()).hexdigest()
        return f"spoton:gateway:idempotency:{digest}"


def creation(request: web.Request, subject: str, body: bytes) -> Creation | None:
    """Return the creation that a request asks for, or None if it has no key.

    Raises:
        InvalidInput: The key is empty, too long, or not printable ASCII.
    """
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
        raise InvalidInput(
            f"must be 1 to {_LONGEST_KEY} printable ASCII characters", field=KEY_HEADER
        )
    address = f"{request.method} {request.rel_url.raw_path_qs}\n"
    fingerprint = hashlib.sha256(address.encode() + body).hexdigest()
    return Creation(subject, key, fingerprint)


class KeptAnswers:
    """Answers of creations, in Redis."""

    def __init__(self, redis: Redis) -> None:
        self._claim = redis.register_script(_CLAIM)
        self._keep = redis.register_script(_KEEP)
        self._release = redis.register_script(_RELEASE)
        self._running: set[asyncio.Task[bytes]] = set()

    async def once(
        self, wanted: Creation, create: Create, limit_s: float
    ) -> tuple[bytes, bool]:
        """Return the answer to a creation, and whether it is one from before.

        Args:
            wanted: The creation.
            create: Creates, and returns the answer as JSON.
            limit_s: How long that may take, seconds.

        Raises:
            HttpProblem: The key was used for another request.
            Conflict: The same request is being answered now.
            Unavailable: Redis is away, so once cannot be promised.
        """
        owner = secrets.token_hex(8)
        lease_ms = int(1000 * (limit_s + _MARGIN_S))
        with redis_errors():
            stored = await self._claim(
                [wanted.place], [wanted.fingerprint, owner, lease_ms]
            )
        if stored:
            return _kept(wanted, stored), True
        task = asyncio.create_task(self._create(wanted, owner, create))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task), False

    async def finish(self) -> None:
        """Return when no creation runs any more."""
        while self._running:
            await asyncio.wait(self._running)

    async def _create(self, wanted: Creation, owner: str, create: Create) -> bytes:
        """Create, and keep the answer; a failure gives the key back."""
        try:
            body = await create()
        except BaseException:
            # If Redis is away now, the claim ends by itself.
            with contextlib.suppress(Unavailable), redis_errors():
                await self._release([wanted.place], [owner])
            raise
        try:
            with redis_errors():
                await self._keep([wanted.place], [owner, body, 1000 * KEPT_S])
        except Unavailable:
            # It happened, and its caller shall know; only a repetition is not caught.
            _log.warning("an answer could not be kept", subject=wanted.subject)
        return body

    def _ended(self, task: "asyncio.Task[bytes]") -> None:
        """Forget a creation; whoever waited for it has its failure."""
        self._running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.info("a creation failed", cause=str(task.exception()))


def replayable(body: bytes, *, replayed: bool) -> web.Response:
    """Return the answer to a creation."""
    headers: dict[str, str] = {REPLAYED_HEADER: "true"} if replayed else {}
    return web.Response(body=body, content_type="application/json", headers=headers)


def _kept(wanted: Creation, stored: list[bytes | None]) -> bytes:
    """Return the answer that is kept, if it is to the same request."""
    fingerprint, _, body = stored
    if fingerprint != wanted.fingerprint.encode():
        raise HttpProblem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"the {KEY_HEADER} was used for another request",
        )
    if body is None:
        raise Conflict("a request with this Idempotency-Key is being answered")
    return body
