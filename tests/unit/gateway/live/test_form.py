"""How messages are written to viewers, and what their addresses may say."""

import asyncio
import json

import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.base_protocol import BaseProtocol

from services.common.errors import InvalidInput
from services.gateway.live.form import Form, frame, framed
from services.gateway.live.picture_query import picture_wish
from services.gateway.live.pictures import PictureWish
from services.gateway.live.update import Update
from services.gateway.live.view import View
from spoton.live.v1 import live_pb2
from tests.fakes.live_viewers import tracked, unframed

PATH = {"environment_id": "plaza", "camera_id": "north"}


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536, 200_000])
async def test_clients_read_the_frames(length: int) -> None:
    """The library's own reader finds the payload, whatever its length."""
    loop = asyncio.get_running_loop()
    queue = WebSocketDataQueue(BaseProtocol(loop), 2**20, loop=loop)
    reader = WebSocketReader(queue, 2**20, False, True)  # noqa: FBT003
    payload = b"x" * length
    reader.feed_data(frame(payload, text=True) + frame(payload, text=False))
    text, binary = await queue.read(), await queue.read()
    assert (text.type, text.data) == (WSMsgType.TEXT, payload.decode())
    assert (binary.type, binary.data) == (WSMsgType.BINARY, payload)


def test_both_forms_say_the_same() -> None:
    """JSON has the names of the protos, and protobuf is the message."""
    message = live_pb2.LiveMessage(coalesced=live_pb2.Coalesced(updates=3))
    assert unframed(framed(message, Form.PROTOBUF)) == message
    text = json.loads(framed(message, Form.JSON)[2:])
    assert text == {"coalesced": {"updates": "3"}}


def test_an_update_is_written_once_for_each_way_of_seeing_it() -> None:
    """The same view and form give the same bytes, and none where nothing is seen."""
    update = Update(tracked(1, {1: 0.0}))
    whole = update.frame(View(), Form.JSON)
    assert update.frame(View(), Form.JSON) is whole
    assert update.frame(View(global_id=1), Form.JSON) != b""
    assert update.frame(View(session_id="x", timeline_id="y"), Form.JSON) == b""
    update.forget()
    assert update.frame(View(), Form.JSON) == whole


def test_an_address_says_how_pictures_are_to_look() -> None:
    """What it leaves out is as the pipeline likes."""
    query = {"rate": "2.5", "width": "320", "quality": "60", "overlays": "true"}
    wish = picture_wish(PATH, query)
    assert wish == PictureWish("plaza", "", "north", 2.5, 320, 60, overlays=True)
    assert picture_wish(PATH, {}) == PictureWish("plaza", "", "north")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rate", "0"),
        ("rate", "nan"),
        ("rate", "31"),
        ("rate", "fast"),
        ("width", "63"),
        ("width", "1921"),
        ("width", "1e3"),
        ("quality", "96"),
        ("overlays", "yes"),
        ("session_id", "s" * 101),
        ("colour", "red"),
    ],
)
def test_what_an_address_cannot_say_is_refused_by_name(name: str, text: str) -> None:
    """Rate, size and quality are bounded."""
    with pytest.raises(InvalidInput) as refused:
        picture_wish(PATH, {name: text})
    assert refused.value.field == name
