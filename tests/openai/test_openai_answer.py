"""Answers' bytes to a matrix: every spelling is read, nothing that differs is believed."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ellmental_embeddings import BadReply
from ellmental_embeddings_openai import answer as module
from ellmental_embeddings_openai.answer import Answer, TokenLevel, read_answer

Matrix = NDArray[np.float32]

VECTORS: Matrix = (np.arange(12).reshape(4, 3) / 7 - 0.5).astype(np.float32)


def spelled(vector: Matrix, *, floats: bool = False) -> Any:
    """A vector as servers write it."""
    if floats:
        return [float(number) for number in vector]
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def body_of(vectors: Matrix = VECTORS, *, floats: bool = False, **changes: Any) -> dict[str, Any]:
    """A good answer, as an object."""
    data = [
        {"object": "embedding", "index": place, "embedding": spelled(vector, floats=floats)}
        for place, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 9, "total_tokens": 9}
    return {"object": "list", "data": data, "model": "m", "usage": usage, **changes}


def read(body: object, texts: int = 4) -> Answer:
    """Read an answer that must be good."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = read_answer(content, texts)
    assert isinstance(found, Answer)
    assert found.vectors.dtype == np.float32
    assert found.vectors.flags.c_contiguous
    return found


@pytest.mark.parametrize("floats", [False, True])
@pytest.mark.parametrize(
    "spelling",
    [
        {},
        {"separators": (",", ":")},
        {"indent": 2},
        {"sort_keys": True},
        {"indent": "\t", "separators": (" ,\r\n", " : ")},
    ],
)
def test_spellings(spelling: dict[str, Any], *, floats: bool) -> None:
    """White space and order of keys do not matter, nor whether vectors are base64 or floats."""
    answer = read(json.dumps(body_of(floats=floats), **spelling).encode())
    np.testing.assert_allclose(answer.vectors, VECTORS, rtol=1e-6)
    assert (answer.tokens, answer.model) == (9, "m")


@pytest.mark.parametrize("floats", [False, True])
def test_the_quick_way_is_taken(monkeypatch: pytest.MonkeyPatch, *, floats: bool) -> None:
    """The usual answers are never parsed as a whole."""
    monkeypatch.setattr(module, "_parsed", None)
    read(body_of(floats=floats))


def test_answers_in_floats_make_no_list() -> None:
    """A server that answers floats costs no Python object a number: a list takes eight times."""
    import tracemalloc

    rows: Matrix = np.random.default_rng(0).standard_normal((100, 768)).astype(np.float32)
    content = json.dumps(body_of(rows, floats=True)).encode()
    room = np.empty_like(rows)
    tracemalloc.start()
    found = read_answer(content, 100, room)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found, Answer)
    np.testing.assert_array_equal(room, rows)
    assert peak < rows.nbytes / 2


def test_escapes_take_the_slow_way() -> None:
    r"""``\/`` in base64, as PHP's servers write it, and keys as escapes."""
    vector = np.frombuffer(b"\xff\xff\x7f\x3f" * 3, dtype="<f4")
    content = json.dumps(body_of(vector.reshape(1, 3))).replace("/", "\\/").encode()
    assert b"\\/" in content
    np.testing.assert_array_equal(read(content, 1).vectors[0], vector)
    escaped = json.dumps(body_of()).replace('"embedding":', '"embeddin\\u0067":').encode()
    np.testing.assert_array_equal(read(escaped).vectors, VECTORS)


@pytest.mark.parametrize("field", ["model", "note"])
def test_what_looks_like_a_vector_is_none(field: str) -> None:
    """A text that spells a vector, or a vector elsewhere, misleads nobody."""
    body = body_of()
    body[field] = 'x", "embedding": "AAAA", "index": 0, "'
    np.testing.assert_array_equal(read(body).vectors, VECTORS)
    body["other"] = {"embedding": spelled(VECTORS[0])}
    np.testing.assert_array_equal(read(body).vectors, VECTORS)
    nested = body_of()
    nested["data"][1]["more"] = {"embedding": spelled(VECTORS[3])}
    np.testing.assert_array_equal(read(nested).vectors, VECTORS)


def test_a_key_twice() -> None:
    """JSON's last one counts, as in every parser; never half of each."""
    one = json.dumps(body_of(VECTORS[:1]))
    twice = one.replace('"embedding": "', f'"embedding": "{spelled(VECTORS[1])}", "embedding": "')
    np.testing.assert_array_equal(read(twice.encode(), 1).vectors, VECTORS[:1])


@settings(max_examples=50)
@given(order=st.permutations(range(4)), floats=st.booleans())
def test_rows_stand_where_their_index_says(order: list[int], floats: bool) -> None:
    """In whatever order they come."""
    body = body_of(floats=floats)
    body["data"] = [body["data"][place] for place in order]
    np.testing.assert_allclose(read(body).vectors, VECTORS, rtol=1e-6)


def test_without_any_index_the_order_counts() -> None:
    """Some servers leave it out for all."""
    body = body_of()
    for item in body["data"]:
        del item["index"]
    np.testing.assert_array_equal(read(body).vectors, VECTORS)


@pytest.mark.parametrize(
    "index",
    [[0, 1, 2, 2], [1, 2, 3, 4], [0, 1, 2, None], [0, 1, 2, "3"], [0, True, 2, 3], [0.0] * 4],
)
def test_indices_that_are_not_each_once(index: list[Any]) -> None:
    """Refused, never put anywhere by luck."""
    body = body_of()
    for item, place in zip(body["data"], index, strict=True):
        item["index"] = place
    with pytest.raises(BadReply, match="each once"):
        read(body)


@pytest.mark.parametrize("floats", [False, True])
@pytest.mark.parametrize("texts", [0, 1, 3, 5])
def test_another_count_than_texts(texts: int, *, floats: bool) -> None:
    """Too few and too many are refused with both numbers."""
    with pytest.raises(BadReply, match=f"4 vectors came for {texts} texts"):
        read(body_of(floats=floats), texts)


def bad(**item: Any) -> dict[str, Any]:
    """An answer whose second row differs."""
    body = body_of()
    body["data"][1] |= item
    return body


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"null", "NoneType"),
        (b"[]", "list"),
        (b'"data"', "str"),
        (b"{}", "no list"),
        (b'{"data": null}', "no list"),
        (b'{"data": {}}', "no list"),
        (b'{"data": [1, 2]}', "no list"),
        (b"\xff\xfe", "no JSON"),
        (json.dumps(body_of()).encode()[:-3], "cut off"),
        (json.dumps(body_of()).encode()[:90], "cut off"),
        (json.dumps(body_of()).encode() + b"{}", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (bad(embedding=None), "no number"),
        (bad(embedding={"a": 1}), "no number"),
        (bad(embedding=True), "no number"),
        (bad(embedding=["0.1", "0.2", "0.3"]), "no number"),
        (bad(embedding=[0.1, None, 0.3]), "no number"),
        (bad(embedding=[0.1, [0.2], 0.3]), "lengths|no number"),
        (bad(embedding=[[0.1, 0.2, 0.3]]), "further vectors"),
        (bad(embedding="!!!!"), "no base64"),
        (bad(embedding="AAA"), "no base64"),
        (bad(embedding="AAAAAAA="), "whole number"),
        (bad(embedding=spelled(VECTORS[0][:2])), "dimensions came"),
        (bad(embedding=[0.5]), "dimensions came"),
    ],
)
def test_answers_that_make_no_sense(content: Any, words: str) -> None:
    """Each is refused with what is wrong, as the core's BadReply."""
    with pytest.raises(BadReply, match=words):
        read(content)


def test_one_vector_a_token() -> None:
    """A server without pooling is told apart from a garbled answer, with what to do."""
    body = body_of()
    for item in body["data"]:
        item["embedding"] = [[0.1, 0.2], [0.3, 0.4]]
    with pytest.raises(TokenLevel, match="--pooling mean"):
        read(body)


def test_an_error_in_place_of_vectors() -> None:
    """Gateways answer 200 with an error: handed on as it is. ``error: null`` is none."""
    assert read_answer(b'{"error": {"message": "no"}}', 4) == {"error": {"message": "no"}}
    read(body_of(error=None))


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": "9"}, 3])
def test_without_usage_tokens_are_unknown(usage: object) -> None:
    """And never an error."""
    assert read(body_of(usage=usage)).tokens is None


def test_numbers_json_does_not_have() -> None:
    """Bare NaN and Infinity are read, for the core to refuse with the text they belong to."""
    body = body_of(floats=True)
    body["data"][2]["embedding"] = [float("nan"), float("inf"), 1e300]
    assert not np.isfinite(read(body).vectors[2]).any()
    integers = bad(embedding=[1, 2, 3])
    np.testing.assert_array_equal(read(integers).vectors[1], [1, 2, 3])


@settings(max_examples=300)
@given(content=st.binary(max_size=60), cut=st.integers(0, 400))
def test_no_bytes_whatever_end_in_another_error(content: bytes, cut: int) -> None:
    """Rubbish, and rubbish inside a good answer, is BadReply or rightly read."""
    good = json.dumps(body_of()).encode()
    for body in (content, good[:cut] + content + good[cut:]):
        try:
            found = read_answer(body, 4)
        except BadReply:
            continue
        assert isinstance(found, dict) or found.vectors.shape[0] == 4


def test_without_pybase64() -> None:
    """Python's own decoder is called in the same way, and refuses the same."""
    from base64 import b64decode

    text = spelled(VECTORS[0]).encode()
    assert b64decode(memoryview(text), validate=True) == VECTORS[0].tobytes()


def test_vectors_are_decoded_into_the_room_that_is_given() -> None:
    """What the core hands out is written to, where it fits; else the answer has its own."""
    content = json.dumps(body_of()).encode()
    room, narrow = np.zeros((4, 3), np.float32), np.zeros((4, 2), np.float32)
    found = read_answer(content, 4, room)
    assert isinstance(found, Answer)
    assert found.vectors is room
    assert np.array_equal(room, VECTORS)
    other = read_answer(content, 4, narrow)
    assert isinstance(other, Answer)
    assert np.array_equal(other.vectors, VECTORS)
    assert not narrow.any()
