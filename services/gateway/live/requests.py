"""What viewers send, and how much of it."""

import time

from aiohttp import WSMessage, WSMsgType
from google.protobuf import descriptor_pool
from google.protobuf.message import DecodeError

from services.common.errors import InvalidInput, Overloaded
from services.common.ids import require_resource_id
from services.gateway.live.trails import MOST_TRAIL_S
from services.gateway.live.view import View
from services.gateway.transcoder.messages import read_json
from spoton.live.v1 import live_pb2

MOST_BYTES = 20_000
_MOST_CAMERAS = 64
_BURST, _PER_S = 20.0, 2.0


class RequestBudget:
    """Lets a viewer send two messages a second, and twenty at once now and then."""

    def __init__(self) -> None:
        self._left = _BURST
        self._then_s = time.monotonic()

    def spend(self) -> None:
        """Count a message.

        Raises:
            Overloaded: There were too many.
        """
        now_s = time.monotonic()
        self._left = min(_BURST, self._left + (now_s - self._then_s) * _PER_S)
        self._then_s = now_s
        if self._left < 1:
            raise Overloaded("too many messages were sent")
        self._left -= 1


def read_request(message: WSMessage) -> live_pb2.LiveRequest:
    """Return what a viewer sends: JSON as text, protobuf as bytes.

    Raises:
        InvalidInput: It is neither, or says nothing.
    """
    request = live_pb2.LiveRequest()
    if message.type is WSMsgType.TEXT:
        read_json(message.data.encode(), request, descriptor_pool.Default())
    elif message.type is WSMsgType.BINARY:
        try:
            request.ParseFromString(message.data)
        except DecodeError:
            raise InvalidInput("the message is no spoton.live.v1.LiveRequest") from None
    if request.WhichOneof("request") is None:
        raise InvalidInput("one of access_token, ticket and subscribe must be set")
    return request


def view_of(subscription: live_pb2.Subscribe, timeline_id: str) -> View:
    """Return what a viewer wants to see.

    Args:
        subscription: As sent.
        timeline_id: Timeline of the session that it names; empty if it names none.

    Raises:
        InvalidInput: A field is out of its range.
    """
    names = subscription.camera_ids
    if len(names) > _MOST_CAMERAS:
        raise InvalidInput(f"must be at most {_MOST_CAMERAS}", field="camera_ids")
    if subscription.global_id < 0:
        raise InvalidInput("must be 0 or more", field="global_id")
    return View(
        session_id=subscription.session_id,
        timeline_id=timeline_id,
        camera_ids=frozenset(
            require_resource_id(name, f"camera_ids[{index}]")
            for index, name in enumerate(names)
        ),
        global_id=subscription.global_id,
    )


def trail_s(subscription: live_pb2.Subscribe) -> float:
    """Return how far back trails are to begin, seconds.

    Raises:
        InvalidInput: It is out of its range.
    """
    seconds = subscription.trails.seconds + subscription.trails.nanos / 1e9
    if not 0 <= seconds <= MOST_TRAIL_S:
        raise InvalidInput(f"must be 0 to {MOST_TRAIL_S:g} s", field="trails")
    return seconds
