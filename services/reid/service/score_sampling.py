"""Keep a bounded sample of scores of each environment and model, off the hot path."""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.common.errors import Unavailable
from services.common.ids import EnvironmentId, ModelId
from services.reid.domain.live_set import LiveSet
from services.reid.domain.score_pairs import PairKind, ScoredPair, scored_pairs
from services.reid.domain.values import Tick
from services.reid.observe import SAMPLING_SECONDS, SCORES_SAMPLED

KEPT_PER_KIND = 1000
"""Scores kept of each environment, model and kind."""

HALF_LIFE_S = 7 * 86_400.0
"""Age at which a score is kept half as often as a new one. Chosen: a week sees every
light of a place."""

_MOST_WAITING = 4_000

_log = structlog.get_logger(__name__)

Stratum = tuple[EnvironmentId, ModelId, PairKind]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A score with the priority that decides how long it is kept.

    Attributes:
        stratum: Environment, model and kind.
        pair: The score.
        priority: Those of the greatest priority stay.
    """

    stratum: Stratum
    pair: ScoredPair
    priority: float


class ScoreTable(Protocol):
    """Keeps scores."""

    async def keep(self, drawn: Sequence[Drawn], most: int) -> Mapping[Stratum, float]:
        """Add scores, and drop those beyond the `most` of the greatest priority.

        Returns:
            For each stratum that is full, the least priority that is kept.

        Raises:
            Unavailable: The database is away.
        """


def priority(now_s: float, share: float) -> float:
    """Return the priority of a score, given a share drawn from (0, 1).

    Keeping the greatest is a random sample without replacement in which the odds of a
    score halve with each half-life: a Gumbel variate shifted by the logarithm of the
    weight (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006,
    in the logarithmic form of forward decay).
    """
    return now_s * math.log(2.0) / HALF_LIFE_S - math.log(-math.log(share))


class ScoreSampler:
    """Draws scores as ticks come and stores them in the background.

    An asynchronous context manager. What a store that is away cannot take is lost: a
    sample needs no single score.
    """

    def __init__(
        self,
        table: ScoreTable,
        draw_share: Callable[[], float],
        *,
        sure_nats: float,
        every_s: float = 2.0,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Take what it works with.

        Args:
            table: Keeps scores.
            draw_share: Draws evenly from (0, 1).
            sure_nats: Floor evidence that makes two tracks one person, or two.
            every_s: Time between two writes, seconds.
            now_s: The time, seconds since 1970 UTC.
        """
        self._table = table
        self._draw_share = draw_share
        self._sure_nats = sure_nats
        self._every_s = every_s
        self._now_s = now_s
        self._floors: dict[Stratum, float] = {}
        self._waiting: deque[Drawn] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "ScoreSampler":
        self._worker = asyncio.create_task(self._work(), name="scores")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        with contextlib.suppress(Unavailable):
            await self.store()

    def offer(
        self,
        environment_id: EnvironmentId,
        model_id: ModelId,
        live: LiveSet,
        tick: Tick,
    ) -> None:
        """Draw from the scores that the new vectors of a tick give.

        Args:
            environment_id: Environment of the timeline.
            model_id: Model of the vectors.
            live: State before the tick.
            tick: With the vectors that were asked for.
        """
        begin_s = time.perf_counter()
        pairs = scored_pairs(live, tick, self._sure_nats)
        if not pairs:
            return
        now_s = self._now_s()
        for one in pairs:
            stratum = (environment_id, model_id, one.kind)
            drawn = Drawn(stratum, one, priority(now_s, self._draw_share()))
            if drawn.priority <= self._floors.get(stratum, -math.inf):
                SCORES_SAMPLED.labels("passed_over").inc()
            elif len(self._waiting) < _MOST_WAITING:
                self._waiting.append(drawn)
            else:
                SCORES_SAMPLED.labels("lost").inc()
        SAMPLING_SECONDS.observe(time.perf_counter() - begin_s)

    async def store(self) -> None:
        """Store what was drawn.

        Raises:
            Unavailable: The database is away; what was drawn is lost.
        """
        drawn = list(self._waiting)
        self._waiting.clear()
        if not drawn:
            return
        try:
            self._floors.update(await self._table.keep(drawn, KEPT_PER_KIND))
        except Unavailable:
            SCORES_SAMPLED.labels("lost").inc(len(drawn))
            raise
        SCORES_SAMPLED.labels("kept").inc(len(drawn))

    async def _work(self) -> None:
        """Store again and again."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.store()
            except Unavailable as error:
                _log.warning("scores lost", cause=str(error))
