"""Calibrations of other systems over a real server and PostgreSQL."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from services.common.errors import InvalidInput, NotFound
from services.mapper.import_calibration import main
from spoton.common.v1 import geometry_pb2
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc
from tests.integration.refusals import failure
from tests.unit.mapper.calibrated_rig import CAMERAS, file_storage, qualisys

Stub = mapper_pb2_grpc.MapperServiceStub


@pytest.fixture
async def rig_id(stub: Stub, environment_id: str) -> str:
    """Give an environment with the cameras of the rig."""
    for camera_id in ("cam-01", "cam-02"):
        camera = environment_pb2.Camera(
            environment_id=environment_id, camera_id=camera_id
        )
        camera.source.file.path = "a.avi"
        await stub.CreateCamera(mapper_pb2.CreateCameraRequest(camera=camera))
    return environment_id


def rig(environment_id: str) -> mapper_pb2.ImportCalibrationsRequest:
    """Return a request with a Qualisys file."""
    request = mapper_pb2.ImportCalibrationsRequest(
        environment_id=environment_id, format=mapper_pb2.CALIBRATION_FORMAT_QUALISYS
    )
    request.files.add(name="rig.qca.txt", content=qualisys())
    return request


async def revision(stub: Stub, environment_id: str, camera_id: str) -> int:
    """Return the revision of a camera's newest calibration."""
    request = mapper_pb2.GetCameraRequest(
        environment_id=environment_id, camera_id=camera_id
    )
    return (await stub.GetCamera(request)).camera.calibration_revision


async def test_an_import_calibrates_every_camera(stub: Stub, rig_id: str) -> None:
    """Each camera gets a revision, and a point that OpenCV projects is found again."""
    imported = await stub.ImportCalibrations(rig(rig_id))
    assert not imported.unmatched_names
    found = imported.calibrations
    assert [one.name for one in found] == ["Cam 01", "Cam 02"]
    for one, camera in zip(found, CAMERAS, strict=True):
        assert one.calibration.revision == 1
        assert one.calibration.note == "imported from Qualisys"
        assert one.position.height_m == pytest.approx(camera.position_m[2])
        x_px, y_px = camera.see(np.array([[0.4, -0.3, 0.0]]))[0]
        point = geometry_pb2.ImagePoint(x=x_px, y=y_px)
        feet = geometry_pb2.FootPoint(point=point, sigma_px=2, visibility=1)
        located = await stub.ProjectPoints(
            mapper_pb2.ProjectPointsRequest(
                environment_id=rig_id,
                camera_id=one.calibration.camera_id,
                foot_points=[feet],
            )
        )
        position = located.points[0].position
        assert position.point.x_m == pytest.approx(0.4, abs=1e-4)
        assert position.point.y_m == pytest.approx(-0.3, abs=1e-4)
        assert position.calibration_revision == 1
    again = await stub.ImportCalibrations(rig(rig_id))
    assert [one.calibration.revision for one in again.calibrations] == [2, 2]


async def test_cameras_that_match_nothing_are_told(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """A stated camera is calibrated, the other is listed as unmatched."""
    request = rig(environment_id)
    request.camera_ids["Cam 02"] = camera_id
    imported = await stub.ImportCalibrations(request)
    assert list(imported.unmatched_names) == ["Cam 01"]
    (one,) = imported.calibrations
    assert (one.name, one.calibration.camera_id) == ("Cam 02", camera_id)
    assert await revision(stub, environment_id, camera_id) == 1


async def test_an_import_of_calibrations_is_all_or_nothing(
    stub: Stub, rig_id: str
) -> None:
    """When the second camera cannot be used, the first one keeps what it had."""
    request = rig(rig_id)
    first, second = request.files[0].content.split("</camera>", 1)
    spoiled = second.replace('focalLengthU="', 'focalLengthU="-')
    request.files[0].content = f"{first}</camera>{spoiled}"
    error = await failure(stub.ImportCalibrations(request))
    assert isinstance(error, InvalidInput)
    assert error.field == "files[0].content"
    assert "'Cam 02'" in error.message
    assert await revision(stub, rig_id, "cam-01") == 0


async def test_a_lens_alone_is_answered_and_not_stored(
    stub: Stub, environment_id: str, camera_id: str
) -> None:
    """Without a pose the lens comes back ready for a fit, and nothing is stored."""
    matrix = np.array([[500.0, 0.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]])
    content = file_storage(
        "yml",
        image_width=640,
        image_height=480,
        camera_matrix=matrix,
        distortion_coefficients=np.array([-0.1, 0.01, 0.0, 0.0, 0.0]),
    )
    request = mapper_pb2.ImportCalibrationsRequest(
        environment_id=environment_id, format=mapper_pb2.CALIBRATION_FORMAT_OPENCV
    )
    request.files.add(name=f"{camera_id}.yml", content=content)
    (one,) = (await stub.ImportCalibrations(request)).calibrations
    assert one.calibration.revision == 0
    assert not one.calibration.image_to_floor
    assert not one.HasField("position")
    assert one.calibration.lens.brown_conrady.k1 == pytest.approx(-0.1)
    assert await revision(stub, environment_id, camera_id) == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format": 0}, "format"),
        ({"format": 99}, "format"),
        ({"environment_id": "-"}, "environment_id"),
        ({"metres_per_unit": -1.0}, "metres_per_unit"),
        ({"axes": "up"}, "axes"),
        ({"image_scale": 0.0}, "image_scale"),
        ({"camera_ids": {"Cam 01": "nowhere"}}, "camera_ids"),
        ({"files": []}, "files"),
        ({"files": [mapper_pb2.CalibrationFile(name="a")]}, "files[0].content"),
    ],
)
async def test_imports_that_cannot_be_are_refused_by_field(
    stub: Stub, rig_id: str, changes: dict[str, object], field: str
) -> None:
    """Formats, options, names and files that are not usable are INVALID_ARGUMENT."""
    request = rig(rig_id)
    for name in changes:
        request.ClearField(name)  # type: ignore[arg-type]
    request.MergeFrom(mapper_pb2.ImportCalibrationsRequest(**changes))  # type: ignore[arg-type]
    error = await failure(stub.ImportCalibrations(request))
    assert isinstance(error, InvalidInput)
    assert error.field == field


async def test_an_unknown_environment_is_not_calibrated(stub: Stub) -> None:
    """An import into an environment that does not exist is NOT_FOUND."""
    assert isinstance(await failure(stub.ImportCalibrations(rig("none"))), NotFound)


async def test_the_command_imports_and_tells(
    address: str,
    stub: Stub,
    rig_id: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It prints where each camera is, and what the mapper refuses, with its status."""
    path = tmp_path / "rig.qca.txt"
    path.write_text(qualisys())
    command = [rig_id, "qualisys", str(path), "--address", address]
    assert await asyncio.to_thread(main, command) == 0
    assert "'cam-02' is calibrated (revision 1), 3.00 m above (-4.00, -3.00)" in (
        capsys.readouterr().out
    )
    assert await revision(stub, rig_id, "cam-01") == 1
    assert await asyncio.to_thread(main, [*command, "--axes", "up"]) == 1
    assert "axes: must be as x,y,z" in capsys.readouterr().err
    assert await asyncio.to_thread(main, [*command[:2], "none", *command[3:]]) == 1
    assert "cannot read a file" in capsys.readouterr().err
