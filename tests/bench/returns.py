"""One timeline in which people come back from the archive while others are new.

Every half second somebody walks in, by turns a person of the archive and a stranger,
is seen by one camera for ten seconds and leaves. So two new tracks a second ask the
archive, and about twenty people are present.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

import numpy as np

from services.common.ids import (
    CameraId,
    EnvironmentId,
    GlobalId,
    SessionId,
    TimelineId,
    TrackId,
)
from services.common.postgres import Pool
from services.reid.adapters.archive import PostgresArchive
from services.reid.adapters.command_table import CommandTable
from services.reid.adapters.timeline_table import TimelineTable
from services.reid.adapters.vector_index import FaissIndex
from services.reid.convert import answer_to_bytes, event_to_bytes
from services.reid.domain.appearance import AppearanceModel
from services.reid.domain.association import Association
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.live_set import LiveSet
from services.reid.domain.values import (
    CameraSightings,
    FloorFix,
    Sighting,
    Tick,
    TrackKey,
    Vector,
)
from services.reid.service.portraits import PortraitKeeper
from services.reid.service.recollection import Recollection
from services.reid.service.timeline_store import Lease
from services.reid.service.timeline_writer import TimelineWriter
from spoton.reid.v1 import reid_pb2
from tests.bench.crowd import DIMENSIONS, MODEL_ID, Crowd

START_NS = 1_790_000_000_000_000_000
TICK_NS = 100_000_000
TICKS_BETWEEN = 5
TICKS_PRESENT = 100
SESSION = SessionId("bench")

_MODEL = AppearanceModel(MODEL_ID, DIMENSIONS, 0.5)
_CAMERAS = tuple(CameraId(f"camera-{number}") for number in range(8))
_STRANGERS_FROM = 500_000
_STRIDE_M = 10.0
_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Visit:
    """One person, seen by one camera for a while.

    Attributes:
        number: Number of the visit.
        person: Number of the person in the crowd.
        returning: Whether the archive holds the person.
        looks: What the crops look like, in their order.
    """

    number: int
    person: int
    returning: bool
    looks: Vector

    @property
    def key(self) -> TrackKey:
        """The track."""
        return TrackKey(_CAMERAS[self.number % len(_CAMERAS)], TrackId(self.number + 1))

    def sighting(self) -> Sighting:
        """Return the track in a frame; everybody stands alone."""
        x_m, y_m = _STRIDE_M * (self.number % 20), _STRIDE_M * (self.number // 20)
        fix = FloorFix(x_m, y_m, 0.04, 0.0, 0.04, "ground", 1)
        return Sighting(self.key, 150.0, 0.9, coasted=False, occlusion=0.0, fix=fix)


def visits(crowd: Crowd, ticks: int, persons: int) -> list[Visit]:
    """Return who comes within some ticks, every other one out of `persons`."""
    found = []
    for number in range(ticks // TICKS_BETWEEN):
        returning = number % 2 == 0
        person = (number // 2) % persons if returning else _STRANGERS_FROM + number
        looks = crowd.looks_of(person, 40, number)
        found.append(Visit(number, person, returning, looks))
    return found


@dataclass
class Returns:
    """A timeline whose archive holds so many persons, and how its ticks went.

    Attributes:
        identities: Persons in the archive.
        first_id: Id of person 0.
        writer: Associates and stores.
        decided_s: What each tick took until it was decided.
        stored_s: The same until it was stored.
        cpu_s: Processor time of the thread that ticks meanwhile.
        final: By visit, the person that its track was shown as last.
    """

    identities: int
    first_id: int
    writer: TimelineWriter
    decided_s: list[float] = field(default_factory=list)
    stored_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    final: dict[int, GlobalId] = field(default_factory=dict)
    _given: Counter[TrackKey] = field(default_factory=Counter)

    async def tick(self, number: int, everybody: list[Visit]) -> None:
        """Associate one frame set."""
        here = {
            one.key: one
            for one in everybody
            if 0 <= number - TICKS_BETWEEN * one.number < TICKS_PRESENT
        }
        gone = [
            one.key
            for one in everybody
            if number - TICKS_BETWEEN * one.number == TICKS_PRESENT
        ]
        tick = _tick(number, here, gone)
        wanted = self.writer.wanted(tick)
        vectors = {key: self._look(here[key]) for key in wanted}
        begin_s, begin_cpu_s = time.perf_counter(), time.thread_time()
        await self.writer.recollect(tick)
        encoded = self.writer.associate(tick, wanted, vectors)
        self.decided_s.append(time.perf_counter() - begin_s)
        await self.writer.commit()
        self.stored_s.append(time.perf_counter() - begin_s)
        self.cpu_s.append(time.thread_time() - begin_cpu_s)
        answer = reid_pb2.AssociateResponse.FromString(encoded).result
        for one in answer.assignments:
            key = TrackKey(CameraId(one.track.camera_id), TrackId(one.track.track_id))
            self.final[here[key].number] = GlobalId(one.global_id)

    def recall(self, everybody: list[Visit]) -> float:
        """Return the share of those who came back that got their id again."""
        came = [one for one in everybody if one.returning and one.number in self.final]
        hits = sum(self.final[one.number] == self.first_id + one.person for one in came)
        return hits / len(came)

    def mistaken(self, everybody: list[Visit]) -> float:
        """Return the share of strangers who were taken for somebody of the archive."""
        new = [
            one for one in everybody if not one.returning and one.number in self.final
        ]
        archive = range(self.first_id, self.first_id + self.identities)
        return sum(self.final[one.number] in archive for one in new) / len(new)

    def _look(self, visit: Visit) -> Vector:
        """Return the next crop's vector of a track."""
        place = self._given[visit.key] % len(visit.looks)
        self._given[visit.key] += 1
        looks: Vector = visit.looks[place]
        return looks


def _tick(number: int, here: dict[TrackKey, Visit], gone: list[TrackKey]) -> Tick:
    captured_ns = START_NS + number * TICK_NS
    return Tick(
        session_id=SESSION,
        frame_set=number + 1,
        captured_ns=captured_ns,
        cameras=tuple(
            CameraSightings(
                camera_id,
                captured_ns,
                0.0,
                tuple(
                    one.sighting()
                    for key, one in here.items()
                    if key.camera_id == camera_id
                ),
                tuple(key for key in gone if key.camera_id == camera_id),
            )
            for camera_id in _CAMERAS
        ),
    )


async def opened(
    pool: Pool,
    index: FaissIndex,
    portraits: PortraitKeeper,
    environment_id: EnvironmentId,
    timeline_id: TimelineId,
    identities: int,
    first_id: int,
) -> Returns:
    """Return an open timeline whose archive is stored."""
    lease = Lease(environment_id, timeline_id, SESSION, 1, UUID(int=first_id))
    archive = PostgresArchive(pool, index, _MODEL)
    writer = TimelineWriter(
        lease,
        TimelineTable(pool, MODEL_ID, AssociationConfig(), event_to_bytes),
        portraits,
        answer_to_bytes,
        CommandTable(pool, MODEL_ID),
        lambda _live, _tick: None,
        Recollection(lease, archive, patience_s=_PATIENCE_S),
        store_patience_s=10.0,
    )
    await writer.open(_maker(first_id, identities))
    return Returns(identities, first_id, writer)


def _maker(first_id: int, identities: int) -> Callable[[LiveSet], Association]:
    """Return what associates, with ids and labels beyond those of the archive."""
    ids = count(first_id + 50_000_000)

    def make(live: LiveSet) -> Association:
        live.next_label = max(live.next_label, identities + 1)
        return Association(
            live, _MODEL, AssociationConfig(), lambda: GlobalId(next(ids))
        )

    return make


async def paced(
    timeline: Returns, everybody: list[Visit], first: int, last: int, every_s: float
) -> None:
    """Associate the ticks from `first` to before `last`, one in `every_s` seconds."""
    due_s = time.perf_counter()
    for number in range(first, last):
        due_s += every_s
        await timeline.tick(number, everybody)
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))


def ratio(values: list[float], base: list[float], percent: float) -> float:
    """Return a percentile divided by the same of others."""
    return float(np.percentile(values, percent) / np.percentile(base, percent))
