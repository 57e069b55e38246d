"""Looking new persons up in the archive, and what comes of the answers."""

import asyncio
from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np
import pytest

from services.common.errors import Unavailable
from services.common.ids import CameraId, EnvironmentId, GlobalId, TimelineId
from services.reid.domain.appearance import Prototype
from services.reid.domain.live_set import LiveSet, Registry
from services.reid.domain.motion import Motion
from services.reid.domain.person import Person
from services.reid.domain.recall import Guest, Question, Recall, admit, keep_apart
from services.reid.domain.recall_state import recall_from_json, recall_to_json
from services.reid.domain.returning import IMPLAUSIBLE
from services.reid.domain.tracklet import CameraRecord, Tracklet
from services.reid.service.recollection import Recollection
from services.reid.service.timeline_store import Lease
from tests.unit.reid.scenes import (
    CONFIG,
    SESSION,
    START_NS,
    TICK_NS,
    Scene,
    Seen,
    key,
    persons_of,
    tick,
    vector,
)

LEASE = Lease(EnvironmentId("plaza"), TimelineId("t"), SESSION, 1, UUID(int=1))
LONG_AGO_NS = START_NS - 3_600_000_000_000
HERE = [Seen("east", 1, looks=7)]
# The question of tick 1 is due after 0.3 s.
DUE_TICK = 4


def absent(
    global_id: int, looks: int, *, x_m: float | None = None, left_ns: int = LONG_AGO_NS
) -> Person:
    """Return somebody who left."""
    motion = None
    if x_m is not None:
        mean = np.array([x_m, 0.0, 0.0, 0.0])
        motion = Motion(mean, 0.04 * np.eye(4), left_ns, "ground", 1)
    prototype = Prototype(
        GlobalId(global_id), CameraId("west"), None, vector(looks), 4, left_ns
    )
    return Person(
        GlobalId(global_id),
        global_id,
        motion=motion,
        confirmed=True,
        prototypes=[prototype],
        cameras={CameraId("west"): CameraRecord(9, left_ns, left_ns)},
    )


def scene() -> Scene:
    """Return a scene whose labels begin after those of the archive."""
    return Scene(live=LiveSet(SESSION, next_label=500))


def play(one: Scene, last: int, answers: dict[int, list[Person]]) -> None:
    """Show a person for some ticks; by tick, what the archive answers about them."""
    for number in range(1, last + 1):
        shown = tick(number, HERE)
        named = answers.get(number)
        due = one.association.due(shown) if named is not None else []
        wanted = one.association.wanted(shown)
        answer, changes = one.association.apply(
            shown, wanted, {question.global_id: named for question in due}
        )
        one.answers.append(answer)
        one.changes.append(changes)


def test_somebody_new_is_asked_about_at_once_and_once() -> None:
    """The question has the person's vectors and a time; the same tick asks no more."""
    one = scene()
    play(one, 3, {})
    asked = [question for change in one.changes for question in change.questions]
    assert len(asked) == 1
    (question,) = asked
    assert question.due_ns == START_NS + TICK_NS + 300_000_000
    assert np.array_equal(question.vectors[0], vector(7))
    assert not one.association.due(tick(DUE_TICK - 1, HERE))
    assert one.association.due(tick(DUE_TICK, HERE)) == [question]


def test_who_comes_back_from_the_archive_gets_the_old_id() -> None:
    """The new person merges into the old one, which is a return with lineage."""
    one = scene()
    play(one, 60, {DUE_TICK: [absent(42, looks=7), absent(43, looks=8)]})
    before = persons_of(one.answers[DUE_TICK - 2])["east", 1]
    after = persons_of(one.answers[-1])["east", 1]
    assert before != 42
    assert after == 42
    kinds = [(event.kind.value, event.global_id) for event in one.events]
    assert ("merged", 42) in kinds
    assert ("returned", 42) in kinds


def test_strangers_from_the_archive_leave_again() -> None:
    """Who is not the person stays for a few seconds and costs nothing after that."""
    one = scene()
    strangers = [absent(40 + looks, looks=looks) for looks in (1, 2, 3)]
    play(one, 60, {DUE_TICK: strangers})
    assert persons_of(one.answers[-1])["east", 1] > 500
    assert len(one.live.persons) == 1
    assert not one.live.recall.guests


def test_nobody_is_recalled_who_could_not_be_there() -> None:
    """A person seen far away seconds ago is no candidate, however alike."""
    seconds_ago = START_NS - 5_000_000_000
    far = absent(42, looks=7, x_m=500.0, left_ns=seconds_ago)
    near = absent(43, looks=7, x_m=2.0, left_ns=seconds_ago)
    track = Tracklet(key("east", 1), START_NS, START_NS)
    track.global_id = GlobalId(9)
    track.motion = Motion(np.zeros(4), 0.04 * np.eye(4), START_NS, "ground", 1)
    persons = {GlobalId(9): Person(GlobalId(9), 9)}
    question = Question(GlobalId(9), (vector(7),), START_NS)
    recall = Recall(open={GlobalId(9): question})
    admit(persons, [track], recall, {GlobalId(9): [far, near]}, START_NS, CONFIG)
    assert set(persons) == {9, 43}
    assert set(recall.guests) == {43}
    assert track.past[GlobalId(42)] == IMPLAUSIBLE


def test_a_guest_is_compared_with_those_who_asked() -> None:
    """Other tracks are kept apart, until the guest has a track or they ask too."""
    mine, other = (Tracklet(key("east", one), START_NS, START_NS) for one in (1, 2))
    mine.global_id, other.global_id = GlobalId(8), GlobalId(9)
    persons: dict[GlobalId, Person] = {}
    recall = Recall()
    guest = absent(42, looks=7)
    for new in (GlobalId(8), GlobalId(9)):
        recall.open[new] = Question(new, (vector(7),), START_NS)
    tracks = [mine, other]
    admit(persons, tracks, recall, {GlobalId(8): [guest]}, START_NS, CONFIG)
    keep_apart(recall, tracks)
    assert GlobalId(42) not in mine.past
    assert other.past[GlobalId(42)] == IMPLAUSIBLE
    admit(persons, tracks, recall, {GlobalId(9): [guest]}, START_NS, CONFIG)
    keep_apart(recall, tracks)
    assert GlobalId(42) not in other.past
    third = Tracklet(key("east", 3), START_NS, START_NS)
    keep_apart(recall, [third])
    assert third.past[GlobalId(42)] == IMPLAUSIBLE
    recall.settle({GlobalId(42)}, [third], START_NS)
    assert not third.past
    assert not recall.guests


def test_an_identity_that_was_merged_away_meanwhile_stays_away() -> None:
    """An answer that is older than a merge does not bring the merged one back."""
    live = LiveSet(SESSION)
    live.persons = {GlobalId(one): absent(one, looks=one) for one in (1, 2, 3)}
    question = Question(GlobalId(3), (vector(7),), START_NS)
    live.recall.open[GlobalId(3)] = question
    Registry(live, CONFIG, 1, START_NS).merge(into=GlobalId(1), away=GlobalId(2))
    named = {GlobalId(3): [absent(2, looks=2)]}
    admit(live.persons, [], live.recall, named, START_NS, CONFIG)
    assert set(live.persons) == {1, 3}


def test_guests_are_never_more_than_allowed() -> None:
    """The newest guests take the places of those who would leave first."""
    few = replace(CONFIG, recall_guests=3)
    persons: dict[GlobalId, Person] = {}
    recall = Recall()
    for number in range(1, 6):
        new = GlobalId(number)
        recall.open[new] = Question(new, (vector(7),), START_NS)
        named = {new: [absent(100 + number, looks=number)]}
        admit(persons, [], recall, named, START_NS + number * TICK_NS, few)
    assert set(persons) == set(recall.guests) == {103, 104, 105}


def test_the_state_of_a_recall_comes_back_to_the_bit() -> None:
    """Questions, guests and merges survive being stored."""
    seen = vector(7)
    recall = Recall(
        open={GlobalId(5): Question(GlobalId(5), (seen,), 17)},
        asked={GlobalId(5): 2},
        guests={GlobalId(8): Guest(99, (GlobalId(5),))},
        merged={GlobalId(3)},
    )
    again = recall_from_json(recall_to_json(recall))
    (question,) = again.open.values()
    assert (question.global_id, question.due_ns) == (5, 17)
    assert np.array_equal(question.vectors[0], seen)
    assert (again.asked, again.guests, again.merged) == (
        recall.asked,
        recall.guests,
        recall.merged,
    )
    assert recall_from_json({}) == Recall()


@dataclass
class SlowArchive:
    """An archive that answers when it is told to, or fails."""

    failures: int = 0
    calls: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def nearest(self, lease: Lease, question: Question) -> list[Person]:
        """Return one person."""
        self.calls += 1
        if self.calls <= self.failures:
            raise Unavailable("the database is away")
        await self.go_on.wait()
        return [absent(42, looks=7)]


def question() -> Question:
    """Return a question about person 9."""
    return Question(GlobalId(9), (vector(7),), START_NS)


async def test_a_tick_waits_for_an_answer_that_is_due() -> None:
    """A lookup that ends within the patience enters at its own tick."""
    archive, asked = SlowArchive(), question()
    recollection = Recollection(LEASE, archive, patience_s=10.0)
    recollection.follow([asked])
    waiting = asyncio.create_task(recollection.answers([asked]))
    await asyncio.sleep(0)
    assert not waiting.done()
    archive.go_on.set()
    assert [one.global_id for one in (await waiting)[GlobalId(9)]] == [42]
    recollection.follow([])
    await recollection.close()


async def test_a_slow_archive_costs_one_wait_and_no_answer() -> None:
    """What is late enters at a later tick, and no further tick waits for it."""
    archive, asked = SlowArchive(), question()
    recollection = Recollection(LEASE, archive, patience_s=0.05)
    recollection.follow([asked])
    assert await recollection.answers([asked]) == {}
    recollection._patience_s = 60.0
    async with asyncio.timeout(5):
        assert await recollection.answers([asked]) == {}
    archive.go_on.set()
    async with asyncio.timeout(5):
        while not (found := await recollection.answers([asked])):
            await asyncio.sleep(0)
    assert GlobalId(9) in found
    await recollection.close()


@pytest.mark.parametrize(("failures", "named"), [(1, 1), (3, 0)])
async def test_an_archive_that_is_away_is_asked_again(
    failures: int, named: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last attempt nobody is recalled, and the ticks go on."""
    monkeypatch.setattr("services.reid.service.recollection.FIRST_PAUSE_S", 0.001)
    archive, asked = SlowArchive(failures), question()
    archive.go_on.set()
    recollection = Recollection(LEASE, archive, patience_s=10.0)
    recollection.follow([asked])
    found = await recollection.answers([asked])
    assert len(found[GlobalId(9)]) == named
    await recollection.close()


async def test_questions_that_nobody_asks_any_more_are_left() -> None:
    """A lookup ends when its new person is gone."""
    archive = SlowArchive()
    recollection = Recollection(LEASE, archive, patience_s=10.0)
    recollection.follow([question()])
    (lookup,) = recollection._lookups.values()
    recollection.follow([])
    await asyncio.wait([lookup], timeout=5)
    assert lookup.cancelled()
