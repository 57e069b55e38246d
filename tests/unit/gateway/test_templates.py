"""Path templates follow the grammar of google.api.http, and no other."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidInput
from services.gateway.transcoder.paths import PathTree, RouteConflict
from services.gateway.transcoder.templates import (
    BadTemplate,
    Variable,
    parse_template,
)

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)


def test_a_template_has_segments_variables_and_a_verb() -> None:
    """Nested fields and patterns of several segments are understood."""
    template = parse_template("/v1/{camera.environment_id}/x/{name=shelves/*}:move")
    assert template.segments == ("v1", "*", "x", "shelves", "*")
    assert template.variables == (
        Variable("camera.environment_id", 1, 2),
        Variable("name", 3, 5),
    )
    assert template.verb == "move"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v1",
        "/",
        "/v1/",
        "/v1//x",
        "/v1/{}",
        "/v1/{Name}",
        "/v1/{a.}",
        "/v1/{a}{b}",
        "/v1/{a}/{a}",
        "/v1/**/x",
        "/v1/{a=**}/x",
        "/v1/{a",
        "/v1/x y",
        "/v1/x:",
        "/v1/x:move/y",
    ],
)
def test_what_is_no_template_is_refused(text: str) -> None:
    """A mistake in a proto ends the start, not a request."""
    with pytest.raises(BadTemplate):
        parse_template(text)


def tree(*paths: str) -> PathTree[str]:
    """Return a tree of GET routes, each leading to its own path."""
    made: PathTree[str] = PathTree()
    for path in paths:
        made.add("GET", parse_template(path), path)
    return made


def target(made: PathTree[str], path: str) -> str | None:
    """Return where a path leads by GET."""
    found = made.find(path)
    return found.by_method["GET"][1] if found else None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/toys", "/v1/toys"),
        ("/v1/toys:search", "/v1/toys:search"),
        ("/v1/toys/duck", "/v1/toys/{toy_id}"),
        ("/v1/toys/best", "/v1/toys/best"),
        ("/v1/toys/best/parts", "/v1/toys/{toy_id}/parts"),
        ("/v1/toys/duck:wind", "/v1/toys/{toy_id}:wind"),
        ("/v1/toys/duck:other", "/v1/toys/{toy_id}"),
        ("/v1/files/a/b/c", "/v1/files/{path=**}"),
        ("/v1/toys/", None),
        ("/v1/toys//parts", None),
        ("/v1", None),
        ("/", None),
        ("/v1/toys:find", None),
        ("//v1/toys", None),
    ],
)
def test_paths_lead_to_routes(path: str, expected: str | None) -> None:
    """A literal goes before a variable; a verb must be one that exists."""
    made = tree(
        "/v1/toys",
        "/v1/toys:search",
        "/v1/toys/{toy_id}",
        "/v1/toys/{toy_id}:wind",
        "/v1/toys/best",
        "/v1/toys/{toy_id}/parts",
        "/v1/files/{path=**}",
    )
    assert target(made, path) == expected


def test_two_routes_for_one_request_are_refused() -> None:
    """Names of variables do not make routes different; the message names both."""
    made = tree("/v1/toys/{toy_id}")
    with pytest.raises(RouteConflict, match=r"toy_id.*answer the same") as failure:
        made.add("GET", parse_template("/v1/toys/{name}"), "another")
    assert "another" in str(failure.value)
    made.add("POST", parse_template("/v1/toys/{name}"), "another")


@given(NAMES, st.text(min_size=1, max_size=20))
def test_segments_arrive_as_they_were_sent(name: str, text: str) -> None:
    """Whatever a client encodes is decoded once, or refused; never split anew."""
    made = tree("/{a}/{b}")
    try:
        found = made.find(f"/{name}/{quote(text, safe='')}")
    except InvalidInput:
        unprintable = not text.isprintable()
        assert unprintable or text in (".", "..") or set(text) & set("/\\")
    else:
        assert found is not None
        assert found.segments == (name, text)
