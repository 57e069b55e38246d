"""Password hashes by argon2id."""

import asyncio

import argon2
import pytest

from services.common.errors import Overloaded
from services.gateway.accounts.adapters.password_hashes import (
    AT_ONCE,
    MOST_WAITING,
    Argon2Hashes,
)

QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def hashes():
    """Give quick hashes."""
    hashes = Argon2Hashes(QUICK)
    yield hashes
    hashes.close()


async def test_a_hash_fits_its_password_only(hashes: Argon2Hashes) -> None:
    """Without a hash nothing fits, not even the password of the stand-in."""
    stored = await hashes.make("turquoise llama")
    assert await hashes.fits("turquoise llama", stored)
    assert not await hashes.fits("turquoise lama", stored)
    assert not await hashes.fits("", None)
    assert not await hashes.fits("x", "no hash at all")
    assert not hashes.is_outdated(stored)


def test_the_parameters_are_those_of_rfc_9106() -> None:
    """64 MiB, three passes, four lanes; weaker hashes are replaced."""
    hashes = Argon2Hashes()
    hashes.close()
    parameters = argon2.extract_parameters(hashes._nobody)
    assert parameters.type is argon2.Type.ID
    assert (parameters.memory_cost, parameters.time_cost) == (65536, 3)
    assert hashes.is_outdated(QUICK.hash("x"))


async def test_a_flood_is_refused_rather_than_kept(hashes: Argon2Hashes) -> None:
    """Few run at once, a bounded number waits, and the rest is told to come back."""
    results = await asyncio.gather(
        *(hashes.make("x" * 20) for _ in range(MOST_WAITING + 10)),
        hashes.fits("x", None, known=True),
        return_exceptions=True,
    )
    assert results.pop() is False, "a known device waits with the others"
    assert sum(isinstance(one, Overloaded) for one in results) == 10
    assert AT_ONCE < MOST_WAITING
    await hashes.make("afterwards it goes on")


async def test_unknown_users_take_as_long() -> None:
    """The same work is done whether or not there is a hash to compare with."""
    hashes = Argon2Hashes(QUICK)
    compared: list[str] = []
    hashes._fits = lambda password, stored: bool(compared.append(stored))
    await hashes.fits("x", None)
    await hashes.fits("x", "stored")
    hashes.close()
    assert compared == [hashes._nobody, "stored"]
    known, unknown = (
        argon2.extract_parameters(one) for one in (QUICK.hash("a"), compared[0])
    )
    assert known == unknown
