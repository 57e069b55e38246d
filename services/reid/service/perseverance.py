"""Repeat what failed because a store was away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from services.common.errors import Unavailable

_RETRY_EVERY_S = 0.2

Result = TypeVar("Result")

_log = structlog.get_logger(__name__)


async def persevere(
    action: Callable[[], Awaitable[Result]], *, limit_s: float
) -> Result:
    """Return what `action` returns, trying again while its store is away.

    Args:
        action: Something that is safe to repeat.
        limit_s: Time after which no other attempt begins, seconds.

    Raises:
        Unavailable: The last attempt failed too.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + limit_s
    while True:
        try:
            return await action()
        except Unavailable as error:
            if loop.time() >= until_s:
                raise
            _log.warning("store away, trying again", cause=str(error))
        await asyncio.sleep(_RETRY_EVERY_S)
