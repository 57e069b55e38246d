"""Export and import over a real server and PostgreSQL."""

import json
import secrets
from typing import Any

import pytest

from services.common.errors import InvalidInput, NotFound, NotReady
from spoton.mapper.v1 import mapper_pb2, mapper_pb2_grpc
from tests.integration.refusals import failure

Stub = mapper_pb2_grpc.MapperServiceStub


def document() -> dict[str, Any]:
    """Return a document with two cameras, a zone and a plan."""
    return {
        "version": 1,
        "environment": {
            "environment_id": "plaza",
            "display_name": "Plaza",
            "floors": [{"floor_id": "ground"}, {"floor_id": "upper"}],
            "perception": {"detector_model_id": "yolox-s", "tracker": "boxmot:ocsort"},
            "privacy": {"blur_heads": True},
        },
        "cameras": [
            {
                "camera_id": "east",
                "source": {
                    "file": {"path": "a.avi", "start_time": "2026-05-01T12:00:00Z"}
                },
                "transform": {
                    "crop_region": {"x_min": 0, "y_min": 0, "x_max": 400, "y_max": 576},
                    "scale": 0.75,
                    "colour_gain": [1, 0.9, 1],
                },
                "clock_offset": "-0.040s",
                "calibration": {
                    "image_to_floor": [0.01, 0, 0, 0, 0.01, 0, 0, 0, 1],
                    "image_size": {"width": 300, "height": 432},
                    "lens": {
                        "fx_px": 400.5,
                        "fy_px": 401,
                        "cx_px": 150,
                        "cy_px": 216,
                        "fisheye": {"k1": -0.02, "k4": 0.001},
                    },
                },
            },
            {"camera_id": "west", "source": {"file": {"path": "b.avi"}}},
        ],
        "zones": [
            {
                "zone_id": "door",
                "floor_id": "ground",
                "corners": [
                    {"x_m": 0, "y_m": 0},
                    {"x_m": 1, "y_m": 0},
                    {"x_m": 1, "y_m": 1},
                ],
            }
        ],
        "floor_plans": [
            {
                "floor_id": "upper",
                "image": "iVBORw0KGgoAAAA=",
                "image_to_floor": [1, 0, 0, 0, -1, 0],
            }
        ],
    }


async def import_into(
    stub: Stub, environment_id: str, content: dict[str, Any]
) -> mapper_pb2.ImportEnvironmentResponse:
    """Import a document."""
    return await stub.ImportEnvironment(
        mapper_pb2.ImportEnvironmentRequest(
            environment_id=environment_id, document=json.dumps(content)
        )
    )


def counts(response: mapper_pb2.ImportEnvironmentResponse) -> tuple[int, int, int]:
    """Return created, updated, unchanged."""
    return response.created, response.updated, response.unchanged


@pytest.fixture
def new_id() -> str:
    """Give the id of an environment that does not exist."""
    return f"import-{secrets.token_hex(4)}"


async def test_an_import_is_idempotent(stub: Stub, new_id: str) -> None:
    """The second import of a document changes nothing, not even etags."""
    first = await import_into(stub, new_id, document())
    assert counts(first) == (6, 0, 0)
    assert first.environment.environment_id == new_id
    second = await import_into(stub, new_id, document())
    assert counts(second) == (0, 0, 6)
    assert second.environment == first.environment


async def test_an_import_updates_what_differs(stub: Stub, new_id: str) -> None:
    """A changed zone and a changed calibration count as updated; the latter is new."""
    await import_into(stub, new_id, document())
    changed = document()
    changed["zones"][0]["display_name"] = "Door"
    changed["cameras"][0]["calibration"]["image_to_floor"][0] = 0.02
    assert counts(await import_into(stub, new_id, changed)) == (0, 2, 4)
    camera = await stub.GetCamera(
        mapper_pb2.GetCameraRequest(environment_id=new_id, camera_id="east")
    )
    assert camera.camera.calibration_revision == 2


async def test_an_export_imports_elsewhere_unchanged(stub: Stub, new_id: str) -> None:
    """Export, import under another id, export: the same but for the id."""
    await import_into(stub, new_id, document())
    first = await stub.ExportEnvironment(
        mapper_pb2.ExportEnvironmentRequest(environment_id=new_id)
    )
    copy = f"{new_id}-copy"
    await stub.ImportEnvironment(
        mapper_pb2.ImportEnvironmentRequest(
            environment_id=copy, document=first.document
        )
    )
    second = await stub.ExportEnvironment(
        mapper_pb2.ExportEnvironmentRequest(environment_id=copy)
    )
    assert second.document == first.document.replace(new_id, copy)


async def test_an_import_is_all_or_nothing(stub: Stub, new_id: str) -> None:
    """An unknown level late in the document leaves no environment behind."""
    broken = document()
    broken["zones"][0]["floor_id"] = "attic"
    error = await failure(import_into(stub, new_id, broken))
    assert isinstance(error, InvalidInput)
    assert error.field == "document.zones[0].floor_id"
    request = mapper_pb2.GetEnvironmentRequest(environment_id=new_id)
    assert isinstance(await failure(stub.GetEnvironment(request)), NotFound)


async def test_an_import_keeps_levels_in_use(stub: Stub, new_id: str) -> None:
    """A document without the level of a stored plan is FAILED_PRECONDITION."""
    await import_into(stub, new_id, document())
    smaller = document()
    smaller["environment"]["floors"].pop()
    smaller["floor_plans"].clear()
    error = await failure(import_into(stub, new_id, smaller))
    assert isinstance(error, NotReady)
    assert error.field == "document.environment.floors"


async def test_import_errors_name_the_place(stub: Stub, new_id: str) -> None:
    """A bad value deep in the document is refused with its path."""
    broken = document()
    broken["cameras"][0]["transform"]["scale"] = -1
    error = await failure(import_into(stub, new_id, broken))
    assert isinstance(error, InvalidInput)
    assert error.field == "document.cameras[0].transform.scale"
    broken = document()
    broken["environment"]["perception"]["tracker"] = "§"
    error = await failure(import_into(stub, new_id, broken))
    assert isinstance(error, InvalidInput)
    assert error.field == "document.environment.perception.tracker"


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([1, 2, 3, 2, 4, 6, 0, 0, 1], id="singular"),
        pytest.param([float("nan"), 0, 0, 0, 1, 0, 0, 0, 1], id="nan"),
        pytest.param([1, 0, 0, 0, 1, 0, 0, 0], id="short"),
    ],
)
async def test_an_import_with_an_unusable_homography_is_refused(
    stub: Stub, new_id: str, values: list[float]
) -> None:
    """The error names the calibration, and no environment is left behind."""
    broken = document()
    broken["cameras"][0]["calibration"]["image_to_floor"] = values
    error = await failure(import_into(stub, new_id, broken))
    assert isinstance(error, InvalidInput)
    assert error.field.startswith("document.cameras[0].calibration.image_to_floor")
    request = mapper_pb2.GetEnvironmentRequest(environment_id=new_id)
    assert isinstance(await failure(stub.GetEnvironment(request)), NotFound)


async def test_an_unknown_environment_is_not_exported(stub: Stub, new_id: str) -> None:
    """Export of an unknown environment is NOT_FOUND."""
    request = mapper_pb2.ExportEnvironmentRequest(environment_id=new_id)
    assert isinstance(await failure(stub.ExportEnvironment(request)), NotFound)
