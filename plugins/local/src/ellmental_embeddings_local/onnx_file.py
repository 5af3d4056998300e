"""Reads the weights, and nothing else, out of an ONNX file.

An ONNX file is one protobuf message: ModelProto > GraphProto > initialisers (TensorProto) and
nodes (NodeProto). Exporters keep the names of biases, norms and tables, but rename the matrix
of each linear layer (``val_49``), so a matrix is named after the bias that is added to its
product. Weight-only int8 is ``Mul(Cast(values), scale)`` in the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from .tensors import Quantised, Tensor, Tensors, WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["read_onnx"]

_Array: TypeAlias = "NDArray[np.generic]"

# TensorProto.DataType -> numpy; the types weights come in.
_TYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8"}
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5  # protobuf's wire types


class _Node(NamedTuple):
    """A node of the graph: an operation, what it takes and what it makes."""

    operation: str
    inputs: list[str]
    outputs: list[str]


def read_onnx(data: memoryview) -> Tensors:
    """All weights of a file under the names of the original checkpoint.

    Args:
        data: the whole file. int8 and float32 tensors are views into it.

    Returns:
        The tensors; matrices of linear layers have the shape (outputs, inputs), as in PyTorch.

    Raises:
        WeightsError: when the file is cut short, is no ONNX file, or keeps its weights elsewhere.
    """
    try:
        graph = _first(_fields(data), 7)
        arrays = dict(_array(field) for number, field in _fields(graph) if number == 5)  # noqa: PLR2004
        nodes = [_node(field) for number, field in _fields(graph) if number == 1]
    except (IndexError, ValueError, TypeError) as error:
        raise WeightsError("it is cut short, or no ONNX file with its weights inside") from error
    makers = {output: node for node in nodes for output in node.outputs}
    tensors: Tensors = {}
    for name in [*arrays, *makers]:
        found = _weight(name, arrays, makers)
        if found is not None:
            tensors[name] = found
    return tensors | _linear(nodes, tensors, makers)


def _weight(name: str, arrays: dict[str, _Array], makers: dict[str, _Node]) -> Tensor | None:
    """A floating-point initialiser, or one in eight bits with its scale."""
    array = arrays.get(name)
    if array is not None:
        return array.astype(np.float32, copy=False) if array.dtype.kind == "f" else None
    node = makers[name]
    if node.operation != "Mul" or len(node.inputs) != 2:  # noqa: PLR2004 - values and scale
        return None
    cast, scale = makers.get(node.inputs[0]), arrays.get(node.inputs[1])
    values = arrays.get(cast.inputs[0]) if cast and cast.operation == "Cast" else None
    if values is None or scale is None or values.dtype != np.int8:
        return None
    return Quantised(values.astype(np.int8, copy=False), scale.astype(np.float32, copy=False))


def _linear(nodes: list[_Node], tensors: Tensors, makers: dict[str, _Node]) -> Tensors:
    """The matrices of linear layers, named after their biases and turned as PyTorch has them."""
    found: Tensors = {}
    for node in nodes:
        if node.operation != "Add":
            continue
        bias = next((name for name in node.inputs if name.endswith(".bias")), None)
        products = [makers[name] for name in node.inputs if name in makers]
        if bias and products and products[0].operation == "MatMul":
            matrix = tensors.get(products[0].inputs[1])
            if matrix is not None:
                found[bias.removesuffix("bias") + "weight"] = matrix.T
    return found


def _array(message: int | memoryview) -> tuple[str, _Array]:
    """A TensorProto's name and values."""
    shape: list[int] = []
    name, kind, raw = "", 0, None
    for number, field in _fields(message):
        if number == 1:  # dims, one by one or packed
            shape += [field] if isinstance(field, int) else _varints(field)
        elif number == 2 and isinstance(field, int):  # noqa: PLR2004 - data_type
            kind = field
        elif number == 8 and not isinstance(field, int):  # noqa: PLR2004 - name
            name = str(field, "utf-8")
        elif number in {4, 9}:  # float_data (packed) or raw_data
            raw = field
    if kind not in _TYPES:
        return name, np.empty(0, np.bool_)
    if raw is None or isinstance(raw, int):
        # Small integers of the graph's own arithmetic come in other fields: no weights.
        return name, np.empty(0, np.bool_)
    return name, np.frombuffer(raw, _TYPES[kind]).reshape(shape)


def _node(message: int | memoryview) -> _Node:
    """A NodeProto's operation, inputs and outputs."""
    node = _Node("", [], [])
    for number, field in _fields(message):
        if isinstance(field, int):
            continue
        if number == 1:
            node.inputs.append(str(field, "utf-8"))
        elif number == 2:  # noqa: PLR2004
            node.outputs.append(str(field, "utf-8"))
        elif number == 4:  # noqa: PLR2004
            node = node._replace(operation=str(field, "utf-8"))
    return node


def _first(fields: Iterator[tuple[int, int | memoryview]], wanted: int) -> memoryview:
    """The first embedded message of that field number; all fields are read, to see the end."""
    messages = [
        field for number, field in fields if number == wanted and not isinstance(field, int)
    ]
    return messages[0]


def _fields(data: int | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a protobuf message: (number, integer or bytes)."""
    if isinstance(data, int):
        raise TypeError("a message was expected")
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in {_EIGHT_BYTES, _FOUR_BYTES}:
            length = 8 if wire == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + length > len(data):
            raise ValueError("cut short")
        yield key >> 3, data[at : at + length]
        at += length


def _varints(data: memoryview) -> list[int]:
    """Packed integers."""
    values, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        values.append(value)
    return values


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """An integer of seven bits a byte, lowest first, and the place behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004 - the top bit says that more follow
            return value, at
        shift += 7
