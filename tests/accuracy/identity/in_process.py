"""Tracker, mapper and reid in this process, for quick turnaround.

Behind the same servicers and converters as in the mesh runs the same mathematics, so
the identities are those of the mesh. What a single run never reads back is not kept:
there is no store, no archive of people who left the live set, and nobody who gives
commands; nothing survives the run.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any
from uuid import uuid4

from services.common.answer_stream import answer_in_order
from services.common.drain import DrainSignal
from services.common.environ import Environ
from services.common.errors import NotFound
from services.common.ids import GlobalId
from services.mapper.domain.calibration import geometry_of
from services.mapper.domain.environment import DEFAULT_BIAS_FLOOR_M
from services.mapper.domain.exported import ExportedCamera, read_document
from services.mapper.project_stream import WINDOW, ProjectStream
from services.mapper.service.geometry_cache import CameraGeometry, Geometries
from services.mapper.service.projection import Projection
from services.pipeline.mesh.peers import Peers
from services.reid.associate_stream import AssociateStream
from services.reid.bootstrap import _Associations, make_id_source
from services.reid.convert import answer_to_bytes, lease_from_proto
from services.reid.domain.feedback import Command, Named
from services.reid.domain.person import Person
from services.reid.domain.values import Portrait
from services.reid.service.commands import Waiting
from services.reid.service.timeline_store import Commit, Lease, StoredTimeline
from services.reid.service.timeline_writer import TimelineWriter
from services.tracker import bootstrap as tracker
from services.tracker.config import config_from_environ
from spoton.mapper.v1 import mapper_pb2, mapper_pb2_grpc
from spoton.reid.v1 import reid_pb2, reid_pb2_grpc
from tests.accuracy.identity.places import document_of, environment_id_of
from tests.accuracy.identity.recording import Recording, VectorModel
from tests.accuracy.identity.vector_models import appearance_of, model_of
from tests.bench.local_calls import LocalServer

_WINDOW = 16


def local_peers(recording: Recording) -> Peers:
    """Return what calls services of this process, which know a recording's cameras."""
    local, drain = LocalServer(), DrainSignal()
    server: Any = local
    config = config_from_environ(Environ("SPOTON_TRACKER_", {}))
    tracker.build(config, drain)(server)
    mapper_pb2_grpc.add_MapperServiceServicer_to_server(
        _Mapper(_Geometry(recording), drain), server
    )
    reid_pb2_grpc.add_ReidServiceServicer_to_server(
        _Reid(model_of(recording), drain), server
    )
    return Peers(
        detector=None,  # type: ignore[arg-type]  # Detections are recorded.
        reid=local.stub("spoton.reid.v1.ReidService"),
        tracker=local.stub("spoton.tracker.v1.TrackerService"),
        mapper=local.stub("spoton.mapper.v1.MapperService"),
    )


class _Geometry:
    """How the cameras of one recording see the floor; takes a GeometryCache's place."""

    def __init__(self, recording: Recording) -> None:
        self._environment_id = environment_id_of(recording)
        exported = read_document(document_of(recording))
        self._cameras = {one.camera_id: _geometry(one) for one in exported.cameras}

    async def of(self, environment_id: str) -> Geometries:
        """Return the cameras of an environment."""
        if environment_id != self._environment_id:
            raise NotFound(f"environment {environment_id!r} does not exist")
        return self._cameras


def _geometry(camera: ExportedCamera) -> CameraGeometry:
    homography, optics = None, None
    if camera.calibration is not None:
        homography, optics = geometry_of(camera.calibration, "calibration")
    return CameraGeometry(
        floor_id=camera.floor_id,
        bias_floor_m=DEFAULT_BIAS_FLOOR_M
        if camera.bias_floor_m is None
        else camera.bias_floor_m,
        homography=homography,
        optics=optics,
        revision=0 if camera.calibration is None else 1,
    )


class _Mapper(mapper_pb2_grpc.MapperServiceServicer):
    """Locates, and does nothing else."""

    def __init__(self, geometry: _Geometry, drain: DrainSignal) -> None:
        cache: Any = geometry
        self._projection = Projection(cache)
        self._drain = drain

    async def Project(
        self, request_iterator: AsyncIterator[mapper_pb2.ProjectRequest], context: Any
    ) -> AsyncIterator[mapper_pb2.ProjectResponse]:
        """Locate the frames of one camera."""
        async for answer in answer_in_order(
            request_iterator,
            ProjectStream(self._projection),
            window=WINDOW,
            drain=self._drain,
        ):
            yield answer


class _Reid(reid_pb2_grpc.ReidServiceServicer):
    """Associates, and does nothing else."""

    def __init__(self, model: VectorModel, drain: DrainSignal) -> None:
        self._model = appearance_of(model)
        self._associations = _Associations(make_id_source())
        self._drain = drain

    async def Associate(
        self,
        request_iterator: AsyncIterator[reid_pb2.AssociateRequest],
        context: Any,
    ) -> AsyncIterator[reid_pb2.AssociateResponse]:
        """Answer the ticks of one timeline."""
        requests = aiter(request_iterator)
        opening = (await anext(requests)).open
        no_portraits: Any = _NoPortraits()
        writer = TimelineWriter(
            lease_from_proto(opening, uuid4()),
            _NoStore(),
            no_portraits,
            answer_to_bytes,
            _NoOperators(),
            lambda _live, _tick: None,
            store_patience_s=1.0,
        )
        chosen = self._associations.choose(
            self._model,
            use_floor=not opening.evidence.ignore_floor,
            use_appearance=not opening.evidence.ignore_appearance,
        )
        await writer.open(chosen)
        stream = AssociateStream(writer, self._model, self._drain, window=_WINDOW)
        async for answer in stream.run(requests):
            yield answer


class _NoStore:
    """Keeps nothing; see TimelineStore."""

    async def open(self, lease: Lease) -> StoredTimeline:
        """Return an empty timeline."""
        del lease
        return StoredTimeline(None, {}, (), ())

    async def commit(self, lease: Lease, commit: Commit) -> None:
        """Forget what changed."""
        del lease, commit


class _NoOperators:
    """Says nothing; see CommandInbox."""

    async def hold(self, lease: Lease) -> bool:
        """Return that nothing waits."""
        del lease
        return False

    async def release(self, lease: Lease) -> None:
        """Do nothing: nobody asks who writes."""
        del lease

    async def waiting(self, lease: Lease) -> Sequence[Waiting]:
        """Return nothing."""
        del lease
        return ()

    async def named(
        self, lease: Lease, command: Command, known: Collection[GlobalId]
    ) -> tuple[Named, Mapping[GlobalId, Person]]:
        """Refuse: there are no commands that could name anybody."""
        raise NotFound("nobody is named where nothing is said")


class _NoPortraits:
    """Keeps no pictures; takes a PortraitKeeper's place."""

    def offer(self, lease: Lease, portrait: Portrait) -> None:
        """Forget a picture."""
        del lease, portrait

    def take_lost(self, lease: Lease) -> set[GlobalId]:
        """Return nobody: no picture is asked for again."""
        del lease
        return set()
