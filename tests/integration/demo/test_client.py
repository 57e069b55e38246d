"""The demo's client against a real server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc import aio

from demo.client import Mesh, connected, import_qualisys, list_identities, watch
from spoton.common.v1 import events_pb2
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc
from spoton.pipeline.v1 import pipeline_pb2, pipeline_pb2_grpc
from spoton.reid.v1 import reid_pb2, reid_pb2_grpc

SESSION = pipeline_pb2.Session(
    environment_id="plaza", session_id="s-1", timeline_id="t-1"
)


class BreakingPipeline(pipeline_pb2_grpc.PipelineServiceServicer):
    """Streams ten updates and an end, and breaks after every third message."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self.requests: list[pipeline_pb2.WatchTrackingRequest] = []
        self._code = code

    async def WatchTracking(
        self, request: pipeline_pb2.WatchTrackingRequest, context: Any
    ) -> AsyncIterator[pipeline_pb2.WatchTrackingResponse]:
        self.requests.append(request)
        first = int(request.resume_token or "0")
        yield pipeline_pb2.WatchTrackingResponse(resume_token=str(first))
        for number in range(first, min(first + 3, 11)):
            event = events_pb2.EnvironmentEvent(sequence=number + 1)
            if number < 10:
                event.tracking.frame_set = number
            else:
                event.session.kind = events_pb2.SESSION_EVENT_KIND_COMPLETED
            yield pipeline_pb2.WatchTrackingResponse(
                event=event, resume_token=str(number + 1)
            )
        await context.abort(self._code, "the server goes away")


class PagedReid(reid_pb2_grpc.ReidServiceServicer):
    """Has three pages of identities."""

    async def ListIdentities(
        self, request: reid_pb2.ListIdentitiesRequest, context: Any
    ) -> reid_pb2.ListIdentitiesResponse:
        assert request.timeline_id == "t-1"
        page = int(request.page_token or "0")
        return reid_pb2.ListIdentitiesResponse(
            identities=[reid_pb2.Identity(global_id=page + 1)],
            next_page_token=str(page + 1) if page < 2 else "",
        )


class CalibratingMapper(mapper_pb2_grpc.MapperServiceServicer):
    """Calibrates the camera that a file is named after."""

    async def ImportCalibrations(
        self, request: mapper_pb2.ImportCalibrationsRequest, context: Any
    ) -> mapper_pb2.ImportCalibrationsResponse:
        assert request.environment_id == "studio"
        assert request.format == mapper_pb2.CALIBRATION_FORMAT_QUALISYS
        calibrations = [
            mapper_pb2.ImportedCalibration(
                calibration=environment_pb2.Calibration(
                    camera_id=file.name, note=file.content
                )
            )
            for file in request.files
        ]
        return mapper_pb2.ImportCalibrationsResponse(calibrations=calibrations)


@asynccontextmanager
async def _mesh(pipeline: BreakingPipeline) -> AsyncIterator[Mesh]:
    server = aio.server()
    pipeline_pb2_grpc.add_PipelineServiceServicer_to_server(pipeline, server)
    reid_pb2_grpc.add_ReidServiceServicer_to_server(PagedReid(), server)
    mapper_pb2_grpc.add_MapperServiceServicer_to_server(CalibratingMapper(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    address = f"127.0.0.1:{port}"
    names = ("analytics", "mapper", "pipeline", "reid")
    try:
        async with connected(dict.fromkeys(names, address), lambda: "a-token") as mesh:
            yield mesh
    finally:
        await server.stop(None)


async def test_a_broken_stream_is_resumed_without_loss() -> None:
    """Every event comes once and in order, and watching ends with the session."""
    pipeline = BreakingPipeline(grpc.StatusCode.UNAVAILABLE)
    async with _mesh(pipeline) as mesh:
        sequences = [event.sequence async for event in watch(mesh, SESSION)]
    assert sequences == list(range(1, 12))
    first, *others = pipeline.requests
    assert first.from_start
    assert first.lossless
    assert [request.resume_token for request in others] == ["3", "6", "9"]
    assert not any(request.from_start for request in others)


async def test_an_error_that_resuming_cannot_mend_is_raised() -> None:
    """Such as a token whose events are gone."""
    async with _mesh(BreakingPipeline(grpc.StatusCode.NOT_FOUND)) as mesh:
        with pytest.raises(aio.AioRpcError) as failed:
            async for _ in watch(mesh, SESSION):
                pass
    assert failed.value.code() == grpc.StatusCode.NOT_FOUND


async def test_all_pages_of_identities_are_read() -> None:
    """Until there is no token for a next one."""
    async with _mesh(BreakingPipeline(grpc.StatusCode.UNAVAILABLE)) as mesh:
        identities = await list_identities(mesh, SESSION)
    assert [identity.global_id for identity in identities] == [1, 2, 3]


async def test_cameras_are_calibrated_by_a_file() -> None:
    """Each camera of the file has a calibration afterwards."""
    async with _mesh(BreakingPipeline(grpc.StatusCode.UNAVAILABLE)) as mesh:
        made = await import_qualisys(mesh, "studio", "cam01", "<calibration/>")
    assert [(one.camera_id, one.note) for one in made] == [("cam01", "<calibration/>")]
