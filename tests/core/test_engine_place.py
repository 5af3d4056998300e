"""Placement and checking: vectors to rows, none believed unchecked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import vector_of, vectors_of

from ellmental_embeddings import BadReply, EmbeddingError, PluginError, Reply, TextRejected
from ellmental_embeddings.engine.check import checked
from ellmental_embeddings.engine.place import Placement
from ellmental_embeddings.engine.plan import Rules, make_plan

RULES = Rules(
    tokens_per_text=2,
    overlong="average",
    most_tokens=len,
    count_tokens=lambda text: len(text.split()),
)
UNSENT = EmbeddingError("not sent")
TEXT = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=7).map(" ".join)


def expected(text: str) -> Any:
    """The vector of a text of at most two words; else its pieces' mean weighted by words."""
    words = text.split()
    parts = [" ".join(words[at : at + 2]) for at in range(0, len(words), 2)]
    if len(parts) == 1:
        return vector_of(text)
    weights = np.array([len(part.split()) for part in parts], dtype=np.float64)
    vectors = np.array([vector_of(part) for part in parts], dtype=np.float64)
    mean = weights @ vectors / weights.sum()
    return mean / np.linalg.norm(mean)


@given(st.lists(TEXT, min_size=1, max_size=30), st.randoms(), st.integers(1, 7), st.booleans())
def test_every_vector_reaches_its_rows(
    texts: list[str], random: Any, batch: int, loose: bool
) -> None:
    """Whatever the order of the answers, each text has its vector, duplicates and means too."""
    plan = make_plan(texts, RULES)
    placement = Placement(plan)
    pieces = list(range(len(plan.pieces)))
    if loose:
        random.shuffle(pieces)
    batches: list[Any] = [pieces[at : at + batch] for at in range(0, len(pieces), batch)]
    if not loose:
        batches = [range(part[0], part[-1] + 1) for part in batches]
    random.shuffle(batches)
    for part in batches:
        # What is sent of an averaged text may end with white space; its vector must not differ.
        placement.put(part, vectors_of(plan.pieces[piece].strip() for piece in part))
    matrix, outcomes = placement.finish(0, UNSENT, normalised=True)
    assert matrix.dtype == np.float32
    for row, text in enumerate(texts):
        assert np.allclose(matrix[row], expected(text), atol=1e-6)
        assert outcomes[row].status == ("split" if len(text.split()) > 2 else "ok")


def test_failed_pieces_make_nan_rows() -> None:
    """A text fails with its piece, all its duplicates too, and a mean with any of its parts."""
    texts = ["a", "b", "a", "a b c", "c"]
    plan = make_plan(texts, RULES)
    placement = Placement(plan)
    error = TextRejected("no c")
    for piece, text in enumerate(plan.pieces):
        if text == "c":
            placement.fail([piece], error)
        else:
            placement.put([piece], vectors_of([text]))
    matrix, outcomes = placement.finish(8, UNSENT, normalised=None)
    assert [outcome.status for outcome in outcomes] == ["ok", "ok", "ok", "failed", "failed"]
    assert outcomes[3].error is error
    assert outcomes[3].pieces == 2
    assert np.isnan(matrix[3:]).all()
    assert np.array_equal(matrix[:3], vectors_of(["a", "b", "a"]))


def test_what_was_not_finished_says_so() -> None:
    """A call that was ended gives the rows that were done, and the reason for the others."""
    plan = make_plan(["a", "b", "c"], RULES)
    placement = Placement(plan)
    placement.put([1], vectors_of(["b"]))
    reason = EmbeddingError("stopped")
    matrix, outcomes = placement.finish(8, reason, normalised=None)
    assert [outcome.error for outcome in outcomes] == [reason, None, reason]
    assert np.isnan(matrix).all(axis=1).tolist() == [True, False, True]


def test_nothing_succeeded() -> None:
    """Where nothing succeeded all rows are NaN, of the width that is known."""
    placement = Placement(make_plan(["a"], RULES))
    placement.fail([0], TextRejected("no"))
    matrix, _ = placement.finish(8, UNSENT, normalised=None)
    assert matrix.shape == (1, 8)
    assert np.isnan(matrix).all()


@given(st.permutations(range(6)))
def test_index_decides_the_row(order: list[int]) -> None:
    """Vectors that come in another order stand in the order of the texts afterwards."""
    texts = [f"text {number}" for number in range(6)]
    reply = Reply(vectors_of(texts)[order], index=list(order))
    assert np.array_equal(checked(reply, 6), vectors_of(texts))


def test_a_good_array_is_not_copied() -> None:
    """A float32 array in order passes through as it is."""
    vectors = vectors_of(["a", "b"])
    assert checked(Reply(vectors, index=[0, 1]), 2) is vectors


@pytest.mark.parametrize(
    ("vectors", "index", "said"),
    [
        ([[1.0, 2.0]], None, "1 vectors came for 2 texts"),
        ([[1.0, 2.0], [3.0]], None, "not all of one width"),
        ([[1.0, 2.0], [3.0, math.nan]], None, "text 1 of the batch has NaN"),
        ([[1.0, math.inf], [3.0, 4.0]], None, "text 0 of the batch has NaN or infinite"),
        ([[1.0, 2.0], [3.0, 1e300]], None, "infinite"),
        ([[1.0, 2.0], [3.0, None]], None, "no number"),
        ([["1", "2"], ["3", "4"]], None, "no number"),
        ([[True, False], [True, True]], None, "no number"),
        ([1.0, 2.0], None, "shape"),
        ([[[1.0], [2.0]], [[1.0], [2.0]]], None, "shape"),
        ([[], []], None, "shape"),
        ([], None, "shape"),
        ([[1.0, 2.0], [3.0, 4.0]], [0, 0], "indices are not 0 to 1"),
        ([[1.0, 2.0], [3.0, 4.0]], [1, 2], "indices are not 0 to 1"),
        ([[1.0, 2.0], [3.0, 4.0]], [0], "indices are not 0 to 1"),
        ([[1.0, 2.0], [3.0, 4.0]], [-1, 0], "indices are not 0 to 1"),
        ([[1.0, 2.0], [3.0, 4.0]], [1.0, 0.0], "indices are not 0 to 1"),
        ([[1.0, 2.0], [3.0, 4.0]], [True, False], "indices are not 0 to 1"),
        ([[1.0, 2.0], [3.0, 4.0]], [None, 1], "indices are not 0 to 1"),
        ([[1.0, 2.0], [3.0, 4.0]], [[0], [1, 2]], "indices are not 0 to 1"),
        ([[10**400, 2.0], [3.0, 4.0]], None, "no number"),
        (None, None, "no number"),
        ("text", None, "no number"),
    ],
)
def test_what_cannot_be_believed(vectors: Any, index: Any, said: str) -> None:
    """Each thing that can be wrong with an answer is found and named."""
    with pytest.raises(BadReply, match=said):
        checked(Reply(vectors, index=index), 2)


def test_no_reply_is_the_plugins_fault() -> None:
    """What is no Reply at all is blamed on the plugin, not on the service."""
    with pytest.raises(PluginError, match="NoneType, not a Reply"):
        checked(None, 1)


def test_room_is_where_the_vectors_go() -> None:
    """What is written to the room and put is not copied; where rows are apart there is no room."""
    plan = make_plan(["a", "b", "a", "c"], RULES)
    placement = Placement(plan)
    assert placement.room(range(2), None) is None
    room = placement.room(range(2), 8)
    assert room is not None
    room[:] = vectors_of(["a", "b"])
    placement.put(range(2), room)
    assert placement.room([1, 2], 8) is None, "row 2 is a duplicate's, between them"
    assert placement.room([2], 4) is None, "the matrix has another width"
    placement.put([2], vectors_of(["c"]))
    matrix, _ = placement.finish(8, UNSENT, normalised=None)
    assert np.shares_memory(matrix, room)
    assert np.array_equal(matrix, vectors_of(["a", "b", "a", "c"]))


def test_rows_in_another_order_are_no_room() -> None:
    """First and last may be as far apart as a whole block's, with others between them."""
    plan = make_plan(["a", "b", "c", "d"], RULES)
    placement = Placement(plan)
    assert placement.room([0, 2, 1, 3], 8) is None
    placement.put([0, 2, 1, 3], vectors_of(["a", "c", "b", "d"]))
    matrix, _ = placement.finish(8, UNSENT, normalised=None)
    assert np.array_equal(matrix, vectors_of(["a", "b", "c", "d"]))


def test_refused_and_averaged_texts_are_decided_too() -> None:
    """A text that the plan refuses is decided at once, a mean with the last of its pieces."""
    plan = make_plan(["", "a b c", "a", "a"], RULES)
    placement = Placement(plan)
    assert placement.decided() == 1
    decided = []
    for piece, text in enumerate(plan.pieces):
        placement.put([piece], vectors_of([text]))
        decided.append(placement.decided())
    assert decided == [1, 2, 4]
    assert placement.is_whole


def test_pieces_of_means_are_kept_apart_from_the_answer() -> None:
    """An answer's memory may be used again by its backend."""
    placement = Placement(make_plan(["a b c"], RULES))
    answer = vectors_of(["a b", "c"])
    placement.put([0, 1], answer)
    answer[:] = 0
    matrix, _ = placement.finish(8, UNSENT, normalised=True)
    assert np.allclose(matrix[0], expected("a b c"), atol=1e-6)
