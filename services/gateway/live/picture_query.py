"""What the address of a picture says about how it is to look."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from services.common.errors import InvalidInput
from services.common.ids import require_resource_id
from services.gateway.live.pictures import PictureWish

RATE_HZ = (0.0, 30.0)
WIDTH_PX = (64, 1920)
QUALITY = (10, 95)
_LONGEST_ID = 100
_KNOWN = frozenset({"rate", "width", "quality", "overlays", "session_id", "ticket"})
_FLAGS = {"true": True, "1": True, "false": False, "0": False}

N = TypeVar("N", int, float)


def picture_wish(path: Mapping[str, str], query: Mapping[str, str]) -> PictureWish:
    """Return which pictures a request asks for.

    Args:
        path: Names the environment and the camera.
        query: `rate` in pictures per second, `width` in pixels, `quality`,
            `overlays` and `session_id`; what is left out is as the pipeline likes.

    Raises:
        InvalidInput: A value is out of its range, or its name unknown.
    """
    for name in query:
        if name not in _KNOWN:
            raise InvalidInput("is not a parameter of this route", field=name)
    session_id = query.get("session_id", "")
    if len(session_id) > _LONGEST_ID:
        raise InvalidInput(
            f"must be at most {_LONGEST_ID} characters", field="session_id"
        )
    rate_hz = _number(query, "rate", float, RATE_HZ)
    if "rate" in query and not rate_hz:
        raise InvalidInput("must be more than 0", field="rate")
    return PictureWish(
        environment_id=require_resource_id(path["environment_id"], "environment_id"),
        session_id=session_id,
        camera_id=require_resource_id(path["camera_id"], "camera_id"),
        max_rate_hz=rate_hz,
        width_px=_number(query, "width", int, WIDTH_PX),
        quality=_number(query, "quality", int, QUALITY),
        overlays=_flag(query, "overlays"),
    )


def _number(
    query: Mapping[str, str], name: str, read: Callable[[str], N], limits: tuple[N, N]
) -> N:
    """Return a number within its limits, or 0 if it is left out."""
    text = query.get(name)
    if text is None:
        return read("0")
    least, most = limits
    try:
        value = read(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        raise InvalidInput(f"must be {least:g} to {most:g}", field=name)
    return value


def _flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "false")
    if text not in _FLAGS:
        raise InvalidInput("must be true or false", field=name)
    return _FLAGS[text]
