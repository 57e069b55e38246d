"""The items of a hot stream that a fresh replica would have to see."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from services.common.errors import SpotOnError

Request = TypeVar("Request")
Answer = TypeVar("Answer")

FollowUp = Callable[[Any], Awaitable[Any]]
"""Returns the second request of an item whose first answer asked for more."""


class _Item(Generic[Request, Answer]):
    """One request on its way."""

    __slots__ = (
        "answer",
        "answered",
        "follow_up",
        "request",
        "second_request",
        "since_s",
    )

    def __init__(self, request: Request, follow_up: FollowUp | None) -> None:
        self.request = request
        self.follow_up = follow_up
        self.second_request: Request | None = None
        self.since_s: float | None = None
        self.answered = False
        loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Answer] = loop.create_future()


class ItemJournal(Generic[Request, Answer]):
    """Items in order: first those answered but not covered, then the others.

    Two positions tell how far the present replica is: what it was sent, and what it
    answered. `rewind` sets both to the beginning, for a fresh one.
    """

    def __init__(self) -> None:
        self._items: deque[_Item[Request, Answer]] = deque()
        self._unanswered = 0
        self._sent = 0
        self._received = 0
        self._window = 1
        self._sending = False
        self._failure: SpotOnError | None = None
        self._changed = asyncio.Condition()
        self._clock = asyncio.get_running_loop().time

    @property
    def unanswered(self) -> int:
        """How many items have no answer yet."""
        return self._unanswered

    @property
    def failed(self) -> bool:
        """Whether `fail` was called."""
        return self._failure is not None

    async def add(
        self, request: Request, follow_up: FollowUp | None
    ) -> "asyncio.Future[Answer]":
        """Append an item once there is credit for it; return its answer to come.

        Raises:
            SpotOnError: The stream ended for good.
        """
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._failure or self._unanswered < self._window
            )
            if self._failure:
                raise self._failure
            item: _Item[Request, Answer] = _Item(request, follow_up)
            self._items.append(item)
            self._unanswered += 1
            self._changed.notify_all()
        return item.answer

    def rewind(self) -> None:
        """Begin anew with a fresh replica."""
        self._sent = self._received = 0
        self._sending = True

    async def set_window(self, window: int) -> None:
        """Take over the credit window of a replica."""
        async with self._changed:
            self._window = max(1, window)
            self._changed.notify_all()

    async def stop_sending(self) -> None:
        """Send nothing more to the present replica."""
        async with self._changed:
            self._sending = False
            self._changed.notify_all()

    async def next_to_send(self) -> Request | None:
        """Return the next request for the replica.

        Returns:
            The request; None once sending stopped and the replica answered everything,
            for an item in flight may still need its second request.
        """
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._has_next() if self._sending else self._all_answered()
            )
            if not self._sending:
                return None
            item = self._items[self._sent]
            self._sent += 1
            item.since_s = self._clock()
            return item.request

    def _has_next(self) -> bool:
        in_flight = self._sent - self._received
        return self._sent < len(self._items) and in_flight < self._window

    def _all_answered(self) -> bool:
        return self._sent == self._received

    async def second_request(self, answer: Answer) -> Request:
        """Return the request that completes the item which `answer` asks about.

        It is made once, however many replicas ask.
        """
        item = self._items[self._received]
        if item.second_request is None:
            if item.follow_up is None:
                raise TypeError("the server asked for more than the client can give")
            item.since_s = None
            item.second_request = await item.follow_up(answer)
        item.since_s = self._clock()
        return item.second_request

    async def answer(self, answer: Answer, *, covered: bool) -> None:
        """Give the answer to the oldest item that the replica has not answered.

        Args:
            answer: The final answer.
            covered: Whether a fresh replica can do without the items up to this one.
        """
        async with self._changed:
            item = self._items[self._received]
            self._received += 1
            if not item.answered:
                item.answered = True
                self._unanswered -= 1
                if not item.answer.done():  # Whoever asked may have been cancelled.
                    item.answer.set_result(answer)
            if covered:
                for _ in range(self._received):
                    self._items.popleft()
                self._sent -= self._received
                self._received = 0
            self._changed.notify_all()

    def waiting_s(self) -> float:
        """Return how long the oldest item has been with the replica, seconds."""
        if self._received == self._sent or self._received >= len(self._items):
            return 0.0
        since_s = self._items[self._received].since_s
        return 0.0 if since_s is None else self._clock() - since_s

    async def fail(self, error: SpotOnError) -> None:
        """End for good: whoever waits gets `error`."""
        async with self._changed:
            self._failure = error
            for item in self._items:
                if not item.answer.done():
                    item.answer.set_exception(error)
                    item.answer.exception()  # It may be that nobody waits any more.
            self._items.clear()
            self._changed.notify_all()
