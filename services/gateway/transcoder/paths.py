"""Find the route of a path, in time that grows with the path and not the routes."""

import re
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from services.common.errors import InvalidInput
from services.gateway.transcoder.templates import ONE, REST, Template

T = TypeVar("T")

_USUAL = re.compile(r"[A-Za-z0-9_-]+")
_FORBIDDEN = ("/", "\\", "\0")


class RouteConflict(ValueError):
    """Two routes answer the same requests."""


@dataclass(slots=True)
class _Node(Generic[T]):
    """What may follow one segment of a path."""

    literals: dict[str, "_Node[T]"] = field(default_factory=dict)
    any_one: "_Node[T] | None" = None
    rest: "_Node[T] | None" = None
    ends: dict[str, dict[str, tuple[Template, T]]] = field(default_factory=dict)
    """By verb, then by HTTP method."""


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """Where a path leads.

    Attributes:
        by_method: By HTTP method: the template, and what it leads to.
        segments: The path's segments, decoded.
    """

    by_method: dict[str, tuple[Template, T]]
    segments: tuple[str, ...]


class PathTree(Generic[T]):
    """Routes by their path's segments; a literal goes before a variable."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, method: str, template: Template, target: T) -> None:
        """Add a route.

        Raises:
            RouteConflict: A route with this method and this shape exists.
        """
        node = self._root
        for segment in template.segments:
            if segment == ONE:
                node.any_one = node.any_one or _Node()
                node = node.any_one
            elif segment == REST:
                node.rest = node.rest or _Node()
                node = node.rest
            else:
                node = node.literals.setdefault(segment, _Node())
        by_method = node.ends.setdefault(template.verb, {})
        other = by_method.setdefault(method, (template, target))
        if other[1] is not target or other[0] is not template:
            raise RouteConflict(
                f"{method} {template.text} of {target} and {method} {other[0].text} "
                f"of {other[1]} answer the same requests"
            )

    def find(self, raw_path: str) -> Found[T] | None:
        """Return where a path leads, or None.

        Args:
            raw_path: As sent: percent-encoded, beginning with a slash.

        Raises:
            InvalidInput: A segment decodes to what no name has.
        """
        raw = raw_path.split("/")[1:]
        name, colon, verb = raw[-1].rpartition(":")
        if colon:
            ends = _follow(self._root, [*raw[:-1], name], 0, verb)
            if ends is not None:
                return Found(ends, _decoded([*raw[:-1], name]))
        ends = _follow(self._root, raw, 0, "")
        return None if ends is None else Found(ends, _decoded(raw))


def _follow(
    node: _Node[T], segments: list[str], place: int, verb: str
) -> dict[str, tuple[Template, T]] | None:
    """Return the ends that the rest of a path leads to, literals tried first."""
    if place == len(segments):
        return node.ends.get(verb)
    segment = segments[place]
    literal = node.literals.get(segment)
    if literal is not None:
        ends = _follow(literal, segments, place + 1, verb)
        if ends is not None:
            return ends
    if node.any_one is not None and segment:
        ends = _follow(node.any_one, segments, place + 1, verb)
        if ends is not None:
            return ends
    return node.rest.ends.get(verb) if node.rest is not None else None


def _decoded(raw: list[str]) -> tuple[str, ...]:
    """Return segments decoded; what could be read as another path is refused."""
    return tuple(
        each if _USUAL.fullmatch(each) else _decoded_segment(each) for each in raw
    )


def _decoded_segment(raw: str) -> str:
    try:
        return _plain(unquote_to_bytes(raw).decode())
    except UnicodeDecodeError:
        raise InvalidInput("the path is not UTF-8", field="path") from None


def _plain(segment: str) -> str:
    dots = segment in (".", "..")
    if dots or any(each in segment for each in _FORBIDDEN) or not segment.isprintable():
        raise InvalidInput("the path has a segment that no name has", field="path")
    return segment
