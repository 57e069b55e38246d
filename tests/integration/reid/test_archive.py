"""People who come back after everybody has forgotten them, on real stores."""

import pytest

from tests.integration.reid.conftest import Replica, Stub
from tests.integration.reid.conversations import (
    Conversation,
    Seen,
    Timeline,
    events_of,
    persons_of,
)

FIRST = (Seen("east", 1, person=1), Seen("west", 2, person=2))
BACK = (Seen("west", 9, person=1),)
# The horizon of the live set is 300 s, and a tick takes a tenth of one.
LATER = 4_000
TICKS = 60


async def begun(reid: Stub, timeline: Timeline) -> tuple[Conversation, int]:
    """Return a stream in which a person left the live set, and the person."""
    talk = Conversation(reid, timeline)
    await talk.open()
    persons = persons_of((await talk.play(1, 30, FIRST))[-1])
    await talk.ask(timeline.tick(LATER, ()), ())
    return talk, persons["east", 1]


def labels(answers: list) -> list[tuple[int, bool]]:
    """Return label and certainty of the only track in each answer."""
    shown = []
    for answer in answers:
        (one,) = answer.result.assignments
        label = {p.global_id: p.label for p in answer.result.persons}[one.global_id]
        shown.append((label, one.provisional))
    return shown


async def test_who_left_long_ago_gets_the_old_id_again(reid: Stub) -> None:
    """The archive is asked, and the new identity merges into the old one."""
    timeline = Timeline()
    talk, person = await begun(reid, timeline)
    answers = await talk.play(LATER + 1, LATER + TICKS, BACK)
    await talk.close()
    assert persons_of(answers[0])["west", 9] != person
    assert persons_of(answers[-1])["west", 9] == person
    merges = [
        e for e in events_of(answers) if e.other_global_id and e.global_id == person
    ]
    assert len(merges) == 1
    # Within a second of the crop that told.
    changed = [n for n, a in enumerate(answers) if persons_of(a)["west", 9] == person]
    assert changed[0] <= 15


async def test_a_stranger_is_nobody_of_the_archive(reid: Stub) -> None:
    """Somebody who looks like nobody stays somebody new."""
    timeline = Timeline()
    talk, _ = await begun(reid, timeline)
    answers = await talk.play(LATER + 1, LATER + TICKS, (Seen("west", 9, person=77),))
    await talk.close()
    assert len({persons_of(one)["west", 9] for one in answers}) == 1


async def test_another_timeline_has_an_archive_of_its_own(reid: Stub) -> None:
    """Identities never match across timelines, also where one environment has both."""
    timeline = Timeline()
    talk, person = await begun(reid, timeline)
    await talk.close()
    other = Timeline(environment_id=timeline.environment_id)
    talk = Conversation(reid, other)
    await talk.open()
    answers = await talk.play(LATER + 1, LATER + TICKS, BACK)
    await talk.close()
    assert person not in {persons_of(one)["west", 9] for one in answers}


@pytest.mark.parametrize("broken_after", [2, 4, 6, 12])
async def test_a_restart_changes_no_id(replica: Replica, broken_after: int) -> None:
    """Between question and answer, or between answer and decision: the same ids."""
    async with replica() as reid:
        timeline = Timeline()
        talk, _ = await begun(reid, timeline)
        unbroken = labels(await talk.play(LATER + 1, LATER + TICKS, BACK))
        await talk.close()
    timeline = Timeline()
    async with replica() as reid:
        talk, _ = await begun(reid, timeline)
        last = LATER + broken_after
        answers = await talk.play(LATER + 1, last, BACK)
        talk.cut()
    timeline.epoch += 1
    async with replica() as reid:
        talk = Conversation(reid, timeline)
        await talk.open()
        (again,) = await talk.play(last, last, BACK)
        assert again == answers[-1]
        answers += await talk.play(last + 1, LATER + TICKS, BACK)
        await talk.close()
    assert labels(answers) == unbroken
