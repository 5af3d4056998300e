"""Reads the safetensors format: a length, a JSON header, then the raw arrays."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .tensors import Tensors, WeightsError

if TYPE_CHECKING:
    from .tensors import Floats

__all__ = ["read_safetensors"]

_TYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}


def read_safetensors(data: memoryview) -> Tensors:
    """All floating-point tensors of a file, by name.

    Args:
        data: the whole file. float32 tensors are views into it, others are copies.

    Raises:
        WeightsError: when the file is cut short, or is no safetensors file.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:  # noqa: PLR2004 - the width of the length
        raise WeightsError("it is cut short, or no safetensors file")
    try:
        header = json.loads(bytes(data[8 : 8 + length]))
        return {
            name: _tensor(entry, data[8 + length :])
            for name, entry in header.items()
            if name != "__metadata__" and not entry["dtype"].startswith(("I", "U", "BOOL"))
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"it is no safetensors file ({error})") from error


def _tensor(entry: dict[str, Any], data: memoryview) -> Floats:
    shape = tuple(int(side) for side in entry["shape"])
    begin, end = entry["data_offsets"]
    if entry["dtype"] == "BF16":  # the upper half of a float32
        halves = np.frombuffer(data[begin:end], "<u2").astype(np.uint32)
        return (halves << 16).view(np.float32).reshape(shape)
    if entry["dtype"] not in _TYPES:
        raise WeightsError(f"it holds {entry['dtype']} numbers, which are not supported")
    kind = np.dtype(_TYPES[entry["dtype"]])
    if end > len(data) or end - begin != math.prod(shape) * kind.itemsize:
        raise WeightsError("it is cut short, or its header is wrong")
    return np.frombuffer(data[begin:end], kind).reshape(shape).astype(np.float32, copy=False)
