"""Environments, cameras, zones and plans over a real server and PostgreSQL."""

import secrets
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from grpc import aio

from services.common.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    NotFound,
    NotReady,
)
from services.common.grpc_errors import error_from_rpc
from spoton.common.v1 import geometry_pb2
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc
from tests.integration.refusals import failure

Stub = mapper_pb2_grpc.MapperServiceStub
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def full_camera(environment_id: str) -> environment_pb2.Camera:
    """Return a camera with every field that a client may set."""
    camera = environment_pb2.Camera(
        environment_id=environment_id,
        camera_id="south",
        display_name="Süd",
        floor_id="upper",
        max_rate_hz=5.0,
        bias_floor_m=0.3,
    )
    camera.source.file.path = "vtest.avi"
    camera.source.file.start_time.FromDatetime(datetime(2026, 5, 1, 12, tzinfo=UTC))
    camera.transform.crop_region.x_max = 400
    camera.transform.crop_region.y_max = 300
    camera.transform.scale = 0.5
    camera.transform.colour_gain.extend([1.0, 0.9, 0.8])
    camera.transform.colour_offset.extend([0.0, -5.0, 5.0])
    mask = camera.ignore_masks.add()
    for x, y in ((0, 0), (10, 0), (10, 10)):
        mask.corners.add(x=x, y=y)
    camera.clock_offset.FromTimedelta(timedelta(milliseconds=-40))
    return camera


def square_zone(environment_id: str, zone_id: str = "door") -> environment_pb2.Zone:
    """Return a square zone."""
    square = ((0, 0), (2, 0), (2, 2), (0, 2))
    corners = [geometry_pb2.FloorPoint(x_m=x, y_m=y) for x, y in square]
    return environment_pb2.Zone(
        environment_id=environment_id, zone_id=zone_id, corners=corners
    )


async def test_an_environment_without_levels_gets_one(stub: Stub) -> None:
    """Creation without levels makes one, "ground", and stamps times and etag."""
    name = f"bare-{secrets.token_hex(4)}"
    environment = environment_pb2.Environment(environment_id=name, display_name="Bare")
    created = (
        await stub.CreateEnvironment(
            mapper_pb2.CreateEnvironmentRequest(environment=environment)
        )
    ).environment
    assert [floor.floor_id for floor in created.floors] == ["ground"]
    assert created.etag
    assert created.create_time == created.update_time
    found = await stub.GetEnvironment(
        mapper_pb2.GetEnvironmentRequest(environment_id=name)
    )
    assert found.environment == created


async def test_an_environment_keeps_its_models(stub: Stub) -> None:
    """Names of models survive creation, listing and update; odd ones are refused."""
    name = f"models-{secrets.token_hex(4)}"
    environment = environment_pb2.Environment(environment_id=name)
    environment.perception.detector_model_id = "yolox-s"
    environment.perception.tracker = "boxmot:botsort"
    await stub.CreateEnvironment(
        mapper_pb2.CreateEnvironmentRequest(environment=environment)
    )
    listed = await stub.ListEnvironments(mapper_pb2.ListEnvironmentsRequest())
    (found,) = (one for one in listed.environments if one.environment_id == name)
    assert found.perception == environment.perception
    found.perception.embedder_model_id = "clip"
    request = mapper_pb2.UpdateEnvironmentRequest(environment=found)
    updated = (await stub.UpdateEnvironment(request)).environment
    assert updated.perception == found.perception
    updated.perception.embedder_model_id = "two words"
    request = mapper_pb2.UpdateEnvironmentRequest(environment=updated)
    error = await failure(stub.UpdateEnvironment(request))
    assert isinstance(error, InvalidInput)
    assert error.field == "environment.perception.embedder_model_id"


async def test_an_environment_is_created_once(stub: Stub, environment_id: str) -> None:
    """A second creation under the same id is ALREADY_EXISTS."""
    environment = environment_pb2.Environment(environment_id=environment_id)
    request = mapper_pb2.CreateEnvironmentRequest(environment=environment)
    assert isinstance(await failure(stub.CreateEnvironment(request)), AlreadyExists)


async def test_an_old_etag_is_refused(stub: Stub, environment_id: str) -> None:
    """An update that states the stored etag goes through once, then is ABORTED."""
    found = await stub.GetEnvironment(
        mapper_pb2.GetEnvironmentRequest(environment_id=environment_id)
    )
    changed = found.environment
    changed.display_name = "Changed"
    request = mapper_pb2.UpdateEnvironmentRequest(environment=changed)
    updated = await stub.UpdateEnvironment(request)
    assert updated.environment.display_name == "Changed"
    assert updated.environment.etag != changed.etag
    assert isinstance(await failure(stub.UpdateEnvironment(request)), Conflict)
    deletion = mapper_pb2.DeleteEnvironmentRequest(
        environment_id=environment_id, etag=changed.etag
    )
    assert isinstance(await failure(stub.DeleteEnvironment(deletion)), Conflict)


async def test_a_level_in_use_stays(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """An update that drops the level of a camera is FAILED_PRECONDITION."""
    assert camera_id
    environment = environment_pb2.Environment(environment_id=environment_id)
    environment.floors.add(floor_id="upper")
    request = mapper_pb2.UpdateEnvironmentRequest(environment=environment)
    error = await failure(stub.UpdateEnvironment(request))
    assert isinstance(error, NotReady)
    assert error.field == "environment.floors"


async def test_deleting_an_environment_deletes_what_lies_in_it(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """After the deletion neither the environment nor its camera is found."""
    await stub.DeleteEnvironment(
        mapper_pb2.DeleteEnvironmentRequest(environment_id=environment_id)
    )
    camera = mapper_pb2.GetCameraRequest(
        environment_id=environment_id, camera_id=camera_id
    )
    assert isinstance(await failure(stub.GetCamera(camera)), NotFound)
    again = mapper_pb2.DeleteEnvironmentRequest(environment_id=environment_id)
    assert isinstance(await failure(stub.DeleteEnvironment(again)), NotFound)


async def test_a_camera_comes_back_as_it_was_sent(
    stub: Stub, environment_id: str
) -> None:
    """Every field of a camera survives storage, and an update replaces them all."""
    sent = full_camera(environment_id)
    created = (
        await stub.CreateCamera(mapper_pb2.CreateCameraRequest(camera=sent))
    ).camera
    request = mapper_pb2.GetCameraRequest(
        environment_id=environment_id, camera_id="south"
    )
    assert (await stub.GetCamera(request)).camera == created
    sent.etag = created.etag
    assert created == sent

    replacement = environment_pb2.Camera(
        environment_id=environment_id, camera_id="south", etag=created.etag
    )
    replacement.source.file.path = "other.avi"
    update = mapper_pb2.UpdateCameraRequest(camera=replacement)
    updated = (await stub.UpdateCamera(update)).camera
    assert updated.floor_id == "ground"
    assert not updated.HasField("max_rate_hz")
    assert isinstance(await failure(stub.UpdateCamera(update)), Conflict)


async def test_a_camera_is_deleted_by_its_etag(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """A wrong etag keeps the camera, none deletes it."""
    request = mapper_pb2.DeleteCameraRequest(
        environment_id=environment_id, camera_id=camera_id, etag="old"
    )
    assert isinstance(await failure(stub.DeleteCamera(request)), Conflict)
    request.etag = ""
    await stub.DeleteCamera(request)
    assert isinstance(await failure(stub.DeleteCamera(request)), NotFound)


async def test_a_camera_needs_an_environment_and_its_level(
    stub: Stub, environment_id: str
) -> None:
    """An unknown environment is NOT_FOUND, an unknown level names its field."""
    camera = full_camera("no-such-place")
    request = mapper_pb2.CreateCameraRequest(camera=camera)
    assert isinstance(await failure(stub.CreateCamera(request)), NotFound)
    camera.environment_id = environment_id
    camera.floor_id = "attic"
    error = await failure(
        stub.CreateCamera(mapper_pb2.CreateCameraRequest(camera=camera))
    )
    assert isinstance(error, InvalidInput)
    assert error.field == "camera.floor_id"


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("GetEnvironment", {}),
        ("ListCameras", {}),
        ("ListZones", {}),
        ("GetCamera", {"camera_id": "north"}),
        ("GetZone", {"zone_id": "door"}),
        ("GetFloorPlan", {"floor_id": "ground"}),
        ("GetCalibration", {"camera_id": "north"}),
        ("ListCalibrations", {"camera_id": "north"}),
        ("ProjectPoints", {"camera_id": "north"}),
    ],
)
async def test_an_unknown_environment_is_not_found(
    stub: Stub, method: str, fields: dict[str, str]
) -> None:
    """Whatever is asked of it."""
    request = getattr(mapper_pb2, f"{method}Request")(
        environment_id="no-such-place", **fields
    )
    assert isinstance(await failure(getattr(stub, method)(request)), NotFound)


@pytest.mark.parametrize(
    "method", ["GetCamera", "GetCalibration", "ListCalibrations", "ProjectPoints"]
)
async def test_an_unknown_camera_is_not_found(
    stub: Stub, environment_id: str, method: str
) -> None:
    """Also in an environment that exists."""
    request = getattr(mapper_pb2, f"{method}Request")(
        environment_id=environment_id, camera_id="nobody"
    )
    assert isinstance(await failure(getattr(stub, method)(request)), NotFound)


async def test_lists_are_paged_by_id(stub: Stub, environment_id: str) -> None:
    """Pages hold each zone once, in order, and the last has no token."""
    names = ["a1", "b-2", "b3", "c4", "d5"]
    for name in reversed(names):
        zone = square_zone(environment_id, name)
        await stub.CreateZone(mapper_pb2.CreateZoneRequest(zone=zone))
    request = mapper_pb2.ListZonesRequest(environment_id=environment_id, page_size=2)
    seen, sizes = [], []
    while True:
        page = await stub.ListZones(request)
        seen += [zone.zone_id for zone in page.zones]
        sizes.append(len(page.zones))
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert seen == names
    assert sizes == [2, 2, 1]


async def test_page_requests_are_checked(stub: Stub, environment_id: str) -> None:
    """A foreign token, a mangled one and a size out of range are refused by name."""
    for name in ("one", "two"):
        zone = square_zone(environment_id, name)
        await stub.CreateZone(mapper_pb2.CreateZoneRequest(zone=zone))
    page = await stub.ListZones(
        mapper_pb2.ListZonesRequest(environment_id=environment_id, page_size=1)
    )
    for token in (page.next_page_token, "%%%", "ü", "bm90IGpzb24="):
        error = await failure(
            stub.ListCameras(
                mapper_pb2.ListCamerasRequest(
                    environment_id=environment_id, page_token=token
                )
            )
        )
        assert isinstance(error, InvalidInput)
        assert error.field == "page_token"
    for size in (-1, 1001):
        error = await failure(
            stub.ListEnvironments(mapper_pb2.ListEnvironmentsRequest(page_size=size))
        )
        assert isinstance(error, InvalidInput)
        assert error.field == "page_size"


async def test_environments_and_cameras_are_listed(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """Lists show what exists; the cameras of an unknown environment are NOT_FOUND."""
    page = await stub.ListEnvironments(mapper_pb2.ListEnvironmentsRequest())
    assert environment_id in {one.environment_id for one in page.environments}
    request = mapper_pb2.ListCamerasRequest(environment_id=environment_id)
    cameras = (await stub.ListCameras(request)).cameras
    assert [one.camera_id for one in cameras] == [camera_id]
    request.environment_id = "no-such-place"
    assert isinstance(await failure(stub.ListCameras(request)), NotFound)


async def test_a_zone_lives(stub: Stub, environment_id: str) -> None:
    """A zone is created, read, replaced under its etag and deleted."""
    zone = square_zone(environment_id)
    created = (await stub.CreateZone(mapper_pb2.CreateZoneRequest(zone=zone))).zone
    request = mapper_pb2.GetZoneRequest(environment_id=environment_id, zone_id="door")
    assert (await stub.GetZone(request)).zone == created
    duplicate = mapper_pb2.CreateZoneRequest(zone=zone)
    assert isinstance(await failure(stub.CreateZone(duplicate)), AlreadyExists)
    created.display_name = "Door"
    update = mapper_pb2.UpdateZoneRequest(zone=created)
    assert (await stub.UpdateZone(update)).zone.display_name == "Door"
    assert isinstance(await failure(stub.UpdateZone(update)), Conflict)
    deletion = mapper_pb2.DeleteZoneRequest(
        environment_id=environment_id, zone_id="door"
    )
    await stub.DeleteZone(deletion)
    assert isinstance(await failure(stub.GetZone(request)), NotFound)


async def test_a_crossing_zone_is_refused(stub: Stub, environment_id: str) -> None:
    """A bow tie names its corners."""
    zone = square_zone(environment_id)
    del zone.corners[:]
    for x_m, y_m in ((0, 0), (2, 2), (2, 0), (0, 2)):
        zone.corners.add(x_m=x_m, y_m=y_m)
    error = await failure(stub.CreateZone(mapper_pb2.CreateZoneRequest(zone=zone)))
    assert isinstance(error, InvalidInput)
    assert error.field == "zone.corners"


async def test_a_floor_plan_lives(stub: Stub, environment_id: str) -> None:
    """A plan is stored without echo, read with its picture, replaced and deleted."""
    plan = environment_pb2.FloorPlan(
        environment_id=environment_id,
        floor_id="upper",
        image=PNG,
        image_to_floor=[0.1, 0, 0, 0, -0.1, 20],
    )
    request = mapper_pb2.SetFloorPlanRequest(floor_plan=plan)
    stored = (await stub.SetFloorPlan(request)).floor_plan
    assert not stored.image
    level = mapper_pb2.GetFloorPlanRequest(
        environment_id=environment_id, floor_id="upper"
    )
    found = (await stub.GetFloorPlan(level)).floor_plan
    assert found.image == PNG
    assert list(found.image_to_floor) == list(plan.image_to_floor)
    assert (await stub.SetFloorPlan(request)).floor_plan.etag != stored.etag
    deletion = mapper_pb2.DeleteFloorPlanRequest(
        environment_id=environment_id, floor_id="upper"
    )
    await stub.DeleteFloorPlan(deletion)
    assert isinstance(await failure(stub.GetFloorPlan(level)), NotFound)
    assert isinstance(await failure(stub.DeleteFloorPlan(deletion)), NotFound)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"image": b"GIF89a"}, "floor_plan.image"),
        ({"image": PNG + bytes(16 * 1024 * 1024)}, "floor_plan.image"),
        ({"image_to_floor": [1.0]}, "floor_plan.image_to_floor"),
        ({"image_to_floor": [1, 2, 0, 2, 4, 0]}, "floor_plan.image_to_floor"),
        ({"floor_id": "attic"}, "floor_plan.floor_id"),
    ],
)
async def test_a_bad_floor_plan_is_refused(
    stub: Stub, environment_id: str, change: dict[str, object], field: str
) -> None:
    """A wrong or large file, a degenerate map and an unknown level are named."""
    values: dict[str, object] = {
        "environment_id": environment_id,
        "floor_id": "ground",
        "image": PNG,
        "image_to_floor": [0.1, 0, 0, 0, 0.1, 0],
    }
    plan = environment_pb2.FloorPlan(**(values | change))
    error = await failure(
        stub.SetFloorPlan(mapper_pb2.SetFloorPlanRequest(floor_plan=plan))
    )
    assert isinstance(error, InvalidInput)
    assert error.field == field


async def test_ids_are_checked_before_the_store_is_asked(stub: Stub) -> None:
    """A NUL in an id or an etag is INVALID_ARGUMENT and names the field."""
    error = await failure(
        stub.GetCamera(
            mapper_pb2.GetCameraRequest(environment_id="plaza", camera_id="a\x00b")
        )
    )
    assert isinstance(error, InvalidInput)
    assert error.field == "camera_id"
    error = await failure(
        stub.DeleteEnvironment(
            mapper_pb2.DeleteEnvironmentRequest(environment_id="plaza", etag="\x00")
        )
    )
    assert isinstance(error, InvalidInput)
    assert error.field == "etag"


async def test_field_violations_travel_in_the_details(stub: Stub) -> None:
    """The status of a refused call carries code, message and field."""
    environment = environment_pb2.Environment(environment_id="Not An Id")
    with pytest.raises(aio.AioRpcError) as caught:
        await stub.CreateEnvironment(
            mapper_pb2.CreateEnvironmentRequest(environment=environment)
        )
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    error = error_from_rpc(caught.value)
    assert isinstance(error, InvalidInput)
    assert error.field == "environment.environment_id"
