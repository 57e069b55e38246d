"""Revocations: kept in PostgreSQL, and written to Redis where services look."""

import asyncio
from collections.abc import Iterable
from typing import Any

import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from redis.asyncio import Redis

from services.common.access_tokens import LEEWAY_S, LIFETIME_S
from services.common.errors import Unavailable
from services.common.postgres import Pool, translated_errors
from services.common.redis_client import redis_errors
from services.common.revocations import COMPLETE, PREFIX
from services.gateway.accounts.domain.revoking import Revocation, Revoked

KEPT_S = LIFETIME_S + 2 * LEEWAY_S
"""How long a revocation is of use: until the last token that it refuses has expired."""

_EVERY_S = 1.0

# Never lowers the epoch of an account, whichever replica writes last.
_RAISE = """
local before = tonumber(redis.call('GET', KEYS[1]) or '-1')
if before <= tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
"""

_log = structlog.get_logger(__name__)


async def keep(connection: AsyncConnection[TupleRow], one: Revocation) -> None:
    """Keep a revocation, within the transaction that causes it."""
    await connection.execute(
        "INSERT INTO revocations (kind, id, epoch, expire_time) VALUES "
        "(%s, %s, %s, now() + make_interval(secs => %s)) "
        "ON CONFLICT (kind, id) DO UPDATE SET published = false, "
        "epoch = greatest(revocations.epoch, EXCLUDED.epoch), "
        "expire_time = EXCLUDED.expire_time",
        (one.kind.value, one.id, one.epoch, KEPT_S),
    )


class RevocationPublisher:
    """Writes to Redis what is revoked, and sees to it that all of it is there."""

    def __init__(self, pool: Pool, redis: Redis) -> None:
        self._pool = pool
        self._redis = redis

    async def publish(self, revocations: Iterable[Revocation]) -> None:
        """Put revocations into effect.

        Raises:
            Unavailable: Redis is away; `follow` does it later.
        """
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as commands:
                for one in revocations:
                    key = f"{PREFIX}{one.kind.value}:{one.id}"
                    kept_ms = int(KEPT_S * 1000)
                    commands.eval(_RAISE, 1, key, one.epoch, kept_ms)
                await commands.execute()

    async def follow(self, ready: "asyncio.Future[None]") -> None:
        """Write what was missed, again and again, once the schema is there.

        Everything is written whenever Redis lost its data: until then no token is
        accepted.
        """
        await asyncio.wait([ready])
        while True:
            try:
                with redis_errors():
                    complete = await self._redis.exists(COMPLETE)
                await self.catch_up(everything=not complete)
            except Unavailable as error:
                _log.warning("revocations wait", cause=error.message)
            await asyncio.sleep(_EVERY_S)

    async def catch_up(self, *, everything: bool) -> None:
        """Write all that is revoked, or what is not in Redis yet.

        Raises:
            Unavailable: PostgreSQL or Redis is away.
        """
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    "SELECT kind, id, epoch FROM revocations "
                    "WHERE expire_time > now() AND (%s OR NOT published) "
                    "FOR UPDATE SKIP LOCKED"
                    if not everything
                    else "SELECT kind, id, epoch FROM revocations "
                    "WHERE expire_time > now() AND %s",
                    (everything,),
                )
                found = [_revocation(row) for row in await cursor.fetchall()]
                await self.publish(found)
                await connection.cursor().executemany(
                    "UPDATE revocations SET published = true "
                    "WHERE kind = %s AND id = %s AND epoch = %s",
                    [(one.kind.value, one.id, one.epoch) for one in found],
                )
                if everything:
                    with redis_errors():
                        await self._redis.set(COMPLETE, "1")


def _revocation(row: Any) -> Revocation:
    kind, id_, epoch = row
    return Revocation(Revoked(kind), id_, epoch)
