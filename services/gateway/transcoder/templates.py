"""Path templates of `google.api.http`: parsed once, compared by their shape.

The grammar is that of google/api/http.proto:

    Template = "/" Segments [ Verb ] ;
    Segments = Segment { "/" Segment } ;
    Segment  = "*" | "**" | LITERAL | Variable ;
    Variable = "{" FieldPath [ "=" Segments ] "}" ;
    Verb     = ":" LITERAL ;
"""

import re
from dataclasses import dataclass

ONE, REST = "*", "**"

_PIECE = re.compile(r"/(\{[^{}]*\}|[^/{}:]+)")
_VERB = re.compile(r":([A-Za-z][A-Za-z0-9_.-]*)$")
_FIELD_PATH = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*$")
_LITERAL = re.compile(r"[A-Za-z0-9._~-]+$")


class BadTemplate(ValueError):
    """A template that does not follow the grammar."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A part of the path that sets a field.

    Attributes:
        field_path: Of the request, such as `camera.environment_id`.
        begin: Its first segment.
        end: The segment after its last.
    """

    field_path: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template.

    Attributes:
        text: As written in the proto.
        segments: Literals, `*` for any one segment, `**` for all that follow.
        variables: In the order of the path.
        verb: What follows the colon, or empty.
    """

    text: str
    segments: tuple[str, ...]
    variables: tuple[Variable, ...]
    verb: str


def parse_template(text: str) -> Template:
    """Return the template that `text` writes.

    Raises:
        BadTemplate: It does not follow the grammar.
    """
    verb = _VERB.search(text)
    path = text[: verb.start()] if verb else text
    segments: list[str] = []
    variables: list[Variable] = []
    place = 0
    while place < len(path):
        piece = _PIECE.match(path, place)
        if piece is None:
            raise BadTemplate(f"{text!r} is no path template at {path[place:]!r}")
        _add(piece[1], text, segments, variables)
        place = piece.end()
    if not segments or REST in segments[:-1]:
        raise BadTemplate(f"{text!r} is empty, or has ** before its end")
    paths = [variable.field_path for variable in variables]
    if len(set(paths)) < len(paths):
        raise BadTemplate(f"{text!r} sets a field twice")
    return Template(text, tuple(segments), tuple(variables), verb[1] if verb else "")


def _add(piece: str, text: str, segments: list[str], variables: list[Variable]) -> None:
    """Append the segments of one piece, and its variable if it is one."""
    if not piece.startswith("{"):
        segments.append(_segment(piece, text))
        return
    field_path, _, pattern = piece[1:-1].partition("=")
    if not _FIELD_PATH.match(field_path):
        raise BadTemplate(f"{text!r} names no field by {field_path!r}")
    begin = len(segments)
    segments += [_segment(each, text) for each in (pattern or ONE).split("/")]
    variables.append(Variable(field_path, begin, len(segments)))


def _segment(piece: str, text: str) -> str:
    if piece not in (ONE, REST) and not _LITERAL.match(piece):
        raise BadTemplate(f"{text!r} has the segment {piece!r}")
    return piece
