"""Objects as bytes, without anything that could run on reading."""

import enum
import json
import os
import struct
import zlib
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidInput
from services.tracker.adapters.object_graph import (
    Vocabulary,
    pack_objects,
    unpack_objects,
)

HERE = Vocabulary((__name__,))


class Colour(enum.Enum):
    """Something to choose from."""

    RED = 1
    BLUE = 2


def double(value: int) -> int:
    """Return twice a value."""
    return 2 * value


@dataclass(frozen=True, slots=True)
class Frozen:
    """An object with slots that nobody may change."""

    value: int


class Node:
    """An object that refers to others, and to itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.itself = self
        self.call = self.shout

    def shout(self) -> str:
        """Return the name, loudly."""
        return self.name.upper()


def _round_trip(value: Any, vocabulary: Vocabulary = HERE) -> Any:
    """Return a value that went through bytes."""
    return unpack_objects(pack_objects({"it": value}, vocabulary), vocabulary)["it"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        2**62,
        -0.1,
        float("inf"),
        "text",
        [1, [2.5]],
        (1, ("a",)),
        {"a": 1, 2: [3]},
        {1, 2},
        deque([1, 2], maxlen=3),
        Colour.BLUE,
        Frozen(7),
        double,
    ],
    ids=repr,
)
def test_plain_values_come_back(value: Any) -> None:
    """Everything that a library's state is made of survives."""
    again = _round_trip(value)
    assert again == value
    assert type(again) is type(value)


def test_arrays_come_back_with_their_types() -> None:
    """Values, shapes and types are kept, also of arrays of objects and of scalars."""
    for dtype in (np.float64, np.float32, np.int64, np.int32, np.uint8, np.bool_):
        array = np.arange(6).reshape(2, 3).astype(dtype)
        again = _round_trip(array)
        np.testing.assert_array_equal(again, array)
        assert again.dtype == dtype
    nothing = _round_trip(np.array([[None], [None]], object))
    assert nothing.tolist() == [[None], [None]]
    assert type(_round_trip(np.float32(0.1))) is np.float32
    assert _round_trip(np.float32(0.1)) == np.float32(0.1)


def test_what_was_one_object_stays_one() -> None:
    """Shared and circular references are kept."""
    node, array = Node("a"), np.zeros(3)
    first, second, shared, same = _round_trip([node, node, array, array])
    assert first is second
    assert first.itself is first
    assert first.call() == "A"
    assert shared is same


def test_remade_objects_are_made_from_their_value() -> None:
    """A class with state that cannot travel is rebuilt by whoever reads."""
    vocabulary = Vocabulary((__name__,), {Node: (lambda node: node.name, Node)})
    again = _round_trip({"node": Node("b")}, vocabulary)
    assert again["node"].shout() == "B"


@pytest.mark.parametrize("value", [os.system, object(), lambda: 0, b"raw"], ids=repr)
def test_what_is_not_in_the_vocabulary_is_not_written(value: Any) -> None:
    """A library that changed is noticed when it is dumped, not when it is loaded."""
    with pytest.raises(TypeError):
        pack_objects({"it": value}, HERE)


@pytest.mark.parametrize(
    "node",
    [
        ["function", "os:system"],
        ["function", "posix:system"],
        ["function", f"{__name__}:os.system"],
        ["object", "subprocess:Popen", [], []],
        ["object", f"{__name__}:Any", [], []],
        ["object", f"{__name__}:double", [], []],
        ["enum", f"{__name__}:Frozen", "RED"],
        ["method", ["r", 0], "__reduce__"],
        ["numpy", "fromfile"],
        ["array", 5],
        ["surprise"],
    ],
    ids=str,
)
def test_nothing_else_can_be_named(node: list[Any]) -> None:
    """Bytes that name another function or class are refused."""
    text = json.dumps([{"it": ["r", 0]}, [node]]).encode()
    packed = zlib.compress(struct.pack("<I", len(text)) + text)
    with pytest.raises(InvalidInput):
        unpack_objects(packed, HERE)


def test_a_bomb_is_refused() -> None:
    """Few bytes that inflate to very many are not inflated to the end."""
    with pytest.raises(InvalidInput):
        unpack_objects(zlib.compress(bytes(200 * 2**20), 9), HERE)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(junk: bytes) -> None:
    """Bytes that are nothing of ours are an invalid input, nothing worse."""
    for packed in (junk, zlib.compress(junk)):
        with pytest.raises(InvalidInput):
            unpack_objects(packed, HERE)
