"""Forget persons who were not seen for longer than the policy allows."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from services.common.errors import SpotOnError, Unavailable
from services.reid.observe import EXPIRED
from services.reid.service.portraits import PictureStore

_BATCH = 500
_PICTURES_AT_ONCE = 50
_EVERY_S = 60.0

_log = structlog.get_logger(__name__)


class ExpiryTable(Protocol):
    """Keeps who is stored."""

    async def expire(self, before_ns: int, most: int) -> tuple[int, int]:
        """Forget all but the id and lineage of persons who were not seen since.

        Args:
            before_ns: Time, nanoseconds since 1970 UTC.
            most: Persons at most.

        Returns:
            Persons and prototypes that were forgotten; none while another replica
            does it.

        Raises:
            Unavailable: The database is away.
        """

    async def stale_pictures(self, most: int) -> Sequence[str]:
        """Return names of pictures whose persons are expired.

        Raises:
            Unavailable: The database is away.
        """

    async def drop_pictures(self, names: Sequence[str]) -> None:
        """Note that pictures are gone.

        Raises:
            Unavailable: The database is away.
        """


class Expiry:
    """Enforces a retention, in small batches.

    Any replica may run it; one at a time does something. All of it may be cut off and
    repeated: a picture's name is forgotten once the picture is gone.
    """

    def __init__(
        self,
        table: ExpiryTable,
        pictures: PictureStore,
        retention_s: float,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        every_s: float = _EVERY_S,
    ) -> None:
        """Take the policy and what it works on.

        Args:
            table: Keeps persons.
            pictures: Keeps their pictures.
            retention_s: Time after the last sighting, seconds.
            now_ns: Clock, nanoseconds since 1970 UTC.
            every_s: Pause when nothing is left to do, seconds.
        """
        self._table = table
        self._pictures = pictures
        self._retention_ns = int(retention_s * 1e9)
        self._now_ns = now_ns
        self._every_s = every_s

    async def run(self) -> None:
        """Enforce it for ever."""
        while True:
            try:
                busy = await self.enforce()
            except Unavailable as error:
                _log.warning("persons are not expired", cause=str(error))
                busy = False
            if not busy:
                await asyncio.sleep(self._every_s)

    async def enforce(self) -> bool:
        """Forget one batch; return whether there is more.

        Raises:
            Unavailable: The database is away.
        """
        before_ns = self._now_ns() - self._retention_ns
        persons, prototypes = await self._table.expire(before_ns, _BATCH)
        EXPIRED.labels("identity").inc(persons)
        EXPIRED.labels("prototype").inc(prototypes)
        if persons:
            _log.info("persons expired", persons=persons, prototypes=prototypes)
        pictures = await self._remove_pictures()
        return persons == _BATCH or pictures

    async def _remove_pictures(self) -> bool:
        """Remove pictures of expired persons; return whether there may be more."""
        names = await self._table.stale_pictures(_PICTURES_AT_ONCE)
        gone = []
        for name in names:
            try:
                await self._pictures.delete(name)
            except SpotOnError as error:
                _log.warning("picture of an expired person stays", cause=str(error))
                break
            gone.append(name)
        if gone:
            await self._table.drop_pictures(gone)
            EXPIRED.labels("picture").inc(len(gone))
        return len(gone) == _PICTURES_AT_ONCE
