"""Deciding, storing and repeating ticks, with stores that fail."""

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from services.common.errors import Conflict, NotFound, Unavailable
from services.common.ids import EnvironmentId, GlobalId, TimelineId
from services.reid.domain.association import Association
from services.reid.domain.feedback import Command, Merge, Named
from services.reid.domain.live_set import LiveSet
from services.reid.domain.person import Person
from services.reid.domain.values import EventKind, Portrait, TickAnswer
from services.reid.service.commands import Waiting
from services.reid.service.portraits import PortraitKeeper, PortraitRecord
from services.reid.service.timeline_store import Commit, Lease, StoredTimeline
from services.reid.service.timeline_writer import TimelineWriter
from tests.fakes.pictures import jpeg
from tests.unit.reid.scenes import CONFIG, MODEL, SESSION, Seen, key, tick

LEASE = Lease(EnvironmentId("plaza"), TimelineId("t"), SESSION, 1, UUID(int=1))
HERE = [Seen("east", 1, 0.0)]


@dataclass
class FlakyStore:
    """A store that is away for its first calls."""

    away: int = 0
    commits: list[Commit] = field(default_factory=list)

    async def open(self, lease: Lease) -> StoredTimeline:
        """Return an empty timeline."""
        self._fail()
        return StoredTimeline(None, {}, (), ())

    async def commit(self, lease: Lease, commit: Commit) -> None:
        """Note the commit."""
        self._fail()
        self.commits.append(commit)

    def _fail(self) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("the database is away")


@dataclass
class Album:
    """Pictures and who they show, in memory; its store can be away."""

    away: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    best: dict[int, PortraitRecord] = field(default_factory=dict)

    async def put(self, name: str, content: bytes) -> None:
        """Keep a file."""
        if self.away:
            raise Unavailable("the picture store is away")
        self.files[name] = content

    async def get(self, name: str) -> bytes:
        """Return a file."""
        if name not in self.files:
            raise NotFound(name)
        return self.files[name]

    async def delete(self, name: str) -> None:
        """Remove a file."""
        self.files.pop(name, None)

    async def portrait(
        self, environment_id: EnvironmentId, global_id: GlobalId
    ) -> PortraitRecord | None:
        """Return the best picture."""
        return self.best.get(global_id)

    async def replace_portrait(
        self, environment_id: EnvironmentId, global_id: GlobalId, record: PortraitRecord
    ) -> bool:
        """Keep the better picture."""
        best = self.best.get(global_id)
        if best is not None and best.quality >= record.quality:
            return False
        self.best[global_id] = record
        return True


@dataclass
class Inbox:
    """Commands that wait, with the persons that they name."""

    commands: list[Waiting] = field(default_factory=list)
    archive: dict[GlobalId, Person] = field(default_factory=dict)
    held: int = 0

    async def hold(self, lease: Lease) -> bool:
        """Count, and say whether commands wait."""
        self.held += 1
        return bool(self.commands)

    async def release(self, lease: Lease) -> None:
        """Forget that the timeline is held."""
        self.held = 0

    async def waiting(self, lease: Lease) -> list[Waiting]:
        """Return them once."""
        commands, self.commands = self.commands, []
        return commands

    async def named(
        self, lease: Lease, command: Command, known: Collection[GlobalId]
    ) -> tuple[Named, dict[GlobalId, Person]]:
        """Return them as they are named."""
        other = command.other_global_id if isinstance(command, Merge) else GlobalId(0)
        if other not in known and other not in self.archive:
            raise NotFound(f"no identity {other}", field="other_global_id")
        absent = {one: self.archive[one] for one in (other,) if one in self.archive}
        return Named(command.global_id, other), absent


def words(answer: TickAnswer, lease: Lease) -> bytes:
    """Return an answer as bytes."""
    return f"{lease.timeline_id}: {answer}".encode()


def associate(live: LiveSet) -> Association:
    """Return an association with ids that count."""
    numbers = iter(range(1, 10_000))
    return Association(live, MODEL, CONFIG, lambda: GlobalId(next(numbers)))


async def opened(
    store: FlakyStore, *, patience_s: float = 5.0, inbox: Inbox | None = None
) -> TimelineWriter:
    """Return an open writer."""
    album = Album()
    writer = TimelineWriter(
        LEASE,
        store,
        PortraitKeeper(album, album),
        words,
        inbox or Inbox(),
        lambda live, tick: None,
        store_patience_s=patience_s,
    )
    await writer.open(associate)
    return writer


async def test_ticks_are_stored_in_groups() -> None:
    """Ticks decided together are one commit, with an answer each."""
    store = FlakyStore()
    writer = await opened(store)
    answers = [writer.associate(tick(number, HERE)) for number in (1, 2, 3)]
    assert not store.commits
    await writer.commit()
    (commit,) = store.commits
    assert (commit.after, commit.frame_set) == (0, 3)
    assert [one.answer for one in commit.answers] == answers
    assert len(commit.events) == 1


async def test_a_store_that_comes_back_is_waited_for() -> None:
    """Opening and storing survive a store that is away for a moment."""
    store = FlakyStore(away=1)
    writer = await opened(store)
    writer.associate(tick(1, HERE))
    store.away = 1
    await writer.commit()
    assert len(store.commits) == 1


async def test_patience_has_an_end() -> None:
    """A store that stays away ends in Unavailable."""
    store = FlakyStore()
    writer = await opened(store, patience_s=0.0)
    writer.associate(tick(1, HERE))
    store.away = 100
    with pytest.raises(Unavailable):
        await writer.commit()


async def test_given_answers_are_recalled_and_old_ticks_refused() -> None:
    """A tick is answered twice in the same words; one that is skipped is too late."""
    writer = await opened(FlakyStore())
    answer = writer.associate(tick(5, HERE))
    assert writer.recall(5) == answer
    assert writer.recall(6) is None
    with pytest.raises(Conflict):
        writer.recall(4)


async def test_closing_brings_every_person_up_to_date() -> None:
    """The stored form of present persons is exact after the stream."""
    store = FlakyStore()
    writer = await opened(store)
    for number in range(1, 8):
        writer.associate(tick(number, HERE))
    await writer.close()
    (snapshot,) = store.commits[-1].identities.values()
    (record,) = snapshot.cameras.values()
    assert record.detections == 7


async def test_each_command_is_a_commit_of_its_own() -> None:
    """Ticks come first, then each command with its outcome; ticks go on after it."""
    store = FlakyStore()
    inbox = Inbox(archive={GlobalId(7): Person(GlobalId(7), 5)})
    writer = await opened(store, inbox=inbox)
    writer.associate(tick(1, HERE))
    inbox.commands = [
        Waiting(4, Merge(GlobalId(1), GlobalId(9))),
        Waiting(5, Merge(GlobalId(1), GlobalId(7))),
    ]
    assert await writer.hold()
    await writer.take_commands()
    writer.associate(tick(2, HERE))
    await writer.commit()
    ticks, refused, merged, after = store.commits
    assert len(ticks.answers) == 1
    assert ticks.carried is None
    assert refused.carried is not None
    assert isinstance(refused.carried.error, NotFound)
    assert not refused.events
    assert merged.carried is not None
    assert merged.carried.effect is not None
    assert merged.carried.effect.global_id == 1
    assert [one.kind for one in merged.events] == [EventKind.MERGED]
    assert merged.identities[GlobalId(7)].merged_into == 1
    assert [one.applied for one in store.commits] == [0, 0, 4, 5]
    assert [one.after for one in store.commits] == [0, 1, 1, 1]
    assert len(after.answers) == 1


def portrait(quality: float) -> Portrait:
    """Return a picture of person 1."""
    return Portrait(GlobalId(1), key("east", 1), 0, quality, jpeg(int(200 * quality)))


async def test_only_the_best_picture_stays() -> None:
    """Of three pictures the best is kept, and the others' files are gone."""
    album = Album()
    async with PortraitKeeper(album, album) as keeper:
        for quality in (0.4, 0.9, 0.6):
            keeper.offer(LEASE, portrait(quality))
        await keeper.settled()
        record, content = await keeper.read(LEASE.environment_id, GlobalId(1))
    assert record.quality == 0.9
    assert content == portrait(0.9).jpeg
    assert len(album.files) == 1


async def test_lost_pictures_are_told_once() -> None:
    """Whose picture could not be stored is known, until somebody asked."""
    album = Album(away=True)
    async with PortraitKeeper(album, album) as keeper:
        keeper.offer(LEASE, portrait(0.5))
        await keeper.settled()
        assert keeper.take_lost(LEASE) == {GlobalId(1)}
        assert not keeper.take_lost(LEASE)


async def test_too_many_pictures_are_lost_and_not_waited_for() -> None:
    """A full queue costs pictures, never time."""
    album = Album()
    keeper = PortraitKeeper(album, album, most_waiting=1)
    keeper.offer(LEASE, portrait(0.5))
    keeper.offer(LEASE, portrait(0.6))
    assert keeper.take_lost(LEASE) == {GlobalId(1)}
