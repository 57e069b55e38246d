"""JSON is read strictly: once, in one way, and never too deep."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidInput
from services.gateway.json_text import json_bytes, parse_json

VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read(value: object) -> None:
    """Every value without null survives."""
    assert parse_json(json_bytes(value)) == value


@pytest.mark.parametrize("depth", [64, 65, 500, 100_000])
def test_depth_has_a_bound(depth: int) -> None:
    """Nested arrays are read up to the bound, and refused beyond, however deep."""
    body = b"[" * depth + b"]" * depth
    if depth <= 64:
        assert parse_json(body)
    else:
        with pytest.raises(InvalidInput, match="nested deeper"):
            parse_json(body)


def test_a_wide_document_is_not_deep() -> None:
    """Many siblings are fine."""
    body = json.dumps([{"x": [number]} for number in range(1000)]).encode()
    assert len(parse_json(body)) == 1000


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"a": 1, "a": 1}', "a"),
        (b'{"a": {"b": null}}', "b"),
        (b'{"a": NaN}', ""),
        (b'{"a": 1e}', ""),
        (b"\xff", ""),
        (b'{"a": 1} x', ""),
        (b"1" * 10_000, ""),
    ],
)
def test_ambiguous_and_broken_documents_are_refused(body: bytes, field: str) -> None:
    """Two readers could understand them differently."""
    with pytest.raises(InvalidInput) as failure:
        parse_json(body)
    assert failure.value.field == field
