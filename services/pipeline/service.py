"""What callers can do with sessions: create, look at, command."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from services.common.errors import InvalidInput, NotFound, NotReady
from services.common.ids import CameraId, EnvironmentId, SessionId, TimelineId
from services.pipeline.domain.session import (
    Creator,
    Desired,
    Evidence,
    Mode,
    Pace,
    Perception,
    Seek,
    Session,
    SessionRequest,
    SessionState,
    require_commandable,
)

MAX_SPEED = 16.0
MAX_FRAME_SET_RATE_HZ = 60.0
MAX_REQUEST_ID_LENGTH = 100
MAX_PAGE_SIZE = 1000
DEFAULT_PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session is asked to be.

    Cameras left empty mean all, and what `perception` leaves empty is as the
    environment has it. The other attributes are those of SessionRequest.
    """

    environment_id: EnvironmentId
    camera_ids: tuple[CameraId, ...] = ()
    pace: Pace = field(default_factory=Pace)
    evidence: Evidence = field(default_factory=Evidence)
    perception: Perception = field(default_factory=Perception)
    frame_set_rate_hz: float | None = None
    late_tolerance_s: float | None = None
    request_id: str = ""
    creator: Creator = field(default_factory=Creator)


@dataclass(frozen=True, slots=True)
class CatalogCamera:
    """A camera, as far as the creation of a session is concerned.

    Attributes:
        camera_id: Name within the environment.
        has_source: Whether it is known where its pictures come from.
        is_recording: Whether they come from a file.
    """

    camera_id: CameraId
    has_source: bool
    is_recording: bool


class CameraCatalog(Protocol):
    """Knows which environments and cameras exist."""

    async def cameras(self, environment_id: EnvironmentId) -> Sequence[CatalogCamera]:
        """Return an environment's cameras, by name.

        Raises:
            NotFound: There is no such environment.
            Unavailable: The catalog cannot be asked.
        """

    async def perception(self, environment_id: EnvironmentId) -> Perception:
        """Return the models and the tracker that an environment chose.

        Raises:
            NotFound: There is no such environment.
            Unavailable: The catalog cannot be asked.
        """


class SessionStore(Protocol):
    """Keeps sessions. Every method raises Unavailable while the store is away."""

    async def create(
        self, session_id: SessionId, timeline_id: TimelineId, request: SessionRequest
    ) -> Session:
        """Store a new session, or return the one with the same request id."""

    async def get(
        self, environment_id: EnvironmentId, session_id: SessionId
    ) -> Session:
        """Return a session.

        Raises:
            NotFound: The environment has no such session.
        """

    async def list(
        self,
        environment_id: EnvironmentId,
        *,
        limit: int,
        after: SessionId | None,
        creator_subject: str,
    ) -> Sequence[Session]:
        """Return up to `limit` sessions, newest first, beginning behind `after`.

        Only those of a creator, unless `creator_subject` is empty.

        Raises:
            NotFound: There is no session `after`.
        """

    async def command(
        self,
        environment_id: EnvironmentId,
        session_id: SessionId,
        change: Callable[[Session], Desired],
    ) -> Session:
        """Replace what is desired by what `change` returns, seen by no one between.

        Raises:
            NotFound: The environment has no such session.
        """


class SessionService:
    """The use cases of sessions."""

    def __init__(
        self,
        store: SessionStore,
        catalog: CameraCatalog,
        new_name: Callable[[str], str],
    ) -> None:
        """Keep the collaborators.

        Args:
            store: Where sessions are kept.
            catalog: What says which cameras exist.
            new_name: Makes a name that was never used, beginning with its argument.
        """
        self._store = store
        self._catalog = catalog
        self._new_name = new_name

    async def create(self, new: NewSession) -> Session:
        """Start tracking in an environment.

        Raises:
            InvalidInput: A value is out of range, or a camera is named twice.
            NotFound: There is no such environment or camera.
            NotReady: The environment has no camera, or one without a source.
        """
        _require_valid(new)
        known = {
            camera.camera_id: camera
            for camera in await self._catalog.cameras(new.environment_id)
        }
        chosen = _chosen_cameras(new.camera_ids, known)
        usual = await self._catalog.perception(new.environment_id)
        request = SessionRequest(
            environment_id=new.environment_id,
            camera_ids=tuple(camera.camera_id for camera in chosen),
            recordings=all(camera.is_recording for camera in chosen),
            pace=new.pace,
            evidence=new.evidence,
            perception=new.perception.or_else(usual),
            frame_set_rate_hz=new.frame_set_rate_hz,
            late_tolerance_s=new.late_tolerance_s,
            request_id=new.request_id,
            creator=new.creator,
        )
        return await self._store.create(
            SessionId(self._new_name("session")),
            TimelineId(self._new_name("timeline")),
            request,
        )

    async def get(
        self, environment_id: EnvironmentId, session_id: SessionId
    ) -> Session:
        """Return a session with its progress.

        Raises:
            NotFound: The environment has no such session.
        """
        return await self._store.get(environment_id, session_id)

    async def list(
        self,
        environment_id: EnvironmentId,
        page_size: int,
        page_token: str,
        creator_subject: str = "",
    ) -> tuple[Sequence[Session], str]:
        """Return a page of sessions, newest first, and the token of the next.

        Args:
            environment_id: Where.
            page_size: Most sessions; 0 means 100.
            page_token: From the page before; empty for the first.
            creator_subject: Only sessions of this account; empty means all.

        Raises:
            InvalidInput: The page size is out of range, or the token is not one.
            NotFound: There is no such environment.
        """
        if not 0 <= page_size <= MAX_PAGE_SIZE:
            raise InvalidInput(f"must be 0 to {MAX_PAGE_SIZE}", field="page_size")
        await self._catalog.cameras(environment_id)
        size = page_size or DEFAULT_PAGE_SIZE
        after = SessionId(page_token) if page_token else None
        sessions = await self._store.list(
            environment_id,
            limit=size + 1,
            after=after,
            creator_subject=creator_subject,
        )
        page = sessions[:size]
        return page, page[-1].session_id if len(sessions) > size else ""

    async def pause(
        self, environment_id: EnvironmentId, session_id: SessionId
    ) -> Session:
        """Let a session stand still.

        Raises:
            NotFound: The environment has no such session.
            NotReady: The session has ended.
        """
        return await self._command(
            environment_id, session_id, lambda d: replace(d, mode=Mode.PAUSED)
        )

    async def resume(
        self, environment_id: EnvironmentId, session_id: SessionId
    ) -> Session:
        """Let a session go on.

        Raises:
            NotFound: The environment has no such session.
            NotReady: The session has ended.
        """
        return await self._command(
            environment_id, session_id, lambda d: replace(d, mode=Mode.RUNNING)
        )

    async def set_pace(
        self, environment_id: EnvironmentId, session_id: SessionId, pace: Pace
    ) -> Session:
        """Change how fast recordings are read.

        Raises:
            InvalidInput: The speed is out of range.
            NotFound: The environment has no such session.
            NotReady: The session has ended.
        """
        _require_valid_pace(pace)
        return await self._command(
            environment_id, session_id, lambda d: replace(d, pace=pace)
        )

    async def seek(
        self, environment_id: EnvironmentId, session_id: SessionId, position_ns: int
    ) -> Session:
        """Go on from another place.

        Raises:
            NotFound: The environment has no such session.
            NotReady: The session has ended, or has cameras that are no recordings.
        """

        def sought(session: Session) -> Desired:
            if not session.request.recordings:
                raise NotReady("only recordings can be moved to another position")
            revision = session.desired.revision + 1
            return replace(session.desired, seek=Seek(revision, position_ns))

        return await self._store.command(environment_id, session_id, _accepted(sought))

    async def stop(
        self, environment_id: EnvironmentId, session_id: SessionId
    ) -> Session:
        """End a session; does nothing when it was stopped before.

        Raises:
            NotFound: The environment has no such session.
            NotReady: The session has ended in another way.
        """

        def stopped(session: Session) -> Desired:
            stopping = session.desired.mode is Mode.STOPPED
            if stopping and not session.state.has_ended:
                return session.desired
            if session.state is SessionState.STOPPED:
                return session.desired
            return _accepted(lambda s: replace(s.desired, mode=Mode.STOPPED))(session)

        return await self._store.command(environment_id, session_id, stopped)

    async def _command(
        self,
        environment_id: EnvironmentId,
        session_id: SessionId,
        change: Callable[[Desired], Desired],
    ) -> Session:
        return await self._store.command(
            environment_id, session_id, _accepted(lambda s: change(s.desired))
        )


def _accepted(change: Callable[[Session], Desired]) -> Callable[[Session], Desired]:
    """Return `change` for sessions that take commands, with the next revision."""

    def accepted(session: Session) -> Desired:
        require_commandable(session)
        return replace(change(session), revision=session.desired.revision + 1)

    return accepted


def _chosen_cameras(
    camera_ids: Sequence[CameraId], known: dict[CameraId, CatalogCamera]
) -> list[CatalogCamera]:
    """Return the cameras to track, in the order of their names."""
    for index, camera_id in enumerate(camera_ids):
        field_name = f"camera_ids[{index}]"
        if camera_id not in known:
            raise NotFound(f"no camera is called {camera_id}", field=field_name)
        if camera_id in camera_ids[:index]:
            raise InvalidInput(f"{camera_id} is named twice", field=field_name)
    chosen = [known[camera_id] for camera_id in sorted(camera_ids or known)]
    if not chosen:
        raise NotReady("the environment has no cameras")
    for camera in chosen:
        if not camera.has_source:
            raise NotReady(f"camera {camera.camera_id} has no source")
    return chosen


def _require_valid(new: NewSession) -> None:
    _require_valid_pace(new.pace)
    rate_hz = new.frame_set_rate_hz
    if rate_hz is not None and not 0.0 < rate_hz <= MAX_FRAME_SET_RATE_HZ:
        raise InvalidInput(
            f"must be above 0 and at most {MAX_FRAME_SET_RATE_HZ:g} Hz; got {rate_hz}",
            field="frame_set_rate_hz",
        )
    tolerance_s = new.late_tolerance_s
    if tolerance_s is not None and not 0.0 <= tolerance_s < math.inf:
        raise InvalidInput("must not be negative", field="late_tolerance")
    if len(new.request_id) > MAX_REQUEST_ID_LENGTH:
        raise InvalidInput(
            f"must be at most {MAX_REQUEST_ID_LENGTH} characters", field="request_id"
        )


def _require_valid_pace(pace: Pace) -> None:
    if pace.speed is not None and not 0.0 < pace.speed <= MAX_SPEED:
        raise InvalidInput(
            f"must be above 0 and at most {MAX_SPEED:g}; got {pace.speed}",
            field="pace.speed",
        )
