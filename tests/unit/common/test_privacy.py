"""How it is decided whether heads may be seen."""

import pytest

from services.common.errors import NotFound, SpotOnError, Unavailable
from services.common.ids import EnvironmentId
from services.common.privacy import HeadPrivacy

PLAZA = EnvironmentId("plaza")


class Environments:
    """Answers what it is told to, and counts."""

    def __init__(self) -> None:
        self.blurs = False
        self.error: SpotOnError | None = None
        self.asked = 0
        self.now_s = 100.0

    async def ask(self, environment_id: EnvironmentId) -> bool:
        """Return whether heads are blurred."""
        self.asked += 1
        if self.error:
            raise self.error
        return self.blurs


async def test_an_answer_is_good_for_some_seconds() -> None:
    """A change is seen once they are over."""
    environments = Environments()
    privacy = HeadPrivacy(environments.ask, clock=lambda: environments.now_s)
    assert not await privacy.blurs_heads(PLAZA)
    environments.blurs = True
    assert not await privacy.blurs_heads(PLAZA)
    assert environments.asked == 1
    environments.now_s += 5
    assert await privacy.blurs_heads(PLAZA)


async def test_heads_are_hidden_while_nobody_can_be_asked() -> None:
    """Without any answer so far, nothing is shown that might have to be hidden."""
    environments = Environments()
    environments.error = Unavailable("away")
    privacy = HeadPrivacy(environments.ask, clock=lambda: environments.now_s)
    assert await privacy.blurs_heads(PLAZA)


async def test_the_last_answer_holds_while_nobody_can_be_asked() -> None:
    """A short absence changes nothing."""
    environments = Environments()
    privacy = HeadPrivacy(environments.ask, clock=lambda: environments.now_s)
    assert not await privacy.blurs_heads(PLAZA)
    environments.error = Unavailable("away")
    environments.now_s += 6
    assert not await privacy.blurs_heads(PLAZA)


async def test_an_environment_that_is_gone_shows_nothing() -> None:
    """The error reaches who asks."""
    environments = Environments()
    environments.error = NotFound("gone")
    with pytest.raises(NotFound):
        await HeadPrivacy(environments.ask).blurs_heads(PLAZA)
