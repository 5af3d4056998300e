"""Good answers, and the ways to spoil what they say: functions from answer to answer."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Spoil = Callable[[NDArray[np.float32]], NDArray[np.float32]]

__all__ = ["CHANGES", "SPELLINGS", "Answer", "good_answer"]

Answer = dict[str, Any]


def good_answer(
    model: str, vectors: NDArray[np.float32], tokens: int, *, base64_asked: bool
) -> Answer:
    """The answer of a service that works."""
    rows = [_like(vector, "" if base64_asked else []) for vector in vectors]
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": place, "embedding": row}
            for place, row in enumerate(rows)
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _reordered(answer: Answer) -> object:
    data = answer["data"]
    return {**answer, "data": [*data[1::2], *data[::2][::-1]]}


def _dropped(answer: Answer) -> object:
    return {**answer, "data": answer["data"][:-1]}


def _dropped_first(answer: Answer) -> object:
    """One row is missing and the others are numbered anew: only the count tells."""
    rows = [{**row, "index": place} for place, row in enumerate(answer["data"][1:])]
    return {**answer, "data": rows}


def _doubled(answer: Answer) -> object:
    """As many rows as texts, but one stands for another."""
    data = answer["data"]
    return {**answer, "data": [data[0], *data[:-1]] if len(data) > 1 else [*data, *data]}


def _extra(answer: Answer) -> object:
    data = answer["data"]
    return {**answer, "data": [*data, {**data[-1], "index": len(data)}]}


def _without_index(answer: Answer) -> object:
    rows = [{key: row[key] for key in row if key != "index"} for row in answer["data"]]
    return {**answer, "data": rows}


def _wild_index(answer: Answer) -> object:
    rows = [{**row, "index": row["index"] + 1} for row in answer["data"]]
    return {**answer, "data": rows}


def _each(change: Spoil, place: int | None = -1) -> Callable[[Answer], object]:
    """A change of the vector at one place, or of all (None), in the encoding that was asked."""

    def changed(answer: Answer) -> object:
        rows = [dict(row) for row in answer["data"]]
        for row in rows if place is None else [rows[place]]:
            row["embedding"] = _like(change(_vector(row["embedding"])), row["embedding"])
        return {**answer, "data": rows}

    return changed


def _vector(spelled: str | list[float]) -> NDArray[np.float32]:
    if isinstance(spelled, str):
        return np.frombuffer(base64.b64decode(spelled), "<f4").astype(np.float32)
    return np.array(spelled, np.float32)


def _like(vector: NDArray[np.float32], spelled: str | list[float]) -> object:
    if isinstance(spelled, str):
        return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    return vector.astype(float).tolist()


def _with_first(number: float) -> Spoil:
    def changed(vector: NDArray[np.float32]) -> NDArray[np.float32]:
        spoiled = vector.copy()
        spoiled[0] = number
        return spoiled

    return changed


def _embedding(made: Callable[[Any], object]) -> Callable[[Answer], object]:
    """A change of the last row's spelled embedding."""

    def changed(answer: Answer) -> object:
        *rows, last = answer["data"]
        return {**answer, "data": [*rows, {**last, "embedding": made(last["embedding"])}]}

    return changed


def _misaligned(spelled: str | list[float]) -> object:
    """Base64 whose bytes are no whole floats."""
    raw = spelled if isinstance(spelled, str) else "AAAA"
    return base64.b64encode(base64.b64decode(raw)[:-1]).decode("ascii")


CHANGES: dict[str, Callable[[Answer], object]] = {
    "reordered": _reordered,
    "dropped": _dropped,
    "dropped_first": _dropped_first,
    "doubled": _doubled,
    "extra": _extra,
    "without_index": _without_index,
    "wild_index": _wild_index,
    "nan": _each(_with_first(float("nan"))),
    "infinite": _each(_with_first(float("inf"))),
    "one_narrow": _each(lambda vector: vector[:-1]),
    "all_narrow": _each(lambda vector: vector[:-1], place=None),
    "not_base64": _embedding(lambda _: "%%% this is not base64 %%%"),
    "misaligned": _embedding(_misaligned),
    "null_embedding": _embedding(lambda _: None),
    "token_level": _embedding(lambda _: [[0.5, 0.5], [0.5, 0.5]]),
    "floats": lambda answer: {
        **answer,
        "data": [
            {**row, "embedding": _vector(row["embedding"]).astype(float).tolist()}
            for row in answer["data"]
        ],
    },
    "empty_data": lambda answer: {**answer, "data": []},
    "null_data": lambda answer: {**answer, "data": None},
    "without_data": lambda answer: {key: answer[key] for key in answer if key != "data"},
    "without_usage": lambda answer: {key: answer[key] for key in answer if key != "usage"},
    "null_usage": lambda answer: {**answer, "usage": None},
    "odd_usage": lambda answer: {
        **answer,
        "usage": {"prompt_tokens": "12", "total_tokens": -1, "cost": {"embedding": [1.0]}},
    },
    "another_model": lambda answer: {**answer, "model": "some-other-embed"},
    "null": lambda _: None,
    "list": lambda answer: answer["data"],
    "string": lambda _: "ok",
    "extra_fields": lambda answer: {
        "id": "emb-1",
        "created": 1,
        "error": None,
        **answer,
        "data": [{**row, "encoding_format": "base64", "note": None} for row in answer["data"]],
    },
}
"""What an answer can say instead of what it should."""


def _shuffled(answer: object) -> bytes:
    """Keys in an unusual order: data first, embedding before index."""

    def turned(value: object) -> object:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in sorted(value, key=lambda key: key[::-1])}
        return [turned(item) for item in value] if isinstance(value, list) else value

    return json.dumps(turned(answer)).encode()


def _escaped(answer: object) -> bytes:
    r"""Every letter of the base64 and the keys as \u00xx, slashes as \/."""
    plain = json.dumps(answer)
    out, inside, skip = [], False, False
    for letter in plain:
        if skip:
            out.append(letter)
            skip = False
        elif letter == "\\":
            out.append(letter)
            skip = True
        elif letter == '"':
            out.append(letter)
            inside = not inside
        elif inside:
            out.append("\\/" if letter == "/" else f"\\u{ord(letter):04x}")
        else:
            out.append(letter)
    return "".join(out).encode()


def _spaced(answer: object) -> bytes:
    """A megabyte of white space around and inside."""
    inner = json.dumps(answer, indent=4, separators=("  ,\r\n\t", " :\t "))
    return (" \r\n\t" * 131_072 + inner + "\n" * 524_288).encode()


SPELLINGS: dict[str, Callable[[object], bytes]] = {
    "shuffled_keys": _shuffled,
    "escaped": _escaped,
    "spaced": _spaced,
    "compact": lambda answer: json.dumps(answer, separators=(",", ":")).encode(),
    "byte_order_mark": lambda answer: b"\xef\xbb\xbf" + json.dumps(answer).encode(),
    "slashes": lambda answer: json.dumps(answer).replace("/", "\\/").encode(),
    "sentence_first": lambda answer: json.dumps(
        {"note": 'in it: "embedding": "AAAA", "index": 7', **answer}  # type: ignore[dict-item]
    ).encode(),
}
"""Other valid spellings of one answer: each must be read rightly."""
