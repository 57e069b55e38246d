"""Calibrate cameras from files: `python -m services.mapper.import_calibration`.

A client of `ImportCalibrations`, which reads the files and does all the rest. The
variable SPOTON_ACCESS_TOKEN holds the token to call with.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from grpc import aio

from services.common.grpc_client import access_token_from, open_channel
from services.common.grpc_errors import error_from_rpc
from services.mapper.config import DEFAULT_PORT
from spoton.mapper.v1 import mapper_pb2, mapper_pb2_grpc

_FORMATS = {
    "qualisys": mapper_pb2.CALIBRATION_FORMAT_QUALISYS,
    "opencv": mapper_pb2.CALIBRATION_FORMAT_OPENCV,
    "wildtrack": mapper_pb2.CALIBRATION_FORMAT_WILDTRACK,
}
_TIMEOUT_S = 60.0


def main(arguments: list[str]) -> int:
    """Import the files and print what became of each camera.

    Returns:
        0, or 1 when the mapper refused them or a file cannot be read.
    """
    options = _parser().parse_args(arguments)
    try:
        imported = asyncio.run(_import(options.address, _request(options)))
    except (OSError, UnicodeDecodeError) as error:
        print(f"cannot read a file: {error}", file=sys.stderr)
        return 1
    except aio.AioRpcError as error:
        print(error_from_rpc(error), file=sys.stderr)
        return 1
    for one in imported.calibrations:
        print(_line(one))
    for name in imported.unmatched_names:
        print(f"{name}: no such camera")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.mapper.import_calibration",
        description="Calibrate the cameras that files describe.",
    )
    parser.add_argument("environment", help="environment_id")
    parser.add_argument("format", choices=sorted(_FORMATS))
    parser.add_argument("files", nargs="+", type=Path, metavar="file")
    parser.add_argument(
        "--camera",
        action="append",
        default=[],
        metavar="NAME=CAMERA_ID",
        type=_named,
        help="the camera that a name in the files stands for; may be repeated",
    )
    parser.add_argument("--floor-height-m", type=float, help="floor above the origin")
    parser.add_argument("--metres-per-unit", type=float, help="length of files' unit")
    parser.add_argument(
        "--axes", default="", help="the files' axes along the floor's x, y, and up"
    )
    parser.add_argument("--image-size", type=_size, metavar="WIDTHxHEIGHT")
    parser.add_argument("--image-scale", type=float)
    parser.add_argument("--address", default=f"127.0.0.1:{DEFAULT_PORT}")
    return parser


def _request(options: argparse.Namespace) -> mapper_pb2.ImportCalibrationsRequest:
    request = mapper_pb2.ImportCalibrationsRequest(
        environment_id=options.environment,
        format=_FORMATS[options.format],
        camera_ids=dict(options.camera),
        floor_height_m=options.floor_height_m,
        metres_per_unit=options.metres_per_unit,
        axes=options.axes,
        image_scale=options.image_scale,
    )
    for path in options.files:
        request.files.add(name=path.name, content=path.read_text(encoding="utf-8"))
    if options.image_size is not None:
        request.image_size.width, request.image_size.height = options.image_size
    return request


async def _import(
    address: str, request: mapper_pb2.ImportCalibrationsRequest
) -> mapper_pb2.ImportCalibrationsResponse:
    async with open_channel(address, access_token_from(os.environ)) as channel:
        stub = mapper_pb2_grpc.MapperServiceStub(channel)
        return await stub.ImportCalibrations(request, timeout=_TIMEOUT_S)


def _line(one: mapper_pb2.ImportedCalibration) -> str:
    camera = f"{one.name}: camera {one.calibration.camera_id!r}"
    if not one.calibration.revision:
        return f"{camera} has a lens but no pose; fit it to points"
    at, point = one.position, one.position.point
    return (
        f"{camera} is calibrated (revision {one.calibration.revision}), "
        f"{at.height_m:.2f} m above ({point.x_m:.2f}, {point.y_m:.2f})"
    )


def _named(text: str) -> tuple[str, str]:
    name, equals, camera_id = text.rpartition("=")
    if not equals:
        raise argparse.ArgumentTypeError("must be NAME=CAMERA_ID")
    return name, camera_id


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = map(int, text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError("must be as 1920x1080") from None
    return width, height


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
