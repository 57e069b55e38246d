"""Environments and what lies in them: wire to domain and back."""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.errors import InvalidInput
from services.mapper.convert.lens import lens_from_proto, lens_to_proto
from services.mapper.domain.environment import (
    Box,
    Calibration,
    Camera,
    Environment,
    FileSource,
    Floor,
    FloorPlan,
    FloorPoint,
    FrameTransform,
    ImagePoint,
    ImageSize,
    NetworkSource,
    Perception,
    PointPair,
    Polygon,
    Privacy,
    Source,
    Zone,
)
from services.mapper.domain.stored import (
    Stored,
    StoredCalibration,
    StoredCamera,
    StoredFloorPlan,
)
from spoton.common.v1 import geometry_pb2
from spoton.mapper.v1 import environment_pb2


def environment_from_proto(message: environment_pb2.Environment) -> Environment:
    """Return the environment's own fields."""
    return Environment(
        environment_id=message.environment_id,
        display_name=message.display_name,
        floors=tuple(Floor(one.floor_id, one.display_name) for one in message.floors),
        perception=Perception(
            detector_model_id=message.perception.detector_model_id,
            embedder_model_id=message.perception.embedder_model_id,
            tracker=message.perception.tracker,
        ),
        privacy=Privacy(blur_heads=message.privacy.blur_heads),
    )


def environment_to_proto(stored: Stored[Environment]) -> environment_pb2.Environment:
    """Return the message of a stored environment."""
    environment = stored.value
    message = environment_pb2.Environment(
        environment_id=environment.environment_id,
        display_name=environment.display_name,
        floors=[
            environment_pb2.Floor(floor_id=one.floor_id, display_name=one.display_name)
            for one in environment.floors
        ],
        etag=stored.etag,
        create_time=_timestamp(stored.create_time),
        update_time=_timestamp(stored.update_time),
    )
    perception = environment.perception
    if perception != Perception():
        message.perception.detector_model_id = perception.detector_model_id
        message.perception.embedder_model_id = perception.embedder_model_id
        message.perception.tracker = perception.tracker
    if environment.privacy != Privacy():
        message.privacy.blur_heads = environment.privacy.blur_heads
    return message


def camera_from_proto(message: environment_pb2.Camera) -> Camera:
    """Return a camera.

    Raises:
        InvalidInput: A time or duration cannot be represented.
    """
    return Camera(
        camera_id=message.camera_id,
        display_name=message.display_name,
        floor_id=message.floor_id,
        source=_source_from_proto(message.source),
        transform=_transform_from_proto(message.transform),
        max_rate_hz=message.max_rate_hz if message.HasField("max_rate_hz") else None,
        ignore_masks=tuple(
            Polygon(tuple(ImagePoint(corner.x, corner.y) for corner in mask.corners))
            for mask in message.ignore_masks
        ),
        clock_offset=_timedelta(message.clock_offset, "camera.clock_offset")
        if message.HasField("clock_offset")
        else None,
        bias_floor_m=message.bias_floor_m if message.HasField("bias_floor_m") else None,
    )


def camera_to_proto(
    environment_id: str, stored: StoredCamera
) -> environment_pb2.Camera:
    """Return the message of a stored camera."""
    camera = stored.camera.value
    message = environment_pb2.Camera(
        environment_id=environment_id,
        camera_id=camera.camera_id,
        display_name=camera.display_name,
        floor_id=camera.floor_id,
        source=_source_to_proto(camera.source),
        max_rate_hz=camera.max_rate_hz,
        ignore_masks=[
            environment_pb2.Polygon(
                corners=[
                    geometry_pb2.ImagePoint(x=corner.x, y=corner.y)
                    for corner in mask.corners
                ]
            )
            for mask in camera.ignore_masks
        ],
        bias_floor_m=camera.bias_floor_m,
        etag=stored.camera.etag,
        calibration_revision=stored.calibration_revision,
    )
    if camera.transform != FrameTransform():
        message.transform.CopyFrom(_transform_to_proto(camera.transform))
    if camera.clock_offset is not None:
        message.clock_offset.FromTimedelta(camera.clock_offset)
    return message


def calibration_from_proto(message: environment_pb2.Calibration) -> Calibration:
    """Return a calibration."""
    return Calibration(
        image_to_floor=tuple(message.image_to_floor),
        image_size=image_size_from_proto(message.image_size),
        point_pairs=tuple(point_pair_from_proto(one) for one in message.point_pairs),
        residual_rms_m=message.residual_rms_m
        if message.HasField("residual_rms_m")
        else None,
        note=message.note,
        lens=lens_from_proto(message.lens) if message.HasField("lens") else None,
    )


def calibration_to_proto(
    environment_id: str, camera_id: str, calibration: Calibration
) -> environment_pb2.Calibration:
    """Return the message of a calibration that is not stored."""
    size = calibration.image_size
    return environment_pb2.Calibration(
        environment_id=environment_id,
        camera_id=camera_id,
        image_to_floor=calibration.image_to_floor,
        image_size=geometry_pb2.ImageSize(width=size.width, height=size.height),
        point_pairs=[_point_pair_to_proto(pair) for pair in calibration.point_pairs],
        residual_rms_m=calibration.residual_rms_m,
        note=calibration.note,
        lens=None if calibration.lens is None else lens_to_proto(calibration.lens),
    )


def stored_calibration_to_proto(
    environment_id: str, stored: StoredCalibration
) -> environment_pb2.Calibration:
    """Return the message of a stored calibration."""
    message = calibration_to_proto(environment_id, stored.camera_id, stored.value)
    message.revision = stored.revision
    message.create_time.CopyFrom(_timestamp(stored.create_time))
    return message


def zone_from_proto(message: environment_pb2.Zone) -> Zone:
    """Return a zone."""
    return Zone(
        zone_id=message.zone_id,
        display_name=message.display_name,
        floor_id=message.floor_id,
        corners=tuple(FloorPoint(corner.x_m, corner.y_m) for corner in message.corners),
    )


def zone_to_proto(environment_id: str, stored: Stored[Zone]) -> environment_pb2.Zone:
    """Return the message of a stored zone."""
    zone = stored.value
    return environment_pb2.Zone(
        environment_id=environment_id,
        zone_id=zone.zone_id,
        display_name=zone.display_name,
        floor_id=zone.floor_id,
        corners=[
            geometry_pb2.FloorPoint(x_m=corner.x_m, y_m=corner.y_m)
            for corner in zone.corners
        ],
        etag=stored.etag,
    )


def floor_plan_from_proto(message: environment_pb2.FloorPlan) -> FloorPlan:
    """Return a floor plan."""
    return FloorPlan(
        floor_id=message.floor_id,
        image=message.image,
        image_to_floor=tuple(message.image_to_floor),
    )


def floor_plan_to_proto(
    environment_id: str, stored: StoredFloorPlan, *, with_image: bool
) -> environment_pb2.FloorPlan:
    """Return the message of a stored floor plan, with or without its picture."""
    return environment_pb2.FloorPlan(
        environment_id=environment_id,
        floor_id=stored.value.floor_id,
        image=stored.value.image if with_image else b"",
        image_to_floor=stored.value.image_to_floor,
        etag=stored.etag,
    )


def image_size_from_proto(message: geometry_pb2.ImageSize) -> ImageSize:
    """Return the size of a picture."""
    return ImageSize(message.width, message.height)


def point_pair_from_proto(message: environment_pb2.PointPair) -> PointPair:
    """Return a pair of points."""
    return PointPair(
        image=ImagePoint(message.image.x, message.image.y),
        floor=FloorPoint(message.floor.x_m, message.floor.y_m),
    )


def _point_pair_to_proto(pair: PointPair) -> environment_pb2.PointPair:
    return environment_pb2.PointPair(
        image=geometry_pb2.ImagePoint(x=pair.image.x, y=pair.image.y),
        floor=geometry_pb2.FloorPoint(x_m=pair.floor.x_m, y_m=pair.floor.y_m),
    )


def _source_from_proto(message: environment_pb2.Source) -> Source:
    if message.HasField("network"):
        network = message.network
        return Source(network=NetworkSource(network.url, network.has_credentials))
    if not message.HasField("file"):
        return Source()
    start_time = None
    if message.file.HasField("start_time"):
        start_time = _datetime(message.file.start_time, "camera.source.file.start_time")
    return Source(FileSource(message.file.path, start_time))


def _source_to_proto(source: Source) -> environment_pb2.Source:
    if source.network is not None:
        return environment_pb2.Source(
            network=environment_pb2.NetworkSource(
                url=source.network.url, has_credentials=source.network.has_credentials
            )
        )
    if source.file is None:
        return environment_pb2.Source()
    file = environment_pb2.FileSource(path=source.file.path)
    if source.file.start_time is not None:
        file.start_time.CopyFrom(_timestamp(source.file.start_time))
    return environment_pb2.Source(file=file)


def _transform_from_proto(message: environment_pb2.FrameTransform) -> FrameTransform:
    region = message.crop_region
    return FrameTransform(
        crop_region=Box(region.x_min, region.y_min, region.x_max, region.y_max)
        if message.HasField("crop_region")
        else None,
        scale=message.scale if message.HasField("scale") else None,
        colour_gain=tuple(message.colour_gain),
        colour_offset=tuple(message.colour_offset),
    )


def _transform_to_proto(transform: FrameTransform) -> environment_pb2.FrameTransform:
    region = transform.crop_region
    return environment_pb2.FrameTransform(
        crop_region=None
        if region is None
        else geometry_pb2.Box(
            x_min=region.x_min,
            y_min=region.y_min,
            x_max=region.x_max,
            y_max=region.y_max,
        ),
        scale=transform.scale,
        colour_gain=transform.colour_gain,
        colour_offset=transform.colour_offset,
    )


def _timestamp(time: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(time)
    return message


def _datetime(message: Timestamp, field: str) -> datetime:
    """Return a time, to the microsecond."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInput("is not a time from year 1 to 9999", field=field) from None


def _timedelta(message: Duration, field: str) -> timedelta:
    """Return a duration, to the microsecond."""
    try:
        return message.ToTimedelta()
    except (ValueError, OverflowError):
        raise InvalidInput("is not a duration", field=field) from None
