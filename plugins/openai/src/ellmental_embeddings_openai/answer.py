"""An answer's bytes to a float32 matrix: base64 or floats, with no list of Python floats.

The quick way cuts the vectors out of the body, so that a JSON parser reads only the skeleton
that is left, with a number in the place of each vector. The parser then proves what the cutting
assumed: one JSON document, a list of objects, in each exactly one vector that was cut out and
its own index. White space, order of keys and further fields are the parser's business. Where
anything differs (escapes, vectors within vectors, nulls), the whole body is parsed instead.
"""

from __future__ import annotations

import binascii
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ellmental_embeddings import BadReply

try:
    from pybase64 import b64decode
except ImportError:  # a platform it has no wheel for
    from base64 import b64decode  # type: ignore[assignment]  # called in one way that both have

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Answer", "TokenLevel", "read_answer"]

_VECTOR = re.compile(rb'"embedding"\s*:\s*(["\[])')

_FLOAT32 = np.dtype("<f4")
"""Base64 vectors are little-endian on every server; numpy swaps on a big-endian client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer.

    Attributes:
        vectors: float32, shape (texts, dimensions), in the order of the texts.
        tokens: ``usage.prompt_tokens``, where it is there.
        model: ``model``, where it is there.
    """

    vectors: NDArray[np.float32]
    tokens: int | None
    model: str | None


class TokenLevel(BadReply):
    """One vector a token came for every text, where one a text should."""


class _Differs(Exception):
    """The body is not of the form that the quick way knows."""


def read_answer(
    content: bytes, texts: int, out: NDArray[np.float32] | None = None
) -> Answer | dict[str, Any]:
    """Read an answer to so many texts.

    Args:
        content: the answer's body.
        texts: how many texts were asked for.
        out: where the vectors are written if they fit: float32, shape (texts, dimensions).

    Returns:
        The answer; or the body itself, where it holds an ``error`` in place of vectors.

    Raises:
        BadReply: when it makes no sense.
        TokenLevel: when every text has one vector a token.
    """
    try:
        body, vectors = _cut(content, out)
    except _Differs:
        body, vectors = _parsed(content)
    if vectors is None:
        return body
    items = body["data"]
    if len(items) != texts:
        raise BadReply(f"{len(items)} vectors came for {texts} texts")
    usage = body.get("usage")
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    model = body.get("model")
    return Answer(
        vectors=_in_order(vectors, [item.get("index") for item in items]),
        tokens=tokens if type(tokens) is int and tokens >= 0 else None,
        model=model if isinstance(model, str) and model else None,
    )


def _cut(
    content: bytes, out: NDArray[np.float32] | None
) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """The body without its vectors, and the vectors, in the order of ``data``."""
    kept, pieces, position = [], [], 0
    while found := _VECTOR.search(content, position):
        is_text = found[1] == b'"'
        start = found.end() if is_text else found.end() - 1
        stop = content.find(b'"' if is_text else b"]", start)
        if stop < 0:
            raise _Differs
        pieces.append((is_text, start, stop if is_text else stop + 1))
        kept.append(content[position : found.end() - 1])
        kept.append(b"%d" % (len(pieces) - 1))
        position = stop + 1
    kept.append(content[position:])
    if not pieces:
        raise _Differs
    body = _json(b"".join(kept))
    order: list[Any] = [item.get("embedding") for item in _items(body)]
    if not _is_each_once(order, len(pieces)):
        raise _Differs
    return body, _decoded(content, [pieces[place] for place in order], out)


def _decoded(
    content: bytes, pieces: list[tuple[bool, int, int]], out: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    view = memoryview(content)
    matrix: NDArray[np.float32] | None = None
    for row, (is_text, start, stop) in enumerate(pieces):
        vector = _from_base64(view[start:stop]) if is_text else _from_floats(view[start:stop])
        if matrix is None:
            shape = (len(pieces), len(vector))
            room = out if out is not None and out.shape == shape else None
            matrix = np.empty(shape, dtype=np.float32) if room is None else room
        elif len(vector) != matrix.shape[1]:
            raise BadReply(f"vectors of {matrix.shape[1]} and of {len(vector)} dimensions came")
        matrix[row] = vector
    assert matrix is not None  # there is at least one piece
    return matrix


def _from_base64(text: memoryview | str) -> NDArray[np.float32]:
    try:
        decoded = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _Differs from None
    if len(decoded) % _FLOAT32.itemsize:
        raise BadReply("a vector in base64 is cut off: it is no whole number of floats")
    return np.frombuffer(decoded, dtype=_FLOAT32)


def _from_floats(text: memoryview) -> NDArray[np.float32]:
    from ellmental_embeddings.decoding import read_vector

    try:
        return read_vector(text)
    except ValueError:
        raise _Differs from None


def _as_vector(numbers: object) -> NDArray[np.float32]:
    """A vector of JSON numbers; numpy would convert strings of digits without a word."""
    if isinstance(numbers, list) and any(isinstance(number, bool) for number in numbers):
        raise BadReply("a vector holds something that is no number")
    try:
        vector = np.asarray(numbers)
    except ValueError:
        raise BadReply("a vector holds lists of different lengths") from None
    if vector.ndim != 1 or (vector.dtype.kind not in "fiu" and len(vector)):
        raise BadReply("a vector holds something that is no number, or further vectors")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite; the core looks
        return vector.astype(np.float32)


def _parsed(content: bytes) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """The slow way: the whole body as JSON. No vectors where it is an error."""
    try:
        body = _json(content)
    except _Differs:
        raise BadReply(_not_json(content)) from None
    if not isinstance(body, dict):
        raise BadReply(f"the answer is a JSON {type(body).__name__}, not an object")
    if body.get("error") and not body.get("data"):
        return body, None
    try:
        items = _items(body)
    except _Differs:
        raise BadReply("the answer has no list of vectors in `data`") from None
    if not items:
        return body, np.empty((0, 0), dtype=np.float32)
    if all(_is_token_level(item.get("embedding")) for item in items):
        raise TokenLevel(
            f"{len(items[0]['embedding'])} vectors came for one text, one a token: the server does "
            "no pooling. Start it with mean or cls pooling (llama.cpp: --pooling mean), or choose "
            "a model for sentence embeddings"
        )
    rows = [_as_row(item.get("embedding")) for item in items]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise BadReply(f"vectors of {' and of '.join(map(str, sorted(widths)))} dimensions came")
    return body, np.stack(rows)


def _is_token_level(embedding: object) -> bool:
    return isinstance(embedding, list) and bool(embedding) and isinstance(embedding[0], list)


def _as_row(embedding: object) -> NDArray[np.float32]:
    if not isinstance(embedding, str):
        return _as_vector(embedding)
    try:
        return _from_base64(embedding)
    except _Differs:
        raise BadReply("a vector is a text that is no base64") from None


def _items(body: object) -> list[dict[str, Any]]:
    items = body.get("data") if isinstance(body, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _Differs
    return items


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):  # bytes that are no UTF-8 are a ValueError too
        raise _Differs from None


def _not_json(content: bytes) -> str:
    if not content.strip():
        return "the answer is empty"
    return f"the answer is no JSON, or cut off after {len(content):,} bytes"


def _in_order(vectors: NDArray[np.float32], index: list[Any]) -> NDArray[np.float32]:
    """Rows in the order of the texts. Servers that leave ``index`` out mean their own order."""
    if all(place is None for place in index):
        return vectors
    if not _is_each_once(index, len(index)):
        raise BadReply(f"the vectors' indices are not 0 to {len(index) - 1}, each once")
    if index == sorted(index):
        return vectors
    ordered = np.empty_like(vectors)
    ordered[index] = vectors
    return ordered


def _is_each_once(places: list[Any], number: int) -> bool:
    """Whether they are the numbers from 0, each once; True and 1.0 are no places."""
    return all(type(place) is int for place in places) and sorted(places) == list(range(number))
