"""Objects of a library as bytes, and back, without anything that could run on reading.

A library that keeps its state in objects of its own offers no other way out than
pickle, which runs what a client wrote. Here only values travel: numbers, texts, arrays,
containers, and instances as the name of their class and their attributes. Classes and
functions are looked up in modules that are loaded already and that a vocabulary allows;
reading imports nothing and calls no constructor.

The bytes are the length of a JSON text, that text, and arrays as `packing` packs them,
all deflated. In the text a value is itself where JSON has it, else a pair of a letter
and what it means; `r` refers to a node, so that what was one object stays one.
"""

import enum
import json
import struct
import sys
import types
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.common.errors import InvalidInput
from services.tracker.domain.packing import pack_arrays, unpack_arrays

_LENGTH = struct.Struct("<I")
_MOST_BYTES = 64 * 2**20
_FAST = 1
_NUMPY_FUNCTIONS = {"inv": np.linalg.inv}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What may occur beside plain values.

    Attributes:
        prefixes: Beginnings of the names of modules whose classes and functions may.
        remade: Classes whose instances are made anew from one value: how to get that
            value, and how to make the instance.
    """

    prefixes: tuple[str, ...] = ()
    remade: Mapping[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = field(
        default_factory=dict
    )


PLAIN = Vocabulary()


def pack_objects(values: Mapping[str, Any], vocabulary: Vocabulary = PLAIN) -> bytes:
    """Return values by name as bytes.

    Raises:
        TypeError: Something occurs that is not in the vocabulary.
    """
    writer = _Writer(vocabulary)
    root = {name: writer.reference(value) for name, value in values.items()}
    text = json.dumps([root, writer.nodes]).encode()
    packed = _LENGTH.pack(len(text)) + text + pack_arrays(writer.arrays)
    return zlib.compress(packed, _FAST)


def unpack_objects(packed: bytes, vocabulary: Vocabulary = PLAIN) -> dict[str, Any]:
    """Return the values that `pack_objects` was given.

    Raises:
        InvalidInput: The bytes are nothing that it returns.
    """
    try:
        content = _inflated(packed)
        (length,) = _LENGTH.unpack_from(content)
        end = _LENGTH.size + length
        root, nodes = json.loads(content[_LENGTH.size : end])
        reader = _Reader(nodes, unpack_arrays(content[end:]), vocabulary)
        return {name: reader.value(value) for name, value in root.items()}
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
    ) as error:
        raise InvalidInput(f"holds no objects: {error}") from None


def _inflated(packed: bytes) -> bytes:
    """Return what was deflated, if it is of a size that can be."""
    inflater = zlib.decompressobj()
    content = inflater.decompress(packed, _MOST_BYTES)
    if not inflater.eof:
        raise ValueError("too long or cut off")
    return content


class _Writer:
    """Turns objects into nodes, each once."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.nodes: list[Any] = []
        self.arrays: list[NDArray[Any]] = []
        self._vocabulary = vocabulary
        self._known: dict[int, tuple[int, object]] = {}

    def reference(self, value: Any) -> Any:
        """Return what stands for a value in the text."""
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, np.generic):
            return ["n", value.dtype.str, value.item()]
        if id(value) not in self._known:
            # The object is kept, so that no other one gets its address.
            self._known[id(value)] = len(self.nodes), value
            self.nodes.append(None)
            self.nodes[self._known[id(value)][0]] = self._node(value)
        return ["r", self._known[id(value)][0]]

    def _node(self, value: Any) -> list[Any]:
        """Return the node of an object."""
        many = self._references
        match value:
            case np.ndarray() if value.dtype == object:
                return ["objects", list(value.shape), many(value.ravel())]
            case np.ndarray():
                self.arrays.append(value)
                return ["array", len(self.arrays) - 1]
            case enum.Enum():
                return ["enum", self._name(type(value)), value.name]
            case list() | tuple() | set():
                return [type(value).__name__, many(value)]
            case deque():
                return ["deque", value.maxlen, many(value)]
            case dict():
                return ["dict", many(value.keys()), many(value.values())]
            case types.FunctionType():
                return ["function", self._name(value)]
            case types.MethodType():
                return ["method", self.reference(value.__self__), value.__name__]
        for name, function in _NUMPY_FUNCTIONS.items():
            if value is function:
                return ["numpy", name]
        for number, (found, (shown, _)) in enumerate(self._vocabulary.remade.items()):
            if type(value) is found:
                return ["remade", number, self.reference(shown(value))]
        attributes = dict(_attributes(value))
        return [
            "object",
            self._name(type(value)),
            list(attributes),
            many(attributes.values()),
        ]

    def _references(self, values: Any) -> list[Any]:
        """Return what stands for several values."""
        return [self.reference(value) for value in values]

    def _name(self, thing: Any) -> str:
        """Return the name by which a class or a function is found again."""
        name = f"{thing.__module__}:{thing.__qualname__}"
        if _find(name, self._vocabulary.prefixes) is not thing:
            raise TypeError(f"cannot be packed: {name}")
        return name


class _Reader:
    """Turns nodes into objects, each once."""

    def __init__(
        self,
        nodes: list[Any],
        arrays: list[NDArray[Any]],
        vocabulary: Vocabulary,
    ) -> None:
        self._nodes = nodes
        self._arrays = arrays
        self._vocabulary = vocabulary
        self._known: dict[int, Any] = {}

    def value(self, reference: Any) -> Any:
        """Return the value that something in the text stands for."""
        if not isinstance(reference, list):
            return reference
        letter, index = reference[:2]
        if letter == "n":
            return _number_type(index)(reference[2])
        if index not in self._known:
            kind, *content = self._nodes[index]
            self._known[index] = self._made(index, kind, *content)
        return self._known[index]

    def _made(self, index: int, kind: str, *content: Any) -> Any:
        """Return the object of a node, which may refer to itself."""
        makers: dict[str, Callable[..., Any]] = {
            "array": lambda number: self._arrays[number],
            "objects": self._object_array,
            "tuple": lambda items: tuple(self._values(items)),
            "enum": lambda name, member: self._class(name, enum.Enum)[member],
            "function": self._function,
            "numpy": _NUMPY_FUNCTIONS.__getitem__,
            "method": self._method,
            "remade": self._remade,
        }
        if kind in makers:
            return makers[kind](*content)
        return self._filled(index, kind, *content)

    def _filled(self, index: int, kind: str, *content: Any) -> Any:
        """Return a container or an instance, known before its content is made."""
        known = self._known
        match kind:
            case "list":
                known[index] = items = list[Any]()
                items.extend(self._values(content[0]))
            case "set":
                known[index] = set(self._values(content[0]))
            case "deque":
                known[index] = queue = deque[Any](maxlen=content[0])
                queue.extend(self._values(content[1]))
            case "dict":
                known[index] = table = dict[Any, Any]()
                keys, values = map(self._values, content)
                table.update(zip(keys, values, strict=True))
            case "object":
                found = self._class(content[0], object)
                known[index] = instance = object.__new__(found)
                for name, value in zip(*content[1:], strict=True):
                    object.__setattr__(instance, name, self.value(value))
            case _:
                raise ValueError(f"{kind!r} is no kind of node")
        return known[index]

    def _values(self, references: list[Any]) -> list[Any]:
        """Return several values."""
        return [self.value(reference) for reference in references]

    def _object_array(self, shape: list[int], items: list[Any]) -> NDArray[Any]:
        """Return an array of objects."""
        array = np.empty(len(items), object)
        array[:] = self._values(items)
        return array.reshape(shape)

    def _class(self, name: str, base: type) -> Any:
        """Return the class of a name."""
        found = _find(name, self._vocabulary.prefixes)
        if not (isinstance(found, type) and issubclass(found, base)):
            raise TypeError(f"{name} is no class of the library")
        return found

    def _remade(self, number: int, reference: Any) -> Any:
        """Return an instance that is made from one value."""
        _, make = list(self._vocabulary.remade.values())[number]
        return make(self.value(reference))

    def _function(self, name: str) -> Any:
        """Return the function of a name."""
        found = _find(name, self._vocabulary.prefixes)
        if not isinstance(found, types.FunctionType):
            raise TypeError(f"{name} is no function of the library")
        return found

    def _method(self, owner: Any, name: str) -> Any:
        """Return a method of an object of the library."""
        instance = self.value(owner)
        function = vars(type(instance)).get(name)
        named = f"{type(instance).__module__}:{type(instance).__qualname__}"
        if not isinstance(function, types.FunctionType):
            raise TypeError(f"{name} is no method")
        self._class(named, object)
        return types.MethodType(function, instance)


def _number_type(name: str) -> Any:
    """Return the numpy type of a number."""
    dtype = np.dtype(name)
    if dtype.kind not in "biuf":
        raise ValueError(f"{name} is no number")
    return dtype.type


def _attributes(value: object) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of an instance, also those in slots."""
    yield from getattr(value, "__dict__", {}).items()
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                yield name, getattr(value, name)


def _find(name: str, prefixes: tuple[str, ...]) -> Any:
    """Return the class or function of a name, None if it may not be named."""
    module_name, _, path = name.partition(":")
    found: Any = sys.modules.get(module_name)
    if not module_name.startswith(prefixes) or found is None:
        return None
    for part in path.split("."):
        found = vars(found).get(part)
        if found is None:
            return None
    return found if getattr(found, "__module__", None) == module_name else None
