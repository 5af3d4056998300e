"""JSON to float32: numbers go from the text into the matrix, with no Python object each.

For backends whose service answers vectors as JSON numbers. A list of Python floats takes eight
times the memory of the vectors and most of the time. The parser here is simdjson: it checks all
of the grammar, and hands out a row's numbers as one buffer. Whatever is no number is refused,
and then looked for slowly.

It needs pysimdjson, which the core does not bring along: a dist that imports this module depends
on ``ellmental-embeddings[decoding]``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import simdjson

from .errors import BadReply

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Document", "Path", "is_array", "parse", "read_vector"]

Path = tuple[str | int, ...]
"""Keys and positions that lead to a node of a document."""

_REFUSED = (ValueError, TypeError, RuntimeError)  # RecursionError is a RuntimeError


class Document:
    """A JSON answer, parsed.

    Attributes:
        body: its text.
        root: its content. Objects have ``get``, arrays a length and an order, as in ``json``.
    """

    def __init__(self, body: bytes) -> None:
        self.body = body
        try:
            self.root: Any = simdjson.Parser().parse(body)
        except _REFUSED:
            # Either no JSON, or Python's: NaN, huge integers, lone surrogates in a message.
            self.root = _leniently(body)

    def has(self, key: str) -> bool:
        """Whether it is an object with that key."""
        return hasattr(self.root, "keys") and key in self.root

    def at(self, path: Path) -> Any:
        """What stands at a path of keys and positions; None where there is nothing."""
        node = self.root
        for step in path:
            try:
                node = node[step]
            except (KeyError, IndexError, TypeError):
                return None
        return node

    def matrix(self, path: Path = ()) -> NDArray[np.float32]:
        """The vectors of the array of arrays of numbers at a path.

        Returns:
            float32, shape (rows, width).

        Raises:
            BadReply: when it is anything else; says where and what.
        """
        rows = self.at(path)
        if not is_array(rows):
            raise BadReply(f"{_named(rows)} came where a list of vectors should be")
        widths = {len(row) if is_array(row) else -1 for row in rows}
        if len(widths) != 1 or min(widths) <= 0:
            raise BadReply(_fault(rows))
        filled = np.empty((len(rows), widths.pop()), np.float32)
        with np.errstate(over="ignore"):  # the engine finds what became infinite
            for place, row in zip(filled, rows, strict=True):
                numbers = _numbers(row)
                if len(numbers) != len(place):
                    raise BadReply(_fault(rows))
                place[:] = numbers
        # simdjson flattens [1, [2]] unasked. Then there are more brackets than rows.
        try:
            flat = self.body.count(b"[") == _brackets(self.root, path) + 1 + len(rows)
        except RecursionError:
            raise BadReply("the answer is nested too deeply") from None
        if not flat:
            _refuse_nested(rows)
        return filled


def parse(body: bytes) -> Document:
    """Parse an answer.

    Raises:
        BadReply: when it is not JSON.
    """
    return Document(body)


def read_vector(text: bytes | memoryview) -> NDArray[np.float32]:
    """The numbers of one JSON array, cut out of an answer.

    Args:
        text: UTF-8, from bracket to bracket.

    Returns:
        float32, shape (numbers,). What float32 cannot hold is infinite.

    Raises:
        ValueError: when it is anything but one flat array of numbers that JSON has: nested,
            NaN, half of one. It may still be right to a more patient reader.
    """
    try:
        array: Any = simdjson.Parser().parse(text)
        numbers = np.frombuffer(array.as_buffer(of_type="d"))
    except (*_REFUSED, AttributeError):  # of a number or a text alone there is no buffer
        raise ValueError("it is no flat array of numbers") from None
    # simdjson flattens [1, [2]] unasked.
    if bytes(text).count(b"[") != 1:
        raise ValueError("it is an array of arrays")
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def is_array(node: object) -> bool:
    """Whether a node is a JSON array."""
    return isinstance(node, list | simdjson.Array)


def _leniently(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadReply(f"the answer is not JSON; it begins {_excerpt(body)}") from None


def _numbers(row: Any) -> NDArray[np.float64]:
    if isinstance(row, simdjson.Array):
        try:
            return np.frombuffer(row.as_buffer(of_type="d"))
        except _REFUSED:
            return np.empty(0)
    plain = all(type(cell) in (int, float) for cell in row)
    try:
        return np.asarray(row, dtype=np.float64) if plain else np.empty(0)
    except OverflowError:
        return np.empty(0)  # an integer that no float can hold


def _brackets(node: Any, path: Path | None) -> int:
    """Brackets that open an array or stand in a text, but for those of what is at the path.

    The path is None beside the way to it.
    """
    if path == ():
        return 0
    if isinstance(node, str):
        return node.count("[")
    if isinstance(node, dict | simdjson.Object):
        # Not items(): simdjson would make Python objects of everything below.
        return sum(
            key.count("[") + _brackets(node[key], path[1:] if path and path[0] == key else None)
            for key in list(node.keys())
        )
    if is_array(node):
        return 1 + sum(
            _brackets(each, path[1:] if path and path[0] == position else None)
            for position, each in enumerate(node)
        )
    return 0


def _refuse_nested(rows: Any) -> None:
    for number, row in enumerate(rows):
        if not all(isinstance(cell, int | float) for cell in row):
            raise BadReply(
                f"row {number} holds lists: one vector a text is needed, not one a token"
            )


def _fault(rows: Any) -> str:
    """What is wrong with rows that make no matrix."""
    width = len(rows[0]) if len(rows) and is_array(rows[0]) else 0
    for number, row in enumerate(rows):
        if not is_array(row):
            return f"row {number} is {_named(row)}, not a list of numbers"
        for cell in row:
            if isinstance(cell, bool) or not isinstance(cell, int | float):
                return f"row {number} holds {_named(cell)} where a number should be"
        if len(row) != width:
            return f"row {number} has {len(row)} numbers, the first {width}"
    return "the answer has no vectors" if not width else "the numbers cannot be read"


def _named(node: object) -> str:
    if node is None:
        return "null (how JSON spells NaN)"
    if isinstance(node, str):
        return f"the text {node[:40]!r}"
    if is_array(node):
        return "a list"
    return "an object" if isinstance(node, dict | simdjson.Object) else f"{node!r:.40}"


def _excerpt(body: bytes) -> str:
    return repr(body[:80].decode("utf-8", "replace"))
