"""What the streams of the stateful services have of their own."""

from dataclasses import dataclass

from services.common.ids import CameraId
from services.pipeline.domain.lease import Lease
from services.pipeline.mesh.models import Models
from spoton.common.v1 import geometry_pb2
from spoton.reid.v1 import reid_pb2
from spoton.tracker.v1 import tracker_pb2


@dataclass(slots=True)
class TrackDialect:
    """The stream of one camera's tracker, which goes on from its last checkpoint.

    A checkpoint comes with every frame, so what a new replica must see again is only
    what was not answered.

    Attributes:
        lease: Session that the tracks belong to.
        camera_id: The camera.
        frame_size: Size of its frames.
        models: What the detector's scores mean, and which tracker it is.
        checkpoint: Newest state of the tracker; empty before the first frame.
        first_track_id: Number of the first track when there is no checkpoint.
    """

    lease: Lease
    camera_id: CameraId
    frame_size: geometry_pb2.ImageSize
    models: Models
    checkpoint: bytes
    first_track_id: int

    def opening(self) -> tracker_pb2.TrackRequest:
        """Return the message that continues from the newest checkpoint."""
        session = self.lease.session
        thresholds = self.models.detector.thresholds
        return tracker_pb2.TrackRequest(
            open=tracker_pb2.TrackOpen(
                environment_id=session.request.environment_id,
                session_id=session.session_id,
                camera_id=self.camera_id,
                frame_size=self.frame_size,
                high_score=thresholds.high_score,
                low_score=thresholds.low_score,
                checkpoint=self.checkpoint,
                checkpoint_interval=1,
                embeddings_available=not session.request.evidence.ignore_appearance,
                first_track_id=self.first_track_id,
                tracker=self.models.tracker,
            )
        )

    def asks_more(self, answer: tracker_pb2.TrackResponse) -> bool:
        """Return whether vectors are needed first."""
        return answer.HasField("embeddings_wanted")

    def covers(self, answer: tracker_pb2.TrackResponse) -> bool:
        """Return whether the answer brought a checkpoint, and keep it."""
        if not answer.result.checkpoint:
            return False
        self.checkpoint = answer.result.checkpoint
        return True


@dataclass(frozen=True, slots=True)
class AssociateDialect:
    """The stream of one timeline's identities, kept by the service itself.

    Attributes:
        lease: Session that writes to the timeline.
        embedder_model_id: Model whose vectors it compares.
    """

    lease: Lease
    embedder_model_id: str

    def opening(self) -> reid_pb2.AssociateRequest:
        """Return the message that takes the timeline in the name of the lease."""
        session = self.lease.session
        evidence = session.request.evidence
        return reid_pb2.AssociateRequest(
            open=reid_pb2.AssociateOpen(
                environment_id=session.request.environment_id,
                timeline_id=session.timeline_id,
                session_id=session.session_id,
                epoch=self.lease.epoch,
                embedder_model_id=self.embedder_model_id,
                evidence=reid_pb2.AssociationEvidence(
                    ignore_floor=evidence.ignore_floor,
                    ignore_appearance=evidence.ignore_appearance,
                ),
            )
        )

    def asks_more(self, answer: reid_pb2.AssociateResponse) -> bool:
        """Return whether vectors are needed first."""
        return answer.HasField("embeddings_wanted")

    def covers(self, answer: reid_pb2.AssociateResponse) -> bool:
        """Return true: the service stored what it answered."""
        del answer
        return True
