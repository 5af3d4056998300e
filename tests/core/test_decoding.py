"""JSON to float32: exactly what json.loads reads, or a reason."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellmental_embeddings import BadReply
from ellmental_embeddings.decoding import parse, read_vector

PATH = ("output", "data", 0, "data")
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=64).filter(lambda x: abs(x) < 1e38)
NUMBERS = FLOATS | st.integers(-(2**63), 2**63)
MATRICES = st.integers(1, 5).flatmap(
    lambda width: st.lists(
        st.lists(NUMBERS, min_size=width, max_size=width), min_size=1, max_size=5
    )
)
TEXTS = st.text(st.sampled_from('[]{},:"0a\\ \n'), max_size=8)


@given(
    rows=MATRICES,
    headers=st.lists(TEXTS, max_size=4),
    spaced=st.booleans(),
)
def test_it_reads_what_json_reads(
    rows: list[list[float]], headers: list[str], spaced: bool
) -> None:
    """Whatever stands beside the vectors, they are the float32 of what json.loads gives."""
    message = {"msg": "x", "output": {"data": [{"headers": headers, "data": rows, "[": None}]}}
    body = json.dumps(message, separators=(", ", ": ") if spaced else (",", ":")).encode()
    vectors = parse(body).matrix(PATH)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.array(rows, np.float64).astype(np.float32))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("[[1, null]]", "row 0 holds null"),
        ("[[1, 2], [3, null]]", "row 1 holds null"),
        ('[[1, "2"]]', "row 0 holds the text '2'"),
        ("[[1, true]]", "row 0 holds True"),
        ("[[1, NaN]]", None),
        ("[[1, 2], [3]]", "row 1 has 1 numbers, the first 2"),
        ("[[1, [2]]]", "row 0 holds"),
        ("[[1, [2, 3]]]", "row 0 holds"),
        ("[[[1], [2]]]", "row 0 holds"),
        ("[[[1, 2], [3, 4]]]", "row 0 holds"),
        ('[[1, {"a": 1}]]', "row 0 holds an object"),
        ("[1, 2]", "row 0 is 1"),
        ("[]", "no vectors"),
        ("[[]]", "no vectors"),
        ("[[], []]", "no vectors"),
        ("{}", "an object came"),
        ("null", "null .* came"),
        ('"text"', "the text 'text' came"),
    ],
)
def test_what_is_no_matrix_is_refused_with_its_place(body: str, told: str | None) -> None:
    """Nulls, texts, truth values, ragged and nested rows each name the row; NaN stays NaN."""
    if told is None:
        assert np.isnan(parse(body.encode()).matrix()).any()
        return
    with pytest.raises(BadReply, match=told):
        parse(body.encode()).matrix()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[[1, 2]", b"[[1, 2]] x", b"[[01]]", b"\xff"])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    """No JSON, half of one and more than one are told, with how it begins."""
    with pytest.raises(BadReply, match="not JSON"):
        parse(body)


def test_a_path_that_leads_nowhere_is_none() -> None:
    """Missing keys, places beyond the end and scalars on the way are all None."""
    document = parse(b'{"a": [1], "b": 2}')
    assert document.at(("a", 0)) == 1
    for path in (("x",), ("a", 1), ("b", "c"), ("a", "b")):
        assert document.at(path) is None


@pytest.mark.parametrize("message", ['{"msg": "log", "log": "\\ud800"}', '{"msg": "x", "n": NaN}'])
def test_messages_that_only_python_reads_are_read(message: str) -> None:
    """A lone surrogate or a NaN in a message does not end the call."""
    assert parse(message.encode()).at(("msg",)) in ("log", "x")


@given(
    numbers=st.lists(NUMBERS, max_size=6),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,\n\t", ":")]),
)
def test_a_vector_alone_is_what_json_reads(
    numbers: list[float], separators: tuple[str, str]
) -> None:
    """However it is spaced, from a slice of a longer answer as well."""
    text = json.dumps(numbers, separators=separators).encode()
    expected = np.array(numbers, np.float64).astype(np.float32)
    np.testing.assert_array_equal(read_vector(text), expected)
    inside = memoryview(b'{"embedding":' + text + b"}")[13:-1]
    found = read_vector(inside)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    "text",
    [
        "[[1, 2]]", "[1, [2]]", "[1, []]", "[[]]", "[1, null]", "[true]", '["1"]', "[NaN]", "[1,",
        "[1] 2", "[01]", "[1 2]", "1", '"[1]"', "{}", "null", "", "[Infinity]", "[1e999]",
        "[" + "9" * 400 + "]", "[" * 2000,
    ],
)  # fmt: skip
def test_what_is_no_vector_is_a_value_error(text: str) -> None:
    """Nested, half, no number, no JSON: left to whoever asked, never flattened or guessed."""
    with pytest.raises(ValueError, match="it is"):
        read_vector(text.encode())


def test_numbers_that_float32_cannot_hold_are_infinite() -> None:
    """Without a warning: the engine refuses the text they belong to."""
    np.testing.assert_array_equal(read_vector(b"[1e300, -1e300]"), [np.inf, -np.inf])


def test_no_list_of_floats_is_made() -> None:
    """Decoding makes next to no Python objects: far fewer bytes than a list of floats takes."""
    import tracemalloc

    rows: Any = np.random.default_rng(0).standard_normal((200, 500)).tolist()
    for message, path in ((rows, ()), ({"output": {"data": [{"data": rows}]}}, PATH)):
        body = json.dumps(message).encode()
        tracemalloc.start()
        vectors = parse(body).matrix(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < vectors.nbytes * 1.5 < 200 * 500 * 24
