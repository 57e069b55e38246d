"""Calibrations and projection over a real server and PostgreSQL."""

import asyncio
import math
from collections.abc import AsyncIterator

import numpy as np
import pytest
from google.rpc import code_pb2
from grpc import aio

from services.common.drain import DrainSignal
from services.common.errors import InvalidInput, NotFound, NotReady
from services.common.grpc_client import open_channel
from services.common.grpc_errors import error_from_status
from services.common.grpc_server import running_server
from services.mapper.bootstrap import open_mapper
from spoton.common.v1 import geometry_pb2
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc
from tests.integration.refusals import failure

Stub = mapper_pb2_grpc.MapperServiceStub
SIZE = geometry_pb2.ImageSize(width=640, height=480)
CENTIMETRES = (0.01, 0.0, 0.0, 0.0, 0.01, 0.0, 0.0, 0.0, 1.0)
"""An overhead camera: a pixel is a centimetre."""


def calibration(
    environment_id: str, camera_id: str, values: tuple[float, ...] = CENTIMETRES
) -> mapper_pb2.CreateCalibrationRequest:
    """Return a request to add a calibration."""
    return mapper_pb2.CreateCalibrationRequest(
        calibration=environment_pb2.Calibration(
            environment_id=environment_id,
            camera_id=camera_id,
            image_to_floor=values,
            image_size=SIZE,
        )
    )


def foot_point(x: float, y: float, visibility: float = 1.0) -> geometry_pb2.FootPoint:
    """Return a foot point that is known to 2 pixels."""
    return geometry_pb2.FootPoint(
        point=geometry_pb2.ImagePoint(x=x, y=y), sigma_px=2.0, visibility=visibility
    )


def frame(index: int, camera_id: str, environment_id: str) -> mapper_pb2.ProjectRequest:
    """Return one frame with one foot point."""
    request = mapper_pb2.ProjectRequest(
        environment_id=environment_id, foot_points=[foot_point(100, 200)]
    )
    request.frame.session_id = "s1"
    request.frame.camera_id = camera_id
    request.frame.frame_index = index
    return request


class Stream:
    """A Project stream, one frame at a time."""

    def __init__(self, stub: Stub) -> None:
        self._call = stub.Project()

    async def opening(self) -> mapper_pb2.ProjectResponse:
        """Return the first message."""
        return await self._call.read()

    async def ask(self, request: mapper_pb2.ProjectRequest) -> object:
        """Send a frame and return its answer."""
        await self._call.write(request)
        return await self._call.read()

    async def close(self) -> object:
        """Half-close and return what the server still sends, or EOF."""
        await self._call.done_writing()
        return await self._call.read()


@pytest.fixture
async def other_stub(postgres_dsn: str) -> AsyncIterator[Stub]:
    """Give a client of a second replica on the same store."""
    async with (
        open_mapper(postgres_dsn, DrainSignal()) as mapper,
        running_server(mapper.register) as address,
        open_channel(address) as channel,
    ):
        await mapper.ready
        yield mapper_pb2_grpc.MapperServiceStub(channel)


async def test_points_are_located_with_their_covariance(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """A visible point has a position; an invisible one has none."""
    await stub.CreateCalibration(calibration(environment_id, camera_id))
    request = mapper_pb2.ProjectPointsRequest(
        environment_id=environment_id,
        camera_id=camera_id,
        foot_points=[foot_point(100, 200), foot_point(100, 200, visibility=0)],
    )
    seen, unseen = (await stub.ProjectPoints(request)).points
    assert seen.position.point.x_m == pytest.approx(1.0)
    assert seen.position.point.y_m == pytest.approx(2.0)
    assert seen.position.covariance.xx_m2 == pytest.approx(0.02**2 + 0.1**2)
    assert seen.position.covariance.xy_m2 == pytest.approx(0)
    assert seen.position.floor_id == "ground"
    assert seen.position.calibration_revision == 1
    assert not unseen.HasField("position")
    assert unseen.unlocated_reason == mapper_pb2.UNLOCATED_REASON_NOT_VISIBLE


def barrel() -> environment_pb2.Lens:
    """Return a lens that shows 365 pixels around the middle of the picture."""
    lens = environment_pb2.Lens(fx_px=600, fy_px=600, cx_px=320, cy_px=240)
    lens.brown_conrady.k1 = -0.4
    return lens


async def test_points_are_freed_of_the_lens_first(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """A lens moves positions outward, and where it shows nothing the reason says so."""
    request = calibration(environment_id, camera_id)
    request.calibration.lens.CopyFrom(barrel())
    created = (await stub.CreateCalibration(request)).calibration
    assert created.lens == barrel()
    assert created.revision == 1
    points = [foot_point(320, 240), foot_point(620, 240), foot_point(0, 0)]
    located = await stub.ProjectPoints(
        mapper_pb2.ProjectPointsRequest(
            environment_id=environment_id, camera_id=camera_id, foot_points=points
        )
    )
    middle, right, corner = located.points
    assert middle.position.point.x_m == pytest.approx(3.2)
    assert right.position.point.x_m > 6.6
    assert right.position.covariance.xx_m2 > right.position.covariance.yy_m2
    assert right.unlocated_reason == mapper_pb2.UNLOCATED_REASON_UNSPECIFIED
    assert not corner.HasField("position")
    assert corner.unlocated_reason == mapper_pb2.UNLOCATED_REASON_OUTSIDE_LENS


async def test_a_fit_frees_points_of_the_lens(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """Points marked through a lens fit with it, and the result carries it."""
    request = mapper_pb2.FitCalibrationRequest(
        environment_id=environment_id,
        camera_id=camera_id,
        image_size=SIZE,
        lens=barrel(),
    )
    for x, y in ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)):
        bent = 1 - 0.4 * 2 / 36
        pair = request.point_pairs.add()
        pair.image.x, pair.image.y = 320 + 100 * x * bent, 240 + 100 * y * bent
        pair.floor.x_m, pair.floor.y_m = x, y
    fitted = await stub.FitCalibration(request)
    assert fitted.calibration.lens == barrel()
    expected = (0.01, 0, -3.2, 0, 0.01, -2.4, 0, 0, 1)
    assert fitted.calibration.image_to_floor == pytest.approx(expected, abs=1e-6)
    request.point_pairs[2].image.x = -600
    error = await failure(stub.FitCalibration(request))
    assert isinstance(error, InvalidInput)
    assert error.field == "point_pairs[2].image"
    request.lens.fx_px = 0
    error = await failure(stub.FitCalibration(request))
    assert isinstance(error, InvalidInput)
    assert error.field == "lens.fx_px"


async def test_a_stream_survives_bad_frames(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """Each bad frame is answered with its status, and the next one is located."""
    await stub.CreateCalibration(calibration(environment_id, camera_id))
    stream = Stream(stub)
    assert (await stream.opening()).window.max_in_flight >= 1
    unnamed = await stream.ask(frame(0, camera_id, ""))
    assert error_from_status(unnamed.status).field == "environment_id"
    assert (await stream.ask(frame(1, camera_id, environment_id))).HasField("result")

    unknown = await stream.ask(frame(2, "unknown", ""))
    assert unknown.status.code == code_pb2.NOT_FOUND
    assert unknown.frame.frame_index == 2
    elsewhere = await stream.ask(frame(3, camera_id, "elsewhere"))
    assert error_from_status(elsewhere.status).field == "environment_id"
    broken = frame(4, camera_id, "")
    broken.foot_points[0].point.x = math.nan
    refused = await stream.ask(broken)
    assert error_from_status(refused.status).field == "foot_points[0].point"
    crowd = frame(5, camera_id, "")
    crowd.foot_points.extend([foot_point(1, 1)] * 10_000)
    assert error_from_status((await stream.ask(crowd)).status).field == "foot_points"
    empty = frame(6, camera_id, "")
    del empty.foot_points[:]
    assert (await stream.ask(empty)).HasField("result")
    good = await stream.ask(frame(7, camera_id, ""))
    assert len(good.result.points) == 1
    assert await stream.close() is aio.EOF


async def test_answers_keep_the_order_of_requests(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """Frames sent ahead within the window are answered in order."""
    await stub.CreateCalibration(calibration(environment_id, camera_id))
    call = stub.Project()
    window = (await call.read()).window.max_in_flight
    for index in range(window):
        await call.write(frame(index, camera_id, environment_id))
    await call.done_writing()
    answered = [(await call.read()).frame.frame_index for _ in range(window)]
    assert answered == list(range(window))


async def test_an_empty_stream_ends_well(stub: Stub) -> None:
    """A stream without a frame gets its window and ends with OK."""
    stream = Stream(stub)
    await stream.opening()
    assert await stream.close() is aio.EOF


async def test_a_cancelled_stream_leaves_the_server_well(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """After a client went away with frames unanswered, others are served."""
    await stub.CreateCalibration(calibration(environment_id, camera_id))
    call = stub.Project()
    await call.read()
    for index in range(4):
        await call.write(frame(index, camera_id, environment_id))
    call.cancel()
    stream = Stream(stub)
    await stream.opening()
    answer = await stream.ask(frame(4, camera_id, environment_id))
    assert answer.HasField("result")


async def test_an_uncalibrated_camera_is_not_ready(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """FAILED_PRECONDITION until a calibration comes, which the next frame uses."""
    stream = Stream(stub)
    await stream.opening()
    before = await stream.ask(frame(0, camera_id, environment_id))
    assert before.status.code == code_pb2.FAILED_PRECONDITION
    points = mapper_pb2.ProjectPointsRequest(
        environment_id=environment_id, camera_id=camera_id
    )
    assert isinstance(await failure(stub.ProjectPoints(points)), NotReady)
    await stub.CreateCalibration(calibration(environment_id, camera_id))
    after = await stream.ask(frame(1, camera_id, ""))
    assert after.result.points[0].position.calibration_revision == 1


async def test_a_new_calibration_takes_effect_with_the_next_frame(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """Position and revision change between two frames of one stream."""
    await stub.CreateCalibration(calibration(environment_id, camera_id))
    stream = Stream(stub)
    await stream.opening()
    old = await stream.ask(frame(0, camera_id, environment_id))
    doubled = (0.02, 0.0, 0.0, 0.0, 0.02, 0.0, 0.0, 0.0, 1.0)
    await stub.CreateCalibration(calibration(environment_id, camera_id, doubled))
    new = await stream.ask(frame(1, camera_id, ""))
    assert old.result.points[0].position.point.x_m == pytest.approx(1.0)
    assert old.result.points[0].position.calibration_revision == 1
    assert new.result.points[0].position.point.x_m == pytest.approx(2.0)
    assert new.result.points[0].position.calibration_revision == 2


async def test_another_replica_follows(
    stub: Stub, other_stub: Stub, environment_id: str, camera_id: str
) -> None:
    """A calibration made on one replica reaches an open stream on another."""
    await stub.CreateCalibration(calibration(environment_id, camera_id))
    stream = Stream(other_stub)
    await stream.opening()
    await stream.ask(frame(0, camera_id, environment_id))
    await stub.CreateCalibration(calibration(environment_id, camera_id))
    async with asyncio.timeout(10):
        index, revision = 1, 1
        while revision == 1:
            answer = await stream.ask(frame(index, camera_id, ""))
            revision = answer.result.points[0].position.calibration_revision
            index += 1
    assert revision == 2


async def test_a_deleted_camera_is_not_located_any_more(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """After the deletion the next frame of the open stream is NOT_FOUND."""
    await stub.CreateCalibration(calibration(environment_id, camera_id))
    stream = Stream(stub)
    await stream.opening()
    await stream.ask(frame(0, camera_id, environment_id))
    await stub.DeleteCamera(
        mapper_pb2.DeleteCameraRequest(
            environment_id=environment_id, camera_id=camera_id
        )
    )
    gone = await stream.ask(frame(1, camera_id, ""))
    assert gone.status.code == code_pb2.NOT_FOUND


async def test_revisions_count_from_one(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """Concurrent creations get revisions without gaps, listed newest first by pages."""
    await asyncio.gather(
        *(
            stub.CreateCalibration(calibration(environment_id, camera_id))
            for _ in range(5)
        )
    )
    request = mapper_pb2.ListCalibrationsRequest(
        environment_id=environment_id, camera_id=camera_id, page_size=2
    )
    seen = []
    while True:
        page = await stub.ListCalibrations(request)
        seen += [one.revision for one in page.calibrations]
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert seen == [5, 4, 3, 2, 1]
    camera = mapper_pb2.GetCameraRequest(
        environment_id=environment_id, camera_id=camera_id
    )
    assert (await stub.GetCamera(camera)).camera.calibration_revision == 5


async def test_calibrations_are_read_by_revision(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """0 is the newest; missing ones are NOT_FOUND; negative ones are refused."""
    scaled = tuple(2 * value for value in CENTIMETRES)
    await stub.CreateCalibration(calibration(environment_id, camera_id, scaled))
    request = mapper_pb2.GetCalibrationRequest(
        environment_id=environment_id, camera_id=camera_id
    )
    found = (await stub.GetCalibration(request)).calibration
    assert list(found.image_to_floor) == list(CENTIMETRES)
    assert found.revision == 1
    assert found.HasField("create_time")
    request.revision = 2
    assert isinstance(await failure(stub.GetCalibration(request)), NotFound)
    request.revision = -1
    assert isinstance(await failure(stub.GetCalibration(request)), InvalidInput)


@pytest.mark.parametrize(
    "values",
    [
        (0.0,) * 9,
        (math.nan, *CENTIMETRES[1:]),
        (math.inf, *CENTIMETRES[1:]),
        (1.0, 2.0, 3.0, 2.0, 4.0, 6.0, 0.0, 0.0, 1.0),
        CENTIMETRES[:8],
    ],
)
async def test_unusable_homographies_are_refused(
    stub: Stub, environment_id: str, camera_id: str, values: tuple[float, ...]
) -> None:
    """Zero, NaN, infinite, singular and short homographies name their field."""
    request = calibration(environment_id, camera_id, values)
    error = await failure(stub.CreateCalibration(request))
    assert isinstance(error, InvalidInput)
    assert error.field == "calibration.image_to_floor"


async def test_a_calibration_is_fitted_and_stored(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """Fitting stores nothing; its calibration can be created as it is."""
    request = mapper_pb2.FitCalibrationRequest(
        environment_id=environment_id, camera_id=camera_id, image_size=SIZE
    )
    generator = np.random.default_rng(3)
    for x, y in generator.uniform((0, 200), (640, 480), (12, 2)):
        pair = request.point_pairs.add()
        pair.image.x, pair.image.y = x, y
        pair.floor.x_m, pair.floor.y_m = pair.image.x / 100, pair.image.y / 100
    request.point_pairs[4].floor.x_m += 3
    fitted = await stub.FitCalibration(request)
    assert [one.inlier for one in fitted.residuals] == [
        index != 4 for index in range(12)
    ]
    assert fitted.residuals[4].distance_m == pytest.approx(3, abs=1e-3)
    assert fitted.calibration.residual_rms_m < 1e-6
    assert fitted.calibration.revision == 0
    assert fitted.condition_number >= 1
    created = await stub.CreateCalibration(
        mapper_pb2.CreateCalibrationRequest(calibration=fitted.calibration)
    )
    assert created.calibration.revision == 1
    assert created.calibration.point_pairs == fitted.calibration.point_pairs


async def test_degenerate_points_are_refused(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """Points on a line name point_pairs; an unknown camera is NOT_FOUND."""
    request = mapper_pb2.FitCalibrationRequest(
        environment_id=environment_id, camera_id=camera_id, image_size=SIZE
    )
    for step in range(6):
        pair = request.point_pairs.add()
        pair.image.x = pair.image.y = 50 * step
        pair.floor.x_m = pair.floor.y_m = step
    error = await failure(stub.FitCalibration(request))
    assert isinstance(error, InvalidInput)
    assert error.field == "point_pairs"
    request.camera_id = "unknown"
    assert isinstance(await failure(stub.FitCalibration(request)), NotFound)


async def test_a_draining_server_asks_streams_to_reopen(postgres_dsn: str) -> None:
    """An open stream gets a drain message when its server is about to stop."""
    drain = DrainSignal(grace_s=5.0)
    async with (
        open_mapper(postgres_dsn, drain) as mapper,
        running_server(mapper.register) as address,
        open_channel(address) as channel,
    ):
        await mapper.ready
        call = mapper_pb2_grpc.MapperServiceStub(channel).Project()
        await call.read()
        drain.start()
        asked = await call.read()
        assert asked.drain.grace.seconds == 5
        await call.done_writing()
        assert await call.read() is aio.EOF
