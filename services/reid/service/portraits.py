"""Keep the best picture of each person, without making association wait."""

import asyncio
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.common.errors import InvalidInput, NotFound, SpotOnError, Unavailable
from services.common.ids import CameraId, EnvironmentId, GlobalId, TimelineId
from services.common.images import decode_image
from services.reid.domain.values import Portrait
from services.reid.observe import PORTRAITS
from services.reid.service.timeline_store import Lease

_MOST_PIXELS = 4_000_000
_MOST_BYTES = 1_000_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PortraitRecord:
    """Where a person's best picture is.

    Attributes:
        key: Name of the object.
        quality: Quality, in [0, 1].
        camera_id: Camera that took it.
        captured_ns: When, nanoseconds since 1970 UTC.
    """

    key: str
    quality: float
    camera_id: CameraId
    captured_ns: int


class PictureStore(Protocol):
    """Keeps files by name."""

    async def put(self, key: str, content: bytes) -> None:
        """Keep a file.

        Raises:
            Unavailable: The store is away.
        """

    async def get(self, key: str) -> bytes:
        """Return a file.

        Raises:
            NotFound: There is none of that name.
            Unavailable: The store is away.
        """

    async def delete(self, key: str) -> None:
        """Remove a file, if it exists.

        Raises:
            Unavailable: The store is away.
        """


class PortraitTable(Protocol):
    """Knows each person's best picture."""

    async def portrait(
        self, environment_id: EnvironmentId, global_id: GlobalId
    ) -> PortraitRecord | None:
        """Return the best picture; None if there is none.

        Raises:
            NotFound: There is no such person.
            Unavailable: The database is away.
        """

    async def replace_portrait(
        self, environment_id: EnvironmentId, global_id: GlobalId, record: PortraitRecord
    ) -> bool:
        """Make a picture the best one, unless that is as good already.

        Raises:
            Unavailable: The database is away.
        """


class PortraitKeeper:
    """Stores pictures in the background; an asynchronous context manager.

    What cannot be stored is asked for again later.
    """

    def __init__(
        self, pictures: PictureStore, table: PortraitTable, *, most_waiting: int = 64
    ) -> None:
        self._pictures = pictures
        self._table = table
        self._queue: asyncio.Queue[tuple[Lease, Portrait]] = asyncio.Queue(most_waiting)
        self._lost: dict[tuple[EnvironmentId, TimelineId], set[GlobalId]] = defaultdict(
            set
        )
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "PortraitKeeper":
        self._worker = asyncio.create_task(self._work(), name="portraits")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    def offer(self, lease: Lease, portrait: Portrait) -> None:
        """Take a picture to be stored soon."""
        try:
            self._queue.put_nowait((lease, portrait))
        except asyncio.QueueFull:
            self._lose(lease, portrait, "too many pictures are waiting")

    def take_lost(self, lease: Lease) -> set[GlobalId]:
        """Return, once, the persons of a timeline whose pictures were lost."""
        return self._lost.pop((lease.environment_id, lease.timeline_id), set())

    async def settled(self) -> None:
        """Return when every picture offered so far is stored or lost."""
        await self._queue.join()

    async def _work(self) -> None:
        """Store picture after picture."""
        while True:
            lease, portrait = await self._queue.get()
            try:
                outcome = await self._keep(lease.environment_id, portrait)
                PORTRAITS.labels(outcome).inc()
            except InvalidInput as error:
                PORTRAITS.labels("refused").inc()
                _log.warning(
                    "picture refused", global_id=portrait.global_id, cause=str(error)
                )
            except SpotOnError as error:
                self._lose(lease, portrait, str(error))
            finally:
                self._queue.task_done()

    async def _keep(self, environment_id: EnvironmentId, portrait: Portrait) -> str:
        """Store one picture if it is the best; return what became of it."""
        await asyncio.to_thread(_require_picture, portrait.jpeg)
        best = await self._table.portrait(environment_id, portrait.global_id)
        if best is not None and best.quality >= portrait.quality:
            return "surpassed"
        digest = hashlib.sha256(portrait.jpeg).hexdigest()
        record = PortraitRecord(
            key=f"{environment_id}/{portrait.global_id}/{digest}.jpg",
            quality=portrait.quality,
            camera_id=portrait.key.camera_id,
            captured_ns=portrait.captured_ns,
        )
        await self._pictures.put(record.key, portrait.jpeg)
        replaced = await self._table.replace_portrait(
            environment_id, portrait.global_id, record
        )
        if replaced and best is not None and best.key != record.key:
            await self._pictures.delete(best.key)
        return "stored" if replaced else "surpassed"

    def _lose(self, lease: Lease, portrait: Portrait, cause: str) -> None:
        """Note that a picture must be asked for again."""
        PORTRAITS.labels("lost").inc()
        _log.warning("picture lost", global_id=portrait.global_id, cause=cause)
        lost = self._lost[lease.environment_id, lease.timeline_id]
        lost.add(portrait.global_id)

    async def read(
        self, environment_id: EnvironmentId, global_id: GlobalId
    ) -> tuple[PortraitRecord, bytes]:
        """Return a person's best picture.

        Raises:
            NotFound: There is no such person, or no picture of them.
            Unavailable: A store is away.
        """
        record = await self._table.portrait(environment_id, global_id)
        if record is None:
            raise NotFound(f"no picture of {global_id} is stored")
        try:
            return record, await self._pictures.get(record.key)
        except NotFound as error:
            # A better one may have taken its place between the two steps.
            newer = await self._table.portrait(environment_id, global_id)
            if newer is None or newer.key == record.key:
                raise Unavailable("the picture is not in the store") from error
            return newer, await self._pictures.get(newer.key)


def _require_picture(jpeg: bytes) -> None:
    """Return if a browser could show the file.

    Raises:
        InvalidInput: It is no JPEG, damaged or too large.
    """
    if len(jpeg) > _MOST_BYTES or not jpeg.startswith(b"\xff\xd8\xff"):
        raise InvalidInput("must be a JPEG of at most 1 MB", field="crops.jpeg")
    decode_image(jpeg, field="crops.jpeg", max_pixels=_MOST_PIXELS)
