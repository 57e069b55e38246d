"""Tiny ONNX networks whose answers are known."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from services.common.ids import ModelId
from services.common.models import (
    DetectorBackend,
    DetectorEntry,
    DetectorHead,
    ModelFile,
    PixelOrder,
)

OPSET = 17
IR_VERSION = 8

_TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float16): TensorProto.FLOAT16,
}


def entry(head: DetectorHead | str, **changes: Any) -> DetectorEntry:
    """Return the entry of a network that reads 96 x 64 pixels, RGB."""
    facts: dict[str, Any] = {
        "model_id": ModelId("tiny"),
        "backend": DetectorBackend.ONNX,
        "head": DetectorHead(head),
        "licence": "Apache-2.0",
        "origin": "this test",
        "files": (ModelFile("tiny.onnx", "0" * 64),),
        "input_width_px": 96,
        "input_height_px": 64,
        "pixel_order": PixelOrder.RGB,
        "high_score": 0.5,
        "low_score": 0.25,
    }
    return DetectorEntry(**{**facts, **changes})


def write_network(
    path: Path,
    outputs: Mapping[str, NDArray[Any]],
    *,
    lit: Mapping[str, NDArray[Any]] | None = None,
    batch: int | str = "batch",
    size: tuple[int | str, int | str] = (64, 96),
    dtype: Any = np.float32,
    extra_input: str | None = None,
    opset: int = OPSET,
) -> Path:
    """Write a network that answers the same for every picture.

    Args:
        path: Where to write it.
        outputs: What it answers for one picture, by name.
        lit: What is added to an output, times the mean sample of the input: it tells
            the pictures of a batch apart.
        batch: Pictures it takes; a text stands for any number.
        size: Height and width that it reads.
        dtype: Type of its input.
        extra_input: Name of a second input, int64, (batch, 2): width and height, which
            the output called `boxes` is multiplied with.
        opset: Version of the operators.
    """
    kind = _TYPES[np.dtype(dtype)]
    inputs = [helper.make_tensor_value_info("images", kind, (batch, 3, *size))]
    nodes = [
        helper.make_node("Cast", ["images"], ["exact"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["exact"], ["mean"], axes=[1, 2, 3], keepdims=0),
    ]
    constants: list[Any] = []
    if extra_input:
        inputs.append(
            helper.make_tensor_value_info(extra_input, TensorProto.INT64, (batch, 2))
        )
        nodes += [
            helper.make_node("Concat", [extra_input, extra_input], ["wide"], axis=1),
            helper.make_node("Cast", ["wide"], ["extent"], to=TensorProto.FLOAT),
        ]
    infos = []
    for name, value in outputs.items():
        info = _add_output(
            name,
            value,
            (lit or {}).get(name),
            nodes,
            constants,
            sized=bool(extra_input),
        )
        infos.append(info)
    graph = helper.make_graph(nodes, "tiny", inputs, infos, constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION
    )
    onnx.save(model, str(path))
    return path


def _add_output(
    name: str,
    value: NDArray[Any],
    lit: NDArray[Any] | None,
    nodes: list[Any],
    constants: list[Any],
    *,
    sized: bool,
) -> Any:
    """Add the nodes that compute one output; return its description."""
    weight = np.zeros_like(value, np.float32) if lit is None else lit

    def constant(label: str, array: NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(array, f"{name}_{label}"))
        return f"{name}_{label}"

    shape = np.array([-1] + [1] * value.ndim, np.int64)
    nodes += [
        helper.make_node("Reshape", ["mean", constant("shape", shape)], [f"{name}_m"]),
        helper.make_node(
            "Mul",
            [f"{name}_m", constant("weight", weight[None].astype(np.float32))],
            [f"{name}_lit"],
        ),
        helper.make_node(
            "Add",
            [f"{name}_lit", constant("value", value[None].astype(np.float32))],
            [f"{name}_sum"],
        ),
    ]
    last = f"{name}_sum"
    if sized and name == "boxes":
        axes = constant("axes", np.array([1], np.int64))
        nodes += [
            helper.make_node("Unsqueeze", ["extent", axes], ["extents"]),
            helper.make_node("Mul", [last, "extents"], [f"{name}_sized"]),
        ]
        last = f"{name}_sized"
    kinds = {"i": TensorProto.INT64, "e": TensorProto.FLOAT16}
    kind = kinds.get(
        value.dtype.char if value.dtype.kind == "f" else "i", TensorProto.FLOAT
    )
    nodes.append(helper.make_node("Cast", [last], [name], to=kind))
    return helper.make_tensor_value_info(name, kind, (None, *value.shape))
