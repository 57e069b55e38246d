"""Give persons vectors of another model, from the pictures of them that are stored."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import structlog

from services.common.broken_answers import BrokenAnswer
from services.common.errors import InvalidInput, NotFound
from services.common.ids import EnvironmentId, GlobalId, ModelId, TimelineId
from services.common.images import RgbImage, decode_image
from services.reid.domain.values import Vector
from services.reid.observe import REEMBEDDED
from services.reid.service.perseverance import persevere
from services.reid.service.portraits import PictureStore, PortraitRecord

_PERSONS_AT_ONCE = 64
# Few, so that the crops of live cameras wait for little.
_PICTURES_AT_ONCE = 4
_MOST_PIXELS = 4_000_000

_log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """What became of one person."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is.

    Attributes:
        done: Persons who got a vector.
        skipped: Persons who had one, or were merged into another meanwhile.
        failed: Persons of whom there is no picture that can be used.
        total: Persons when it began.
    """

    done: int = 0
    skipped: int = 0
    failed: int = 0
    total: int = 0

    def after(self, outcomes: Sequence[Outcome]) -> "Progress":
        """Return the progress after some more persons."""
        return replace(
            self,
            done=self.done + outcomes.count(Outcome.DONE),
            skipped=self.skipped + outcomes.count(Outcome.SKIPPED),
            failed=self.failed + outcomes.count(Outcome.FAILED),
        )


@dataclass(frozen=True, slots=True)
class Sitter:
    """A person who stands for themself, and what there is of them.

    Attributes:
        global_id: The person.
        has_vector: Whether a vector of the model is stored.
        portrait: The best picture; None if none is stored.
    """

    global_id: GlobalId
    has_vector: bool
    portrait: PortraitRecord | None


class SitterTable(Protocol):
    """Knows who needs a vector of a model, and keeps it."""

    async def count_sitters(
        self, environment_id: EnvironmentId, timeline_id: TimelineId | None
    ) -> int:
        """Return how many persons stand for themselves.

        Raises:
            Unavailable: The database is away.
        """

    async def sitters(
        self,
        environment_id: EnvironmentId,
        timeline_id: TimelineId | None,
        model_id: ModelId,
        *,
        after: GlobalId,
        limit: int,
    ) -> Sequence[Sitter]:
        """Return persons with greater ids than `after`, by id.

        Raises:
            Unavailable: The database is away.
        """

    async def keep_vector(
        self,
        prototype_id: GlobalId,
        global_id: GlobalId,
        model_id: ModelId,
        vector: Vector,
        portrait: PortraitRecord,
    ) -> bool:
        """Store a vector, unless the person has one of the model or is no more.

        Raises:
            Unavailable: The database is away.
        """


class ModelInUse(Protocol):
    """Computes vectors of one model."""

    async def embed(self, crop: RgbImage) -> Vector:
        """Return the vector of a crop.

        Raises:
            InvalidInput: The model sees nothing in it.
            BrokenAnswer: The model answered NaN or infinity.
            Unavailable: The device of the model failed.
        """


class Reembedding:
    """Walks over the persons of an environment; what is done is skipped next time."""

    def __init__(
        self,
        table: SitterTable,
        pictures: PictureStore,
        draw_id: Callable[[], GlobalId],
        *,
        store_patience_s: float,
    ) -> None:
        """Take what it works with.

        Args:
            table: Knows the persons.
            pictures: Keeps their pictures.
            draw_id: Source of the ids of prototypes.
            store_patience_s: How long a store may be away, seconds.
        """
        self._table = table
        self._pictures = pictures
        self._draw_id = draw_id
        self._patience_s = store_patience_s

    async def run(
        self,
        environment_id: EnvironmentId,
        timeline_id: TimelineId | None,
        model_id: ModelId,
        model: ModelInUse,
    ) -> AsyncIterator[Progress]:
        """Yield how far it is, first and last of all.

        Raises:
            Unavailable: A store is away for too long, or the model's device failed.
        """
        table, patience_s = self._table, self._patience_s
        total = await persevere(
            lambda: table.count_sitters(environment_id, timeline_id), limit_s=patience_s
        )
        progress, after = Progress(total=total), GlobalId(0)
        yield progress
        # Whoever comes meanwhile has a vector of a running model already.
        while progress.done + progress.skipped + progress.failed < total:
            page = await persevere(
                lambda: table.sitters(
                    environment_id,
                    timeline_id,
                    model_id,
                    after=after,  # noqa: B023 - used before it changes.
                    limit=_PERSONS_AT_ONCE,
                ),
                limit_s=patience_s,
            )
            left = total - progress.done - progress.skipped - progress.failed
            if not page:
                # Merged away since they were counted.
                yield progress.after([Outcome.SKIPPED] * left)
                return
            after = page[-1].global_id
            progress = progress.after(
                await self._embed_all(page[:left], model_id, model)
            )
            yield progress

    async def _embed_all(
        self, sitters: Sequence[Sitter], model_id: ModelId, model: ModelInUse
    ) -> list[Outcome]:
        """Return what became of some persons, a few at a time."""
        places = asyncio.Semaphore(_PICTURES_AT_ONCE)

        async def one(sitter: Sitter) -> Outcome:
            async with places:
                return await self._embed(sitter, model_id, model)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(sitter)) for sitter in sitters]
        except* Exception as failures:  # noqa: BLE001 - the first is the cause.
            raise failures.exceptions[0] from None
        outcomes = [task.result() for task in tasks]
        for outcome in outcomes:
            REEMBEDDED.labels(outcome.value).inc()
        return outcomes

    async def _embed(
        self, sitter: Sitter, model_id: ModelId, model: ModelInUse
    ) -> Outcome:
        """Give one person a vector."""
        portrait = sitter.portrait
        if sitter.has_vector:
            return Outcome.SKIPPED
        if portrait is None:
            return Outcome.FAILED
        try:
            jpeg = await persevere(
                lambda: self._pictures.get(portrait.key), limit_s=self._patience_s
            )
            crop = await asyncio.to_thread(
                decode_image, jpeg, field="crop", max_pixels=_MOST_PIXELS
            )
            vector = await model.embed(crop)
        except (NotFound, InvalidInput, BrokenAnswer) as error:
            _log.warning(
                "picture not used", global_id=sitter.global_id, cause=str(error)
            )
            return Outcome.FAILED
        kept = await persevere(
            lambda: self._table.keep_vector(
                self._draw_id(), sitter.global_id, model_id, vector, portrait
            ),
            limit_s=self._patience_s,
        )
        return Outcome.DONE if kept else Outcome.SKIPPED
