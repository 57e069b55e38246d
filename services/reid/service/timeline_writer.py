"""Associate the ticks of one timeline, and keep what they change."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from services.common.errors import Conflict, InvalidInput, NotFound
from services.common.ids import GlobalId
from services.reid.domain.association import Association
from services.reid.domain.feedback import Carried
from services.reid.domain.live_set import Changes, LiveSet
from services.reid.domain.live_state import decode_live, encode_live
from services.reid.domain.person import Person
from services.reid.domain.values import (
    CameraSightings,
    Portrait,
    Tick,
    TickAnswer,
    TrackKey,
    Vector,
)
from services.reid.observe import COMMIT_SECONDS, DECISION_SECONDS
from services.reid.service.alarm import Alarm
from services.reid.service.commands import CommandInbox, Waiting
from services.reid.service.perseverance import persevere
from services.reid.service.portraits import PortraitKeeper
from services.reid.service.recollection import Recollection
from services.reid.service.timeline_store import (
    Commit,
    Lease,
    StoredAnswer,
    TimelineStore,
)

AnswerEncoder = Callable[[TickAnswer, Lease], bytes]
"""Returns an answer in the words in which it is sent and repeated."""

AssociationMaker = Callable[[LiveSet], Association]
ScoreOffer = Callable[[LiveSet, Tick], None]
"""Takes the live set before a tick, and the tick with its vectors."""

_FLUSH_EVERY_NS = 1_000_000_000
_ANSWERS_IN_MEMORY = 64


class TimelineWriter:
    """The one writer of a timeline.

    Ticks are decided in memory and stored in groups; an answer may be sent once the
    commit that holds it is through. After any error the writer is of no use: whoever
    goes on opens another, which begins with what is stored.
    """

    def __init__(
        self,
        lease: Lease,
        store: TimelineStore,
        portraits: PortraitKeeper,
        encode_answer: AnswerEncoder,
        inbox: CommandInbox,
        offer_scores: ScoreOffer,
        recollection: Recollection | None = None,
        *,
        store_patience_s: float,
    ) -> None:
        """Take what it works with.

        Args:
            lease: The right to write.
            store: Keeps the timeline.
            portraits: Keeps pictures.
            encode_answer: Words of the answers.
            inbox: What operators say.
            offer_scores: Takes the scores of new vectors.
            recollection: Looks new persons up; None recalls nobody who left the live
                set.
            store_patience_s: How long a store may be away, seconds.
        """
        self.lease = lease
        self._store = store
        self._portraits = portraits
        self._encode_answer = encode_answer
        self._inbox = inbox
        self._offer_scores = offer_scores
        self._recollection = recollection
        self._recalled: dict[GlobalId, list[Person]] = {}
        self._patience_s = store_patience_s
        self._association: Association
        self._answers: dict[tuple[str, int], bytes] = {}
        self._pending: Commit
        self._accepted: list[Portrait] = []
        self._flushed_ns = 0
        self._alarm = Alarm(lease.environment_id)

    async def open(self, make_association: AssociationMaker) -> None:
        """Take the timeline and load its live set.

        Raises:
            Conflict: A newer epoch has it.
            Unavailable: The store is away for too long.
        """
        stored = await persevere(
            lambda: self._store.open(self.lease), limit_s=self._patience_s
        )
        live = LiveSet(self.lease.session_id)
        if stored.state is not None:
            live = decode_live(
                stored.state, self.lease.session_id, stored.persons, stored.prototypes
            )
        live.constraints.learn(stored.apart, stored.went)
        self._association = make_association(live)
        for one in stored.answers:
            self._answers[one.session_id, one.frame_set] = one.answer
        self._pending = Commit(after=live.frame_set, applied=stored.applied)
        self._follow_questions()

    @property
    def pending_ticks(self) -> int:
        """Ticks that are decided and not stored."""
        return len(self._pending.answers)

    def recall(self, frame_set: int) -> bytes | None:
        """Return the answer that a tick was given before; None for a new tick.

        Raises:
            Conflict: The tick is old and its answer is kept no more.
        """
        answer = self._answers.get((self.lease.session_id, frame_set))
        newest = self._association.live.frame_set
        if answer is None and frame_set <= newest:
            raise Conflict(
                f"frame set {frame_set} comes after {newest}, and its answer is not "
                "kept any more"
            )
        return answer

    def wanted(self, tick: Tick) -> tuple[TrackKey, ...]:
        """Return the tracks whose vectors should come before `tick` is decided."""
        return self._association.wanted(tick)

    async def recollect(self, tick: Tick) -> None:
        """Take the answers of the archive that are due before `tick` is decided."""
        if self._recollection is None:
            return
        due = self._association.due(tick)
        if due:
            self._recalled = await self._recollection.answers(due)

    def associate(
        self,
        tick: Tick,
        asked: tuple[TrackKey, ...] = (),
        vectors: Mapping[TrackKey, Vector] | None = None,
    ) -> bytes:
        """Decide a new tick; the answer may be sent after the next `commit`."""
        begin_s = time.perf_counter()
        for global_id in self._portraits.take_lost(self.lease):
            person = self._association.live.persons.get(global_id)
            if person is not None:
                person.portrait_quality = 0.0
        tick = _with(tick, vectors or {})
        self._offer_scores(self._association.live, tick)
        recalled, self._recalled = self._recalled, {}
        answer, changes = self._association.apply(tick, asked, recalled)
        if changes.questions or recalled:
            self._follow_questions()
        encoded = self._encode_answer(answer, self.lease)
        self._collect(changes, tick, encoded)
        self._accepted.extend(answer.portraits)
        DECISION_SECONDS.observe(time.perf_counter() - begin_s)
        return encoded

    async def commit(self) -> None:
        """Store every tick that is decided.

        Raises:
            Conflict: Somebody else has taken the timeline.
            Unavailable: The store is away for too long.
        """
        if not self._pending.answers:
            return
        await self._store_pending()
        accepted, self._accepted = self._accepted, []
        for portrait in accepted:
            self._portraits.offer(self.lease, portrait)

    async def hold(self) -> bool:
        """Say that the writer is there; return whether operators said something.

        Raises:
            Unavailable: The store is away.
        """
        return await self._inbox.hold(self.lease)

    async def release(self) -> None:
        """Say that the writer has left.

        Raises:
            Unavailable: The store is away.
        """
        await self._inbox.release(self.lease)

    async def take_commands(self) -> None:
        """Carry out what operators said, each with a commit of its own.

        Raises:
            Conflict: Somebody else has taken the timeline.
            Unavailable: The store is away for too long.
        """
        await self.commit()
        waiting = await persevere(
            lambda: self._inbox.waiting(self.lease), limit_s=self._patience_s
        )
        for one in waiting:
            self._pending.carried = await self._carry_out(one)
            await self._store_pending()

    async def _carry_out(self, waiting: Waiting) -> Carried:
        """Carry out one command on the live set."""
        live, command = self._association.live, waiting.command
        try:
            named, absent = await persevere(
                lambda: self._inbox.named(self.lease, command, live.persons),
                limit_s=self._patience_s,
            )
            live.persons.update(absent)
            live.version += len(absent)
            effect, changes = self._association.carry_out(command, named)
        except (InvalidInput, NotFound) as error:
            return Carried(waiting.revision, error=error)
        self._absorb(changes)
        self._snapshot(changes.touched & set(live.persons))
        self._pending.identities.update(changes.departed)
        return Carried(waiting.revision, effect)

    async def close(self) -> None:
        """Store what was decided, and bring every person's stored form up to date.

        Raises:
            Conflict: Somebody else has taken the timeline.
            Unavailable: The store is away for too long.
        """
        await self.commit()
        live = self._association.live
        if live.frame_set:
            self._snapshot(live.present_ids())
            await self._store_pending()

    async def leave(self) -> None:
        """End what runs beside the ticks, however the stream ended."""
        if self._recollection is not None:
            await self._recollection.close()

    def _follow_questions(self) -> None:
        """Have every open question looked up."""
        if self._recollection is not None:
            self._recollection.follow(self._association.live.recall.open.values())

    def _collect(self, changes: Changes, tick: Tick, answer: bytes) -> None:
        """Add one tick to the pending commit."""
        live, pending = self._association.live, self._pending
        stored = StoredAnswer(self.lease.session_id, tick.frame_set, answer)
        pending.answers.append(stored)
        self._answers[stored.session_id, stored.frame_set] = answer
        while len(self._answers) > _ANSWERS_IN_MEMORY:
            del self._answers[next(iter(self._answers))]
        self._absorb(changes)
        touched = changes.touched & set(live.persons)
        if live.time_ns - self._flushed_ns >= _FLUSH_EVERY_NS:
            self._flushed_ns = live.time_ns
            self._alarm.sound(self._association.suspicions())
            touched |= live.present_ids()
        self._snapshot(touched)
        pending.identities.update(changes.departed)

    def _absorb(self, changes: Changes) -> None:
        """Add prototypes and events to the pending commit."""
        pending = self._pending
        pending.prototypes.update(changes.prototypes)
        for prototype_id in changes.forgotten:
            pending.prototypes.pop(prototype_id, None)
        pending.forgotten |= changes.forgotten
        pending.events.extend(changes.events)

    def _snapshot(self, persons: set[GlobalId]) -> None:
        """Store these persons with the pending commit."""
        live = self._association.live
        for global_id in sorted(persons):
            self._pending.identities[global_id] = live.snapshot(global_id)

    async def _store_pending(self) -> None:
        """Write the pending commit, waiting while the store is away."""
        live, pending = self._association.live, self._pending
        pending.frame_set, pending.time_ns = live.frame_set, live.time_ns
        pending.state = encode_live(live, live.present_ids())
        pending.recalled = tuple(sorted(live.recall.guests))
        pending.apart, pending.joined = live.constraints.take_unstored()
        begin_s = time.perf_counter()
        await persevere(
            lambda: self._store.commit(self.lease, pending), limit_s=self._patience_s
        )
        COMMIT_SECONDS.observe(time.perf_counter() - begin_s)
        applied = pending.carried.revision if pending.carried else pending.applied
        self._pending = Commit(after=live.frame_set, applied=applied)


def _with(tick: Tick, vectors: Mapping[TrackKey, Vector]) -> Tick:
    """Return the tick with the vectors that were asked for."""
    if not vectors:
        return tick
    return replace(tick, cameras=tuple(_see(one, vectors) for one in tick.cameras))


def _see(
    camera: CameraSightings, vectors: Mapping[TrackKey, Vector]
) -> CameraSightings:
    return replace(
        camera,
        sightings=tuple(
            replace(one, vector=vectors.get(one.key, one.vector))
            for one in camera.sightings
        ),
    )
