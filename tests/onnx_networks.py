"""Small networks in ONNX files, as others keep theirs: any layout, order of colours, batch and metadata."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, DIMENSION = 16, 6


def weights(colors: int = 3, seed: int = 0) -> np.ndarray:
    """Of a network that averages patches of 4 x 4 pixels and takes sums of them: float32 (colors * 16, D)."""
    return np.random.default_rng(seed).normal(size=(colors * (SIDE // 4) ** 2, DIMENSION)).astype(np.float32)


def expected(crops: np.ndarray, order: str, mean: object, scale: object, seed: int = 0) -> np.ndarray:
    """What that network gives of crops (N, SIDE, SIDE, 3) RGB, written out in NumPy: (N, D), of norm 1."""
    images = crops[..., ::-1] if order == "BGR" else crops
    images = (images.astype(np.float64) - np.asarray(mean)) / np.asarray(scale)
    patches = images.reshape(len(crops), 4, 4, 4, 4, -1).mean(axis=(2, 4)).transpose(0, 3, 1, 2)
    rows = patches.reshape(len(crops), -1) @ weights(crops.shape[3], seed).astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def save(
    path: Path,
    layout: str = "NCHW",
    *,
    colors: int = 3,
    batch: object = "n",
    shape: list | None = None,
    metadata: dict[str, str] | None = None,
    kind: int = TensorProto.FLOAT,
    outputs: tuple[str, ...] = ("embeddings",),
) -> Path:
    """Write that network; its input is as ``shape`` says, or (batch, C, SIDE, SIDE) in the layout."""
    if shape is None:
        shape = [batch, colors, SIDE, SIDE] if layout == "NCHW" else [batch, SIDE, SIDE, colors]
    nodes = [helper.make_node("Transpose", ["face"], ["nchw"], perm=[0, 3, 1, 2])] if layout == "NHWC" else []
    start = "nchw" if layout == "NHWC" else "face"
    if kind != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [start], ["cast"], to=TensorProto.FLOAT))
        start = "cast"
    nodes += [
        helper.make_node("AveragePool", [start], ["patches"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["patches"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["embeddings"]),
        helper.make_node("ReduceSum", ["embeddings"], ["norm"], keepdims=1),
    ]
    known = {
        "embeddings": helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, None),
        "patches": helper.make_tensor_value_info("patches", TensorProto.FLOAT, None),
        "flat": helper.make_tensor_value_info("flat", TensorProto.FLOAT, None),
        "norm": helper.make_tensor_value_info("norm", TensorProto.FLOAT, None),
    }
    graph = helper.make_graph(
        nodes,
        "faces",
        [helper.make_tensor_value_info("face", kind, shape)],
        [known[name] for name in outputs],
        [numpy_helper.from_array(weights(colors), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path
