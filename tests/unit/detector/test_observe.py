"""Every frame is counted once, by how it ended."""

import asyncio

import pytest

from services.common.broken_answers import BrokenAnswer
from services.common.devices import DeviceFailed
from services.common.errors import InvalidInput
from services.common.ids import ModelId
from services.detector.observe import FRAMES, outcome_counted


def counted(outcome: str) -> float:
    """Return how many frames ended so."""
    return float(FRAMES.labels(outcome)._value.get())


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (InvalidInput("bad"), "refused"),
        (asyncio.CancelledError(), "cancelled"),
        (RuntimeError("broken"), "failed"),
        (BrokenAnswer(ModelId("net")), "failed"),
        (DeviceFailed("model net: cuda failed"), "failed"),
    ],
)
def test_errors_are_told_apart(error: BaseException, outcome: str) -> None:
    """A refusal, a client that went away, and a fault are counted apart."""
    before = counted(outcome)
    with pytest.raises(type(error)), outcome_counted():
        raise error
    assert counted(outcome) == before + 1


def test_success_is_counted() -> None:
    """A frame that was searched is counted as detected."""
    before = counted("detected")
    with outcome_counted():
        pass
    assert counted("detected") == before + 1
