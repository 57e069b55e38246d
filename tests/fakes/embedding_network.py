"""Tiny networks that describe a crop by its mean colour."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from services.common.models import (
    EmbedderBackend,
    EmbedderEntry,
    EmbedderInput,
    ModelFile,
    PixelOrder,
    TensorLayout,
)

WIDTH_PX, HEIGHT_PX = 4, 8


def write_network(
    path: Path,
    layout: TensorLayout,
    *,
    batch: int | str = "batch",
    dimensions: int = 3,
    root_of: float | None = None,
) -> Path:
    """Write a network whose answer is the mean of each channel.

    Args:
        path: The file.
        layout: Order of its axes.
        batch: Crops at once; a name for any number.
        dimensions: Length of its answer; a multiple of three, the mean colour repeated.
        root_of: The answer is the square root of how much the mean is above this one,
            and NaN below.
    """
    planar = layout is TensorLayout.NCHW
    sides = [3, HEIGHT_PX, WIDTH_PX] if planar else [HEIGHT_PX, WIDTH_PX, 3]
    kind = "Identity" if root_of is None else "Sqrt"
    nodes = [
        helper.make_node(
            "ReduceMean", ["crops"], ["mean"], axes=[2, 3] if planar else [1, 2],
            keepdims=0,
        ),
        helper.make_node("Sub", ["mean", "least"], ["above"]),
        helper.make_node(kind, ["above"], ["seen"]),
        helper.make_node("Concat", ["seen"] * (dimensions // 3), ["vectors"], axis=1),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "mean colour",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, [batch, *sides])],
        [
            helper.make_tensor_value_info(
                "vectors", TensorProto.FLOAT, [batch, dimensions]
            )
        ],
        [helper.make_tensor("least", TensorProto.FLOAT, [1], [root_of or 0.0])],
    )
    opset = helper.make_opsetid("", 13)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
    return path


def entry(
    layout: TensorLayout = TensorLayout.NCHW,
    order: PixelOrder = PixelOrder.RGB,
    *,
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0),
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0),
    dimensions: int = 3,
    backend: EmbedderBackend = EmbedderBackend.ONNX,
) -> EmbedderEntry:
    """Return what a registry would say about such a network."""
    return EmbedderEntry(
        model_id="mean-colour",
        backend=backend,
        licence="Apache-2.0",
        origin="a test",
        files=(ModelFile("mean-colour.onnx", "0" * 64),),
        input=EmbedderInput(WIDTH_PX, HEIGHT_PX, order, layout, mean, deviation),
        dimensions=dimensions,
        match_similarity=0.5,
    )
