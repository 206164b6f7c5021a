"""Tiny ONNX detectors, written byte by byte: a bright block of the picture is an object.

The protobuf fields are those of onnx.proto (ir_version 8, opset 17); no library is needed.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

SIDE = 64
STRIDES = (8, 16, 32)
_TYPES = {"float32": 1, "int64": 7, "float16": 10}


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _put(field: int, value: object) -> bytes:
    """One protobuf field: whole number, float, text or message."""
    if isinstance(value, int):
        return _varint(field << 3) + _varint(value)
    if isinstance(value, float):
        return _varint(field << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    assert isinstance(data, bytes)
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def tensor(name: str, array: np.ndarray) -> bytes:
    dims = b"".join(_put(1, size) for size in array.shape)
    kind = _TYPES[array.dtype.name]
    return dims + _put(2, kind) + _put(8, name) + _put(9, np.ascontiguousarray(array).tobytes())


def value(name: str, shape: tuple[int | str, ...], kind: int = 1) -> bytes:
    dims = b"".join(_put(1, _put(2 if isinstance(s, str) else 1, s)) for s in shape)
    return _put(1, name) + _put(2, _put(1, _put(1, kind) + _put(2, dims)))


def node(operation: str, inputs: list[str], output: str, **attributes: int | list[int]) -> bytes:
    out = b"".join(_put(1, name) for name in inputs) + _put(2, output) + _put(4, operation)
    for name, given in attributes.items():
        many = isinstance(given, list)
        numbers = b"".join(_put(8, each) for each in given) if many else _put(3, given)
        out += _put(5, _put(1, name) + numbers + _put(20, 7 if many else 2))
    return out


def model(
    nodes: list[bytes],
    constants: dict[str, np.ndarray],
    inputs: list[bytes],
    outputs: list[bytes],
    metadata: dict[str, str],
) -> bytes:
    graph = b"".join(_put(1, each) for each in nodes) + _put(2, "tiny")
    graph += b"".join(_put(5, tensor(name, array)) for name, array in constants.items())
    graph += b"".join(_put(11, each) for each in inputs)
    graph += b"".join(_put(12, each) for each in outputs)
    props = b"".join(_put(14, _put(1, k) + _put(2, v)) for k, v in metadata.items())
    return _put(1, 8) + _put(7, graph) + _put(8, _put(1, "") + _put(2, 17)) + props


def grid(stride: int, side: int = SIDE) -> np.ndarray:
    """Boxes x, y, w, h of the cells of one level, row by row."""
    at = (np.arange(side // stride) + 0.5) * stride
    y, x = np.meshgrid(at, at, indexing="ij")
    wide = np.full(x.size, float(stride))
    return np.stack([x.ravel(), y.ravel(), wide, wide], 1).astype(np.float32)


def bright_blocks(
    form: str,
    *,
    classes: int = 1,
    colour: int | None = None,
    metadata: dict[str, str] | None = None,
    shape: tuple[int | str, ...] = (1, 3, SIDE, SIDE),
    kind: int = 1,
) -> bytes:
    """A detector whose score of a place is how bright its 8 px block is (coarser levels: 0).

    form: v5, v8 or end2end. classes: the last one is the one that is found. colour: look at this
    colour only; by default at the mean of all.
    """
    look = np.full((1, 3, 1, 1), 1 / 3, np.float32)
    if colour is not None:
        look[:] = 0
        look[0, colour] = 1
    nodes = [node("Mul", ["images", "look"], "seen")]
    constants = {"look": look.astype(np.float16 if kind == 10 else np.float32)}
    scores = []
    for stride in STRIDES[: 1 if form == "end2end" else 3]:
        count = (SIDE // stride) ** 2
        pool = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
        constants[f"shape{stride}"] = np.array([1, 1, count], np.int64)
        constants[f"use{stride}"] = np.full(1, stride == 8, constants["look"].dtype)
        nodes += [
            node("AveragePool", ["seen"], f"pool{stride}", **pool),
            node("Mul", [f"pool{stride}", f"use{stride}"], f"used{stride}"),
            node("ReduceSum", [f"used{stride}", "axis"], f"sum{stride}", keepdims=1),
            node("Reshape", [f"sum{stride}", f"shape{stride}"], f"score{stride}"),
        ]
        scores.append(f"score{stride}")
    constants["axis"] = np.array([1], np.int64)
    nodes.append(node("Concat", scores, "score", axis=2))
    boxes = np.concatenate([grid(each) for each in STRIDES[: len(scores)]]).T[None]
    none = np.zeros_like(boxes[:, :1])
    if form == "end2end":
        boxes = np.concatenate(
            [boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1
        )
        constants["after"] = np.full_like(none, classes - 1)
        parts = ["boxes", "score", "after"]
    else:
        constants["before"] = np.concatenate([none + (form == "v5")] + [none] * (classes - 1), 1)
        parts = ["boxes", "before", "score"]
        if form == "v8" and classes == 1:
            parts = ["boxes", "score"]
        elif form == "v8":
            constants["before"] = constants["before"][:, 1:]
    constants["boxes"] = boxes
    if kind == 10:
        constants = {
            k: a.astype(np.float16) if a.dtype.kind == "f" else a for k, a in constants.items()
        }
    nodes.append(node("Concat", parts, "table", axis=1))
    if form == "v5":  # three anchors in every place, the same box from each
        nodes.append(node("Concat", ["table"] * 3, "anchors", axis=2))
    last = {"v5": "anchors", "end2end": "table"}.get(form)
    if last:
        nodes.append(node("Transpose", [last], "output0", perm=[0, 2, 1]))
    else:
        nodes.append(node("Identity", ["table"], "output0"))
    constants = {
        name: array for name, array in constants.items() if name != "before" or "before" in parts
    }
    out = [value("output0", ("a", "b", "c"), kind)]
    return model(nodes, constants, [value("images", shape, kind)], out, metadata or {})


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
