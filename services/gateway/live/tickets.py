"""Tickets: what a browser may put into an address, where a token must not be.

A ticket holds once and for seconds. It is kept by its hash, with the access token that
it stands for sealed by the ticket itself: who reads the store learns neither.
"""

import base64
import hashlib
import secrets
from enum import StrEnum

from cryptography.fernet import Fernet, InvalidToken
from redis.asyncio import Redis

from services.common.caller import Caller
from services.common.errors import Unauthenticated
from services.common.redis_client import redis_errors
from services.gateway.authentication import Authenticator

LIFETIME_S = 30
_PREFIX = "spoton:ticket:"
_BYTES = 32
_LONGEST = 64


class Purpose(StrEnum):
    """What a ticket opens."""

    WATCH = "watch"
    PICTURE = "picture"


class RedisTickets:
    """Gives out tickets and takes them back, on every replica alike."""

    def __init__(self, redis: Redis, authenticator: Authenticator) -> None:
        self._redis = redis
        self._authenticator = authenticator

    async def issue(self, token: str, purpose: Purpose) -> str:
        """Return a ticket that stands for an access token.

        Raises:
            Unavailable: Redis is away.
        """
        ticket = secrets.token_urlsafe(_BYTES)
        sealed = _seal(ticket).encrypt(token.encode())
        with redis_errors():
            await self._redis.set(_key(ticket, purpose), sealed, ex=LIFETIME_S)
        return ticket

    async def token(self, ticket: str, purpose: Purpose) -> str:
        """Return the access token that a ticket stands for, and end the ticket.

        Raises:
            Unauthenticated: It is unknown, used, expired, or for something else.
            Unavailable: Redis is away.
        """
        sealed = None
        if 0 < len(ticket) <= _LONGEST:
            with redis_errors():
                sealed = await self._redis.getdel(_key(ticket, purpose))
        if sealed is None:
            raise Unauthenticated("the ticket is unknown, used or expired")
        try:
            return _seal(ticket).decrypt(sealed).decode()
        except InvalidToken:
            raise Unauthenticated("the ticket is unknown, used or expired") from None

    async def redeem(self, ticket: str) -> Caller:
        """Return whom a ticket for watching was given to, and end the ticket.

        Raises:
            Unauthenticated: The ticket or the token behind it is no longer good.
            Unavailable: It cannot be checked now.
        """
        token = await self.token(ticket, Purpose.WATCH)
        return await self._authenticator.authenticate(token)


def _key(ticket: str, purpose: Purpose) -> str:
    digest = hashlib.sha256(f"{purpose}:{ticket}".encode()).hexdigest()
    return f"{_PREFIX}{digest}"


def _seal(ticket: str) -> Fernet:
    """Return what only the holder of the ticket can open."""
    digest = hashlib.sha256(b"spoton ticket seal:" + ticket.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
