"""Password hashes by argon2id, in threads, a few at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import argon2

from services.common.errors import Overloaded

AT_ONCE = 2
"""Hashes computed at the same time: each takes a core and 64 MiB."""

MOST_WAITING = 32
_T = TypeVar("_T")


class Argon2Hashes:
    """Makes and checks hashes.

    Args:
        hasher: Its parameters; absent means the second choice of RFC 9106, section 4:
            3 passes over 64 MiB in 4 lanes.
    """

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or argon2.PasswordHasher.from_parameters(
            argon2.profiles.RFC_9106_LOW_MEMORY
        )
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2")
        self._waiting = 0
        # For names that nobody has: checking takes as long, and nothing fits.
        self._nobody = self._hasher.hash("")

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(cancel_futures=True)

    async def make(self, password: str) -> str:
        """Return the hash of a password.

        Raises:
            Overloaded: Too many wait.
        """
        return await self._run(lambda: self._hasher.hash(password))

    async def fits(
        self, password: str, stored: str | None, *, known: bool = False
    ) -> bool:
        """Return whether a password fits; without a hash it never does.

        Args:
            password: As stated.
            stored: The hash; None takes as long.
            known: Whether it comes from a device that is known: it waits with those
                who wait, rather than being sent away.

        Raises:
            Overloaded: Too many wait.
        """
        fits = await self._run(
            lambda: self._fits(password, stored or self._nobody), known=known
        )
        return fits and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Return whether a hash has other parameters than those of today."""
        return self._hasher.check_needs_rehash(stored)

    def _fits(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (
            argon2.exceptions.VerificationError,
            argon2.exceptions.InvalidHashError,
        ):
            return False

    async def _run(self, work: Callable[[], _T], *, known: bool = False) -> _T:
        if self._waiting >= MOST_WAITING and not known:
            raise Overloaded("too many logins at once; try again in a moment")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
