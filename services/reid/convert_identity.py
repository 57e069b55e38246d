"""Wire to domain and back, for stored persons and the embedder."""

from services.common.convert import ns_to_timestamp
from services.common.errors import InvalidInput
from services.common.ids import EnvironmentId, GlobalId, require_resource_id
from services.common.models import PixelOrder
from services.reid.convert import fix_to_proto
from services.reid.domain.identity import Identity
from services.reid.service.embedding import EmbedderModel
from services.reid.service.reembedding import Progress
from spoton.common.v1 import frame_pb2, geometry_pb2
from spoton.reid.v1 import reid_pb2

_FORMATS = {
    PixelOrder.RGB: frame_pb2.PIXEL_FORMAT_RGB24,
    PixelOrder.BGR: frame_pb2.PIXEL_FORMAT_BGR24,
}
_MOST_IN_PAGE, _DEFAULT_IN_PAGE = 1000, 100


def model_to_proto(model: EmbedderModel) -> reid_pb2.EmbedderModel:
    """Return the description of an embedder."""
    return reid_pb2.EmbedderModel(
        model_id=model.model_id,
        input_size=geometry_pb2.ImageSize(width=model.width_px, height=model.height_px),
        pixel_format=_FORMATS[model.pixel_order],
        dimensions=model.dimensions,
        match_similarity=model.match_similarity,
    )


def environment_from_proto(value: str) -> EnvironmentId:
    """Return the environment of a request.

    Raises:
        InvalidInput: It is no name of an environment.
    """
    return EnvironmentId(require_resource_id(value, "environment_id"))


def global_id_from_proto(value: int) -> GlobalId:
    """Return the person of a request.

    Raises:
        InvalidInput: It is not positive.
    """
    if value < 1:
        raise InvalidInput("must be at least 1", field="global_id")
    return GlobalId(value)


def page_size_from_proto(page_size: int) -> int:
    """Return how many persons a page holds.

    Raises:
        InvalidInput: It is negative or too many.
    """
    if not 0 <= page_size <= _MOST_IN_PAGE:
        raise InvalidInput(f"must be from 0 to {_MOST_IN_PAGE}", field="page_size")
    return page_size or _DEFAULT_IN_PAGE


def page_token_from_proto(token: str) -> GlobalId:
    """Return the id to go on after.

    Raises:
        InvalidInput: No page gave this token.
    """
    if not token:
        return GlobalId(0)
    if not (token.isascii() and token.isdigit() and len(token) <= 19):
        raise InvalidInput("is not a token of this list", field="page_token")
    after = int(token)
    if after >= 2**63:
        raise InvalidInput("is not a token of this list", field="page_token")
    return GlobalId(after)


def identity_to_proto(identity: Identity) -> reid_pb2.Identity:
    """Return the message of a person."""
    message = reid_pb2.Identity(
        global_id=identity.global_id,
        label=identity.label,
        environment_id=identity.environment_id,
        timeline_id=identity.timeline_id,
        first_seen_time=ns_to_timestamp(identity.first_seen_ns),
        last_seen_time=ns_to_timestamp(identity.last_seen_ns),
        cameras=[
            reid_pb2.CameraSighting(
                camera_id=camera_id,
                detections=record.detections,
                first_seen_time=ns_to_timestamp(record.first_ns),
                last_seen_time=ns_to_timestamp(record.last_ns),
            )
            for camera_id, record in identity.cameras
        ],
        merged_into=identity.merged_into,
        prototype_count=identity.prototype_count,
        has_crop=identity.has_crop,
        provisional=identity.provisional,
    )
    if identity.expired_ns is not None:
        message.expired_time.CopyFrom(ns_to_timestamp(identity.expired_ns))
    if identity.fix is not None:
        message.last_position.CopyFrom(fix_to_proto(identity.fix))
    return message


def progress_to_proto(progress: Progress) -> reid_pb2.ReembedIdentitiesResponse:
    """Return the message that says how far it is."""
    return reid_pb2.ReembedIdentitiesResponse(
        done=progress.done,
        skipped=progress.skipped,
        failed=progress.failed,
        total=progress.total,
    )
