"""Answer a hot stream whose items do not depend on each other, in request order."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

from services.common.drain import DrainSignal
from services.common.errors import Overloaded, SpotOnError, Unavailable
from services.common.tasks import end_tasks

Request = TypeVar("Request", contravariant=True)
Answer = TypeVar("Answer", covariant=True)


class ItemHandler(Protocol[Request, Answer]):
    """What a stream answers."""

    def opening(self, window: int) -> Answer:
        """Return the message that announces the credit window."""

    async def answer(self, request: Request) -> Answer:
        """Return the answer to one item.

        Raises:
            SpotOnError: The item cannot be used; the stream goes on.
        """

    def refusal(self, request: Request, error: SpotOnError) -> Answer:
        """Return the message that tells why an item was not answered."""

    def draining(self, grace_s: float) -> Answer:
        """Return the message that asks the client to reopen."""


async def answer_in_order(
    requests: AsyncIterator[Request],
    handler: ItemHandler[Request, Answer],
    *,
    window: int,
    drain: DrainSignal,
) -> AsyncIterator[Answer]:
    """Yield the answers to `requests`, in their order, working on many at a time.

    The stream asks its client to reopen when `drain` says so, and goes on answering
    until the client half-closes or the grace is over.

    Args:
        requests: Items of the client.
        handler: What to answer.
        window: Items that may be unanswered at any time, at least 1.
        drain: When to ask the client to reopen.

    Raises:
        Overloaded: The client exceeded the window.
        Unavailable: The client did not leave within the grace.
    """
    yield handler.opening(window)
    answers: asyncio.Queue[asyncio.Future[Answer] | None] = asyncio.Queue()
    tasks: set[asyncio.Future[Answer]] = set()

    async def answer(request: Request) -> Answer:
        try:
            return await handler.answer(request)
        except SpotOnError as error:
            return handler.refusal(request, error)

    async def read() -> None:
        async for request in requests:
            if len(tasks) >= window:
                raise Overloaded(f"more than {window} items unanswered")
            task = asyncio.create_task(answer(request))
            tasks.add(task)
            answers.put_nowait(task)

    async def announce_drain() -> None:
        await drain.wait()
        announced: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        announced.set_result(handler.draining(drain.grace_s))
        answers.put_nowait(announced)
        await asyncio.sleep(drain.grace_s)
        raise Unavailable("the stream was asked to reopen elsewhere")

    reader = asyncio.create_task(read())
    drainer = asyncio.create_task(announce_drain())

    def ended(watched: "asyncio.Task[None]") -> None:
        if not watched.cancelled() and watched.exception():
            for task in tasks:
                task.cancel()
        answers.put_nowait(None)

    for watched in (reader, drainer):
        watched.add_done_callback(ended)
    try:
        while not (reader.done() and answers.empty()):
            pending = await answers.get()
            if pending is not None:
                answered = await pending
                # The credit is the client's again before it can see the answer.
                tasks.discard(pending)
                yield answered
            elif drainer.done():
                break
        _raise_failure(reader, drainer)
    except asyncio.CancelledError:
        _raise_failure(reader, drainer)
        raise
    finally:
        await end_tasks(reader, drainer, *tasks)


def _raise_failure(*watched: "asyncio.Task[None]") -> None:
    """Raise what ended one of the tasks, if an error did."""
    for task in watched:
        if task.done() and not task.cancelled():
            task.result()
