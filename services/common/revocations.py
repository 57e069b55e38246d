"""Revoked access tokens, in Redis where every replica of every service sees them.

The truth is in the gateway's database; it writes here what is still of use, and marks
that it is complete. Without that mark, as after Redis lost its data, it cannot be told
which tokens are revoked, and none is accepted until the gateway has written it again.
"""

from redis.asyncio import Redis

from services.common.access_tokens import AccessClaims, origin_of
from services.common.caller import Caller
from services.common.errors import Unavailable
from services.common.redis_client import redis_errors

PREFIX = "spoton:revoked:"
COMPLETE = PREFIX + "complete"
"""Set once everything that is revoked is written."""


def subject_key(subject: str) -> str:
    """Return the key of an account: the lowest epoch of tokens still accepted."""
    return f"{PREFIX}subject:{subject}"


def session_key(session_id: str) -> str:
    """Return the key of a login session, set when it has ended."""
    return f"{PREFIX}session:{session_id}"


def token_key(token_id: str) -> str:
    """Return the key of one token."""
    return f"{PREFIX}token:{token_id}"


def signing_key_key(key_id: str) -> str:
    """Return the key of a signing key that must not be trusted any more."""
    return f"{PREFIX}signing-key:{key_id}"


class RedisRevocations:
    """Asks Redis, in one round trip for each token."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def covers(self, claims: AccessClaims) -> bool:
        """Return whether a token is revoked.

        Raises:
            Unavailable: Redis is away, or does not know all that is revoked.
        """
        return await self._covers(claims.subject, claims.token_id, claims.key_id)

    async def covers_caller(self, caller: Caller) -> bool:
        """Return whether the token that a caller came with was revoked since.

        Raises:
            Unauthenticated: The caller came with no access token.
            Unavailable: Redis is away, or does not know all that is revoked.
        """
        return await self._covers(caller.subject, caller.token_id, "")

    async def _covers(self, subject: str, token_id: str, key_id: str) -> bool:
        origin = origin_of(token_id)
        keys = (
            COMPLETE,
            subject_key(subject),
            session_key(origin.login_session_id),
            token_key(token_id),
            signing_key_key(key_id),
        )
        with redis_errors():
            complete, epoch, *others = await self._redis.mget(keys)
        if complete is None:
            raise Unavailable("which tokens are revoked is not known yet")
        if epoch is not None and origin.epoch < int(epoch):
            return True
        return any(one is not None for one in others)
