"""The queue of a slow reader."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.pipeline.domain.coalescing import CoalescingQueue, Delivery


def drain(queue: CoalescingQueue[str]) -> list[Delivery[str]]:
    """Take everything."""
    taken = []
    while delivery := queue.take(now_s=0.0):
        taken.append(delivery)
    return taken


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.integers(1, 8))
def test_every_delivery_is_taken_or_counted(states: list[bool], capacity: int) -> None:
    """While the reader is kept, events come through and states are accounted for."""
    queue = CoalescingQueue[str](capacity, patience_s=1.0)
    for sequence, is_state in enumerate(states):
        queue.put(Delivery(sequence, "m", is_state=is_state), now_s=0.0)
    if queue.gave_up:
        assert states.count(False) >= capacity
        return
    taken = drain(queue)
    assert len(taken) <= capacity
    assert len(taken) + sum(d.coalesced for d in taken) == len(states)
    assert sum(not d.is_state for d in taken) == states.count(False)
    assert [d.sequence for d in taken] == sorted(d.sequence for d in taken)


def test_the_newest_state_is_never_left_out() -> None:
    """A slow reader sees where things stand now."""
    queue = CoalescingQueue[str](capacity=3, patience_s=1.0)
    for sequence in range(100):
        queue.put(Delivery(sequence, "m", is_state=True), now_s=0.0)
    assert drain(queue)[-1].sequence == 99


def test_a_reader_that_takes_nothing_is_given_up() -> None:
    """Patience runs from the last time that something moved."""
    queue = CoalescingQueue[str](capacity=10, patience_s=5.0)
    queue.put(Delivery(1, "m"), now_s=0.0)
    queue.put(Delivery(2, "m"), now_s=5.0)
    assert not queue.gave_up
    queue.take(now_s=5.0)
    queue.put(Delivery(3, "m"), now_s=9.0)
    assert not queue.gave_up
    queue.put(Delivery(4, "m"), now_s=10.5)
    assert queue.gave_up
    assert drain(queue) == []


def test_a_quiet_reader_is_not_a_slow_one() -> None:
    """Time without anything to take does not count."""
    queue = CoalescingQueue[str](capacity=10, patience_s=5.0)
    queue.put(Delivery(1, "m"), now_s=100.0)
    assert not queue.gave_up
