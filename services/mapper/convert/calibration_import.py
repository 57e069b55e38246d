"""Imports of calibrations: wire to domain and back."""

from services.common.errors import InvalidInput
from services.mapper.convert.environment import (
    calibration_to_proto,
    image_size_from_proto,
    stored_calibration_to_proto,
)
from services.mapper.domain.calibration_files.source import SourceFile
from services.mapper.domain.calibration_import import (
    DEFAULT_AXES,
    CalibrationFormat,
    CalibrationSource,
)
from services.mapper.service.calibration_import import (
    CalibrationsImported,
    ImportedCamera,
)
from spoton.mapper.v1 import mapper_pb2

_FORMATS = {
    mapper_pb2.CALIBRATION_FORMAT_QUALISYS: CalibrationFormat.QUALISYS,
    mapper_pb2.CALIBRATION_FORMAT_OPENCV: CalibrationFormat.OPENCV,
    mapper_pb2.CALIBRATION_FORMAT_WILDTRACK: CalibrationFormat.WILDTRACK,
}


def calibration_source_from_proto(
    message: mapper_pb2.ImportCalibrationsRequest,
) -> CalibrationSource:
    """Return files and how they are to be taken.

    Raises:
        InvalidInput: The format is not one of those known.
    """
    if message.format not in _FORMATS:
        raise InvalidInput("must be a known format", field="format")
    unit_m = message.metres_per_unit if message.HasField("metres_per_unit") else None
    return CalibrationSource(
        format=_FORMATS[message.format],
        files=tuple(
            SourceFile(file.name, file.content, f"files[{index}].content")
            for index, file in enumerate(message.files)
        ),
        camera_ids=dict(message.camera_ids),
        floor_height_m=message.floor_height_m,
        metres_per_unit=unit_m,
        axes=message.axes or DEFAULT_AXES,
        image_size=image_size_from_proto(message.image_size)
        if message.HasField("image_size")
        else None,
        image_scale=message.image_scale if message.HasField("image_scale") else 1.0,
    )


def calibrations_imported_to_proto(
    environment_id: str, imported: CalibrationsImported
) -> mapper_pb2.ImportCalibrationsResponse:
    """Return the message of what an import did."""
    return mapper_pb2.ImportCalibrationsResponse(
        calibrations=[_imported(environment_id, one) for one in imported.cameras],
        unmatched_names=imported.unmatched_names,
    )


def _imported(
    environment_id: str, one: ImportedCamera
) -> mapper_pb2.ImportedCalibration:
    if one.stored is None or one.geometry.position_m is None:
        calibration = calibration_to_proto(
            environment_id, one.camera_id, one.geometry.calibration
        )
        return mapper_pb2.ImportedCalibration(name=one.name, calibration=calibration)
    message = mapper_pb2.ImportedCalibration(
        name=one.name,
        calibration=stored_calibration_to_proto(environment_id, one.stored),
    )
    x_m, y_m, height_m = one.geometry.position_m.tolist()
    message.position.point.x_m, message.position.point.y_m = x_m, y_m
    message.position.height_m = height_m
    return message
