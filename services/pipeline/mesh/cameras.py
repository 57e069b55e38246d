"""The cameras of a session, as the mapper describes them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.common.convert import ns_from_timestamp
from services.common.errors import NotFound, NotReady, SpotOnError
from services.common.ids import CameraId
from services.common.outgoing.guard import AddressGuard
from services.common.outgoing.policy import AddressPolicy
from services.pipeline.adapters.camera_catalog import list_cameras
from services.pipeline.adapters.file_source import Recording
from services.pipeline.adapters.media_folder import find_recording
from services.pipeline.domain.session import Session
from services.pipeline.domain.transform import FrameTransform
from services.pipeline.mesh.peers import Peers
from spoton.mapper.v1 import environment_pb2


@dataclass(frozen=True, slots=True)
class MediaFolder:
    """Where pictures may come from.

    Attributes:
        root: Folder with recordings, that relative paths begin in.
        allow_outside: Whether paths may lead out of it.
        addresses: What may be opened on the network.
    """

    root: Path
    allow_outside: bool = False
    addresses: AddressPolicy = field(default_factory=AddressPolicy)


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """How to read one camera.

    Attributes:
        camera_id: The camera.
        recording: Where its pictures come from; None if that cannot be read.
        masks: Polygons in which people are ignored, pixels, each of shape (N, 2).
        error: Why the camera cannot be read; None if it can.
    """

    camera_id: CameraId
    recording: Recording | None
    masks: tuple[npt.NDArray[np.float64], ...] = ()
    error: SpotOnError | None = None


async def plan_cameras(
    peers: Peers, session: Session, media: MediaFolder
) -> list[CameraPlan]:
    """Return how to read each camera of a session, in the order of their names.

    A camera that cannot be read is planned with its error: it does not stop the rest.

    Raises:
        NotFound: The environment is gone.
        Unavailable: The mapper is away.
    """
    environment_id = session.request.environment_id
    listed = await list_cameras(peers.mapper, environment_id)
    cameras = {camera.camera_id: camera for camera in listed}
    return [
        await _plan(camera_id, cameras.get(camera_id), session, media)
        for camera_id in session.request.camera_ids
    ]


async def _plan(
    camera_id: CameraId,
    camera: environment_pb2.Camera | None,
    session: Session,
    media: MediaFolder,
) -> CameraPlan:
    """Return how to read one camera."""
    if camera is None:
        error = NotFound(f"camera {camera_id} was deleted", field="camera_ids")
        return CameraPlan(camera_id, None, error=error)
    try:
        if camera.source.HasField("network"):
            await _require_readable(camera.source.network, media.addresses)
        recording = _recording(camera, session, media)
    except SpotOnError as unreadable:
        return CameraPlan(camera_id, None, error=unreadable)
    masks = tuple(
        np.array([(corner.x, corner.y) for corner in polygon.corners], np.float64)
        for polygon in camera.ignore_masks
    )
    return CameraPlan(camera_id, recording, masks)


async def _require_readable(
    source: environment_pb2.NetworkSource, addresses: AddressPolicy
) -> None:
    """Refuse a camera on the network.

    Its address is checked first, as the mapper may have other rules than we have now,
    or be deceived about what a name resolves to.

    Raises:
        SpotOnError: The address may not be opened, or, for now, may.
    """
    await AddressGuard(addresses).pin(source.url, "camera.source.network.url")
    raise NotReady("cameras on the network are not read yet")


def _recording(
    camera: environment_pb2.Camera, session: Session, media: MediaFolder
) -> Recording:
    """Return the file behind a camera."""
    file = camera.source.file
    path = find_recording(file.path, media.root, allow_outside=media.allow_outside)
    has_start = file.HasField("start_time")
    start_ns = (
        ns_from_timestamp(file.start_time) if has_start else session.create_time_ns
    )
    return Recording(
        camera_id=CameraId(camera.camera_id),
        path=path,
        start_time_ns=start_ns,
        clock_offset_ns=camera.clock_offset.ToNanoseconds(),
        transform=transform_from_proto(camera.transform),
        max_rate_hz=camera.max_rate_hz if camera.HasField("max_rate_hz") else None,
    )


def transform_from_proto(transform: environment_pb2.FrameTransform) -> FrameTransform:
    """Return what is done to a camera's pictures."""
    crop = transform.crop_region
    red, green, blue = transform.colour_gain or (1.0, 1.0, 1.0)
    add_red, add_green, add_blue = transform.colour_offset or (0.0, 0.0, 0.0)
    return FrameTransform(
        crop_region=(
            (crop.x_min, crop.y_min, crop.x_max, crop.y_max)
            if transform.HasField("crop_region")
            else None
        ),
        scale=transform.scale if transform.HasField("scale") else 1.0,
        colour_gain=(red, green, blue),
        colour_offset=(add_red, add_green, add_blue),
    )
