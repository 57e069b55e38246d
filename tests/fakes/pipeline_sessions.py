"""Ports of the pipeline's session side, small enough to see through."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

from services.common.errors import NotFound
from services.common.ids import CameraId, EnvironmentId, SessionId, TimelineId
from services.pipeline.domain.lease import Lease
from services.pipeline.domain.session import (
    Desired,
    Perception,
    Session,
    SessionRequest,
)
from services.pipeline.service import CatalogCamera

PLAZA = EnvironmentId("plaza")
NORTH, SOUTH = CameraId("north"), CameraId("south")


def new_request(request_id: str = "", *, recordings: bool = True) -> SessionRequest:
    """Return what a session over two cameras is created with."""
    return SessionRequest(
        PLAZA, (NORTH, SOUTH), recordings=recordings, request_id=request_id
    )


def new_lease(epoch: int = 1, session_id: str = "session-1") -> Lease:
    """Return a lease of a session that nobody stored."""
    session = Session(SessionId(session_id), TimelineId("timeline-1"), new_request())
    return Lease(replace(session, epoch=epoch), f"owner-{epoch}", epoch)


def numbered_names() -> Callable[[str], str]:
    """Return a source of names that counts."""
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}-{next(numbers)}"


class FakeCatalog:
    """Knows the environment plaza, with the cameras and the models it is given."""

    def __init__(
        self, *cameras: CatalogCamera, perception: Perception | None = None
    ) -> None:
        self._cameras = cameras
        self._perception = perception or Perception()

    async def cameras(self, environment_id: EnvironmentId) -> Sequence[CatalogCamera]:
        """Return the cameras."""
        if environment_id != PLAZA:
            raise NotFound(f"no environment is called {environment_id}")
        return self._cameras

    async def perception(self, environment_id: EnvironmentId) -> Perception:
        """Return the choice."""
        del environment_id
        return self._perception


def recorded_cameras(perception: Perception | None = None) -> FakeCatalog:
    """Return a catalog with two recordings."""
    return FakeCatalog(
        CatalogCamera(NORTH, has_source=True, is_recording=True),
        CatalogCamera(SOUTH, has_source=True, is_recording=True),
        perception=perception,
    )


class FakeSessionStore:
    """Keeps sessions in a dictionary."""

    def __init__(self) -> None:
        self.sessions: dict[SessionId, Session] = {}

    async def create(
        self, session_id: SessionId, timeline_id: TimelineId, request: SessionRequest
    ) -> Session:
        """Store a session."""
        desired = Desired(pace=request.pace)
        session = Session(session_id, timeline_id, request, desired)
        return self.sessions.setdefault(session_id, session)

    async def get(
        self, environment_id: EnvironmentId, session_id: SessionId
    ) -> Session:
        """Return a session."""
        session = self.sessions.get(session_id)
        if session is None or session.request.environment_id != environment_id:
            raise NotFound(f"no session {session_id}")
        return session

    async def list(
        self,
        environment_id: EnvironmentId,
        *,
        limit: int,
        after: SessionId | None,
        creator_subject: str,
    ) -> Sequence[Session]:
        """Return the newest sessions."""
        newest_first = [
            session
            for session in reversed(self.sessions.values())
            if session.request.environment_id == environment_id
            and creator_subject in ("", session.request.creator.subject)
        ]
        names = [session.session_id for session in newest_first]
        first = 0 if after is None else names.index(after) + 1
        return newest_first[first : first + limit]

    async def command(
        self,
        environment_id: EnvironmentId,
        session_id: SessionId,
        change: Callable[[Session], Desired],
    ) -> Session:
        """Change what is desired."""
        session = await self.get(environment_id, session_id)
        changed = replace(session, desired=change(session))
        self.sessions[session_id] = changed
        return changed
