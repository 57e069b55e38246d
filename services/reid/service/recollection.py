"""Look new persons up in the archive beside the ticks."""

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from typing import Protocol

import structlog

from services.common.errors import SpotOnError
from services.common.ids import GlobalId
from services.common.tasks import end_tasks
from services.reid.domain.person import Person
from services.reid.domain.recall import Question
from services.reid.observe import RECALL_SECONDS, RECALLS, RECALLS_LATE
from services.reid.service.timeline_store import Lease

_AT_ONCE = 2
_ATTEMPTS = 3
FIRST_PAUSE_S = 0.1
"""Pause after the first failure; each further one is four times as long."""

_log = structlog.get_logger(__name__)


class Archive(Protocol):
    """Every person that was ever stored and is not expired."""

    async def nearest(self, lease: Lease, question: Question) -> list[Person]:
        """Return a few others of a timeline, those who look most like it first.

        Raises:
            Unavailable: The database is away.
        """


class Recollection:
    """The lookups of one timeline that are under way.

    A tick waits for an answer that is due, `patience_s` at most and once; one that
    takes longer enters at a later tick. A lookup that fails is repeated, and after the
    last attempt nobody is recalled.
    """

    def __init__(self, lease: Lease, archive: Archive, *, patience_s: float) -> None:
        """Take what it looks up in.

        Args:
            lease: The timeline.
            archive: Everybody who was stored.
            patience_s: How long a tick waits for a lookup, seconds.
        """
        self._lease = lease
        self._archive = archive
        self._patience_s = patience_s
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._lookups: dict[Question, asyncio.Task[list[Person]]] = {}
        self._waited_for: set[Question] = set()

    def follow(self, questions: Collection[Question]) -> None:
        """Look up what is asked and not looked up yet, and leave what is asked no more.

        Args:
            questions: Every question without an answer.
        """
        for question in self._lookups.keys() - set(questions):
            self._lookups.pop(question).cancel()
            self._waited_for.discard(question)
        for question in questions:
            if question not in self._lookups:
                lookup = asyncio.create_task(self._look_up(question))
                self._lookups[question] = lookup

    async def answers(self, due: Sequence[Question]) -> dict[GlobalId, list[Person]]:
        """Return what is known of the questions that are due, by new person.

        Args:
            due: Some of those that are followed.
        """
        fresh = [one for one in due if one not in self._waited_for]
        if fresh:
            waiting = [self._lookups[one] for one in fresh]
            _, late = await asyncio.wait(waiting, timeout=self._patience_s)
            RECALLS_LATE.inc(len(late))
            self._waited_for |= set(fresh)
        return {
            one.global_id: self._lookups[one].result()
            for one in due
            if self._lookups[one].done()
        }

    async def close(self) -> None:
        """End what is under way; whoever goes on with the timeline asks again."""
        await end_tasks(*self._lookups.values())
        self._lookups.clear()

    async def _look_up(self, question: Question) -> list[Person]:
        for attempt in range(_ATTEMPTS):
            with contextlib.suppress(SpotOnError):
                async with self._turns:
                    with RECALL_SECONDS.time():
                        found = await self._archive.nearest(self._lease, question)
                RECALLS.labels("answered").inc()
                return found
            RECALLS.labels("failed").inc()
            await asyncio.sleep(FIRST_PAUSE_S * 4**attempt)
        _log.warning(
            "archive not asked: somebody who came back may get a new identity",
            global_id=question.global_id,
        )
        return []
