"""The books of a running session: what is counted, and what a new owner must know."""

from collections.abc import Iterable
from dataclasses import replace

from services.common.errors import SpotOnError
from services.common.ids import CameraId, TrackId
from services.pipeline.domain.accounting import FrameLedger
from services.pipeline.domain.frame_sets import FrameSetClock
from services.pipeline.domain.frames import ReadFrom, SeekTarget, SourcePosition
from services.pipeline.domain.latency import LatencyWindow
from services.pipeline.domain.progress import CameraProgress, SessionProgress
from services.pipeline.domain.run_state import RunState
from services.pipeline.domain.running import CommittedState, SourceState
from services.pipeline.domain.session import Session
from services.pipeline.mesh.camera_lane import CameraMemory, StageClock


class SessionBooks:
    """Everything about a session that outlives a seek, and most of it a failover.

    Attributes:
        ledger: What became of every frame.
        memories: What each camera's lane must go on with.
        stages: Where each camera's frames spend their time.
        end_to_end: From decoding a frame set's last frame to its commit.
        errors: Why cameras cannot be read further.
        at_end: Cameras that were read to their end.
        clock: How time is cut into frame sets; None until it is known.
        frame_set: Last frame set committed; None before the first.
        frame_sets: How many were committed by this owner and those before it.
        late_frames: Frames that came after their frame set was closed.
        standing: Whether the session is paused, so that nothing is behind.
    """

    def __init__(self, session: Session, claimed: CommittedState) -> None:
        """Go on from what the last owner committed."""
        self._camera_ids = session.request.camera_ids
        self.ledger = FrameLedger(self._camera_ids)
        self.memories = {camera_id: CameraMemory() for camera_id in self._camera_ids}
        self.stages = {camera_id: StageClock() for camera_id in self._camera_ids}
        self.end_to_end = LatencyWindow()
        self.errors: dict[CameraId, SpotOnError] = {}
        self.at_end: set[CameraId] = set()
        self.clock: FrameSetClock | None = None
        self.frame_set = claimed.frame_set
        self.frame_sets = 0
        self.late_frames = 0
        self.standing = False
        self._sought_ns: int | None = None
        self._positions: dict[CameraId, SourcePosition] = {}
        if session.progress is not None:
            self.frame_sets = session.progress.frame_sets
            self.late_frames = session.progress.late_frames
        self._restore(claimed.state, recordings=session.request.recordings)

    def _restore(self, state: SourceState, *, recordings: bool) -> None:
        if state.ledger is not None:
            self.ledger.restore(state.ledger, recordings=recordings)
        for camera_id, position in state.positions.items():
            if position:
                self._positions[camera_id] = SourcePosition.from_bytes(position)
        for camera_id, checkpoint in state.checkpoints.items():
            self.memories[camera_id].checkpoint = checkpoint
        if state.run is None:
            return
        run = RunState.from_bytes(state.run)
        self.clock, self._sought_ns = run.clock, run.sought_ns
        self.frame_sets = run.frame_sets
        for camera_id, tracks in run.confirmed.items():
            self.memories[camera_id].confirmed = set(tracks)
        for camera_id, number in run.last_track_ids.items():
            self.memories[camera_id].last_track_id = number

    def read_from(self, camera_id: CameraId) -> ReadFrom:
        """Return where a camera is to be read from."""
        if camera_id in self._positions:
            return self._positions[camera_id]
        return None if self._sought_ns is None else SeekTarget(self._sought_ns)

    def advance(self, camera_id: CameraId, position: SourcePosition) -> None:
        """Note the last frame of a camera that is done with."""
        self._positions[camera_id] = position

    def seek(self, position_ns: int) -> SourceState:
        """Begin anew at another capture time; return what changes with it.

        Tracks end, their numbers are not used again, and frame sets count on.
        """
        self._sought_ns = position_ns
        self._positions.clear()
        self.at_end.clear()
        self.errors.clear()
        if self.clock is not None:
            start_ns = self.clock.start_ns(self.clock.number(position_ns))
            following = 0 if self.frame_set is None else self.frame_set + 1
            self.clock = replace(
                self.clock, anchor_ns=start_ns, anchor_number=following
            )
        for memory in self.memories.values():
            memory.checkpoint = b""
            memory.confirmed.clear()
        for clock in self.stages.values():
            clock.lag.clear()
        nothing = dict.fromkeys(self._camera_ids, b"")
        return SourceState(nothing, nothing, self.ledger.to_bytes(), self._run_bytes())

    def state_of(self, camera_ids: Iterable[CameraId]) -> SourceState:
        """Return what is to be committed when these cameras have moved on."""
        moved = list(camera_ids)
        return SourceState(
            positions={name: self._positions[name].to_bytes() for name in moved},
            checkpoints={name: self.memories[name].checkpoint for name in moved},
            ledger=self.ledger.to_bytes(),
            run=self._run_bytes(),
        )

    def progress(self) -> SessionProgress:
        """Return the progress of this moment."""
        return SessionProgress(
            cameras=tuple(self._complete(counts) for counts in self.ledger.snapshot()),
            frame_sets=self.frame_sets,
            late_frames=self.late_frames,
            end_to_end=self.end_to_end.summary() if self.frame_sets else None,
        )

    def _complete(self, counts: CameraProgress) -> CameraProgress:
        camera_id = counts.camera_id
        position = self._positions.get(camera_id)
        return replace(
            counts,
            stages=self.stages[camera_id].summaries(),
            position_ns=position.capture_time_ns if position else None,
            at_end=camera_id in self.at_end,
            error=self.errors.get(camera_id),
            lag_s=0.0 if self.standing else self.stages[camera_id].lag.lag_s(),
        )

    def _run_bytes(self) -> bytes | None:
        if self.clock is None:
            return None
        return RunState(
            clock=self.clock,
            sought_ns=self._sought_ns,
            frame_sets=self.frame_sets,
            confirmed={
                name: tuple(sorted(TrackId(track) for track in memory.confirmed))
                for name, memory in self.memories.items()
            },
            last_track_ids={
                name: memory.last_track_id for name, memory in self.memories.items()
            },
        ).to_bytes()
