"""The models that a session runs with."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import grpc
from grpc import aio

from services.common.errors import InvalidInput, NotFound, NotReady, Unavailable
from services.common.grpc_errors import error_from_rpc
from services.pipeline.domain.session import Perception
from services.pipeline.mesh.peers import Peers
from spoton.detector.v1 import detector_pb2
from spoton.reid.v1 import reid_pb2
from spoton.tracker.v1 import tracker_pb2

_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Models:
    """What the models of a session want to see.

    Every request names them, so that a replica with other defaults answers with them
    or not at all.

    Attributes:
        detector: Finds people.
        embedder: Describes what they look like.
        tracker: Name of the tracker; empty where its service cannot tell its default.
    """

    detector: detector_pb2.DetectorModel
    embedder: reid_pb2.EmbedderModel
    tracker: str


async def find_models(peers: Peers, perception: Perception) -> Models:
    """Ask the services for the models that were chosen.

    Raises:
        NotReady: A service does not run the model.
        Unavailable: A service is away, or does not answer in time.
    """
    detector_id = perception.detector_model_id
    embedder_id = perception.embedder_model_id
    detector, embedder, tracker = await asyncio.gather(
        _asked(
            "detector",
            detector_id,
            peers.detector.GetModel(
                detector_pb2.GetModelRequest(model_id=detector_id), timeout=_DEADLINE_S
            ),
        ),
        _asked(
            "embedder",
            embedder_id,
            peers.reid.GetModel(
                reid_pb2.GetModelRequest(model_id=embedder_id), timeout=_DEADLINE_S
            ),
        ),
        _tracker(peers, perception.tracker),
    )
    return Models(detector, embedder, tracker)


async def _tracker(peers: Peers, name: str) -> str:
    """Return the name of the tracker, also of the default one.

    Whether a chosen one is installed is told, with what to do, when a camera opens.
    """
    if name:
        return name
    request = tracker_pb2.ListTrackersRequest()
    try:
        answer = await peers.tracker.ListTrackers(request, timeout=_DEADLINE_S)
    except aio.AioRpcError as rpc_error:
        # A service of the version before has one tracker, and no list.
        if rpc_error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return ""
        error = error_from_rpc(rpc_error)
        raise Unavailable(f"trackers unknown: {error}") from rpc_error
    return str(answer.default_tracker)


async def _asked(kind: str, model_id: str, call: Awaitable[Any]) -> Any:
    """Return the model of an answer, if it is the one that was chosen."""
    field = f"perception.{kind}_model_id"
    try:
        model = (await call).model
    except aio.AioRpcError as rpc_error:
        error = error_from_rpc(rpc_error)
        if isinstance(error, NotFound | InvalidInput):
            raise NotReady(error.message, field=field) from rpc_error
        raise Unavailable(f"{kind} model unknown: {error}") from rpc_error
    # A service of the version before knows one model, and answers with that.
    if model_id and model.model_id != model_id:
        message = f"{model_id} is not running, {model.model_id} is"
        raise NotReady(message, field=field)
    return model
