"""The planner: texts to pieces to batches. Pure, so mostly proven by properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellmental_embeddings import Limits, TextRejected, TextTooLong
from ellmental_embeddings.engine.pieces import cut, longest_fit
from ellmental_embeddings.engine.plan import Plan, Rules, group, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = st.lists(
    st.sampled_from(["a", "bb", "ccc", "dddd", "naïve", "你好"]), min_size=1, max_size=30
)
TEXTS = st.lists(WORDS.map(" ".join), max_size=40)


def words(text: str) -> int:
    """A word is a token."""
    return len(text.split())


def rules(
    limit: int | None = None,
    overlong: Literal["error", "truncate", "average"] = "error",
    prefix: str = "",
    count: Callable[[str], int | None] = words,
) -> Rules:
    """Rules with a word as token and the number of characters as its bound."""
    return Rules(
        prefix=prefix,
        tokens_per_text=limit,
        overlong=overlong,
        most_tokens=len,
        count_tokens=count,
    )


@given(TEXTS)
def test_every_text_has_its_piece(texts: list[str]) -> None:
    """Each text's piece is that text, and no text is sent twice."""
    plan = make_plan(texts, rules())
    assert [plan.pieces[piece] for piece in plan.piece_of] == texts
    assert len(set(plan.pieces)) == len(plan.pieces) == len(set(texts))


@given(TEXTS, st.integers(1, 9), st.integers(1, 12), st.integers(1, 40), st.integers(1, 60))
def test_batches_cover_all_and_keep_the_limits(
    texts: list[str], batch_size: int, items: int, tokens: int, size: int
) -> None:
    """Batches hold every piece once, in order, within all limits unless one piece is over."""
    plan = make_plan(texts, rules())
    limits = Limits(items=items, tokens=tokens, bytes=size)
    batches = group(plan, limits, batch_size, words)
    assert [piece for batch in batches for piece in batch] == list(range(len(plan.pieces)))
    for batch in batches:
        assert 1 <= len(batch) <= min(batch_size, items)
        if len(batch) > 1:
            assert sum(words(plan.pieces[piece]) for piece in batch) <= tokens
            assert sum(len(plan.pieces[piece].encode()) for piece in batch) <= size


def test_batches_are_as_full_as_they_can_be() -> None:
    """Where the bound of tokens is too high, exact counts decide, so that batches stay full."""
    texts = [f"{'x' * 50} {number}" for number in range(10)]
    plan = make_plan(texts, rules())
    assert group(plan, Limits(tokens=20), 50, words) == [range(10)]
    assert len(group(make_plan(texts, rules()), Limits(tokens=60), 50, lambda _: None)) == 10


@given(TEXTS, st.integers(1, 5))
def test_truncation_is_a_prefix_and_is_reported(texts: list[str], limit: int) -> None:
    """A cut text is the longest beginning that fits, and its outcome says from where to where."""
    plan = make_plan(texts, rules(limit, "truncate"))
    for position, text in enumerate(texts):
        piece = plan.pieces[plan.piece_of[position]]
        outcome = plan.outcomes.get(position)
        assert text.startswith(piece)
        assert words(piece) == min(words(text), limit)
        assert (outcome is not None) == (words(text) > limit)
        if outcome is not None:
            assert outcome.status == "truncated"
            assert (outcome.tokens_from, outcome.tokens_to) == (words(text), limit)
            assert outcome.characters_to == len(piece)


@given(TEXTS, st.integers(1, 5))
def test_pieces_for_averaging_make_up_the_text(texts: list[str], limit: int) -> None:
    """The pieces of an over-long text are all of its words, and each piece fits."""
    plan = make_plan(texts, rules(limit, "average"))
    for position, text in enumerate(texts):
        pieces = plan.split.get(position) or (int(plan.piece_of[position]),)
        assert [word for piece in pieces for word in plan.pieces[piece].split()] == text.split()
        assert all(words(plan.pieces[piece]) <= limit for piece in pieces)
        assert (position in plan.split) == (words(text) > limit)


def test_overlong_is_an_error_by_default() -> None:
    """An over-long text fails with its length, the limit, and the variable to set."""
    plan = make_plan(["one two three", "one two"], rules(2))
    error = plan.outcomes[0].error
    assert isinstance(error, TextTooLong)
    assert "3 tokens, the model takes 2" in str(error)
    assert "EMBEDDING_OVERLONG" in str(error)
    assert plan.pieces == ["one two"]


def test_length_that_cannot_be_known_is_left_to_the_service() -> None:
    """Where tokens cannot be counted a text is sent as it is, never cut on suspicion."""
    plan = make_plan(["one two three"], rules(2, "truncate", count=lambda _: None))
    assert plan.pieces == ["one two three"]
    assert plan.outcomes == {}


def test_the_prefix_counts_and_is_never_cut() -> None:
    """The instruction before a text takes its share of the limit, in every piece."""
    plan = make_plan(["a b c d"], rules(3, "average", prefix="query: "))
    assert [piece.split() for piece in plan.pieces] == [["query:", "a", "b"], ["query:", "c", "d"]]
    plan = make_plan(["a b"], rules(2, "truncate", prefix="one two three: "))
    assert "instruction" in str(plan.outcomes[0].error)


class Unspeakable:
    """What cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (Unspeakable(), "Unspeakable, not a string"),
        ("", "blank"),
        (" \n\t\u3000", "blank"),
        (None, "None, not a string"),
        (3.5, "float ('3.5'), not a string"),
        (b"bytes", "bytes (\"b'bytes'\"), not a string"),
        (["nested"], "list"),
        ("half a pair: \ud83d", "character 13 is the lone surrogate U+D83D"),
    ],
)
def test_what_no_model_takes_is_refused(text: Any, said: str) -> None:
    """Blank texts, lone surrogates and what is no text fail alone, and say how to mend them."""
    plan = make_plan(["before", text, "after", text], rules(prefix="p: "))
    assert plan.pieces == ["p: before", "p: after"]
    assert sorted(plan.outcomes) == [1, 3]
    for outcome in plan.outcomes.values():
        assert isinstance(outcome.error, TextRejected)
        assert said in str(outcome.error)


def test_nothing_is_altered() -> None:
    """Newlines, NUL, emoji, combining marks and white space at the ends arrive untouched."""
    texts = ["two\nlines", " padded ", "nul\0inside", "👩‍👩‍👧", "e\u0301", "é", "\ufeffbom"]
    assert make_plan(texts, rules()).pieces == texts


@given(st.text(max_size=300), st.integers(1, 40), st.integers(1, 100))
def test_cut_loses_nothing(text: str, limit: int, guess: int) -> None:
    """Cutting any text by any size gives pieces that fit and make up the text."""
    pieces = cut(text, lambda piece: len(piece) <= limit, guess=guess)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= limit for piece in pieces)


@given(st.text(alphabet="ab ", min_size=1, max_size=200), st.integers(1, 40), st.integers(1, 300))
def test_longest_fit_does_not_depend_on_the_guess(text: str, limit: int, guess: int) -> None:
    """The guess decides how fast the end is found, not where it is."""

    def fits(piece: str) -> bool:
        return len(piece) <= limit

    assert longest_fit(text, 0, fits, guess=guess) == longest_fit(text, 0, fits, guess=1)


def test_cutting_looks_at_small_pieces_only() -> None:
    """Cutting ten megabytes costs what cutting its pieces costs, not its length squared."""
    text = "word " * 2_000_000
    longest = 0

    def fits(piece: str) -> bool:
        nonlocal longest
        longest = max(longest, len(piece))
        return len(piece) <= 1000

    end = longest_fit(text, 0, fits, guess=1024)
    assert end == 1000
    assert longest <= 4096


def test_words_and_accents_stay_whole() -> None:
    """A cut falls between words where one ends near, and never before a combining accent."""
    assert cut("alpha beta gamma", lambda piece: len(piece) <= 8, guess=4) == [
        "alpha ",
        "beta ",
        "gamma",
    ]
    assert cut("e\u0301" * 4, lambda piece: len(piece) <= 3, guess=1) == ["e\u0301"] * 4


def test_nothing_fits() -> None:
    """Where not one character fits there are no pieces, and no endless loop."""
    assert cut("text", lambda _: False, guess=4) == []


def test_a_plan_of_nothing() -> None:
    """No texts, no pieces, no batches."""
    plan = make_plan([], rules())
    assert isinstance(plan, Plan)
    assert group(plan, Limits(), 50, words) == []
    assert plan.piece_of.dtype == np.int64


def test_a_batch_of_exactly_the_limit_is_one() -> None:
    """Limits of bytes and tokens are the most that may be, not the first that may not."""
    plan = make_plan(["aa", "bb", "cc", "dd"], rules())
    assert group(plan, Limits(bytes=4), 50, words) == [range(2), range(2, 4)]
    assert group(plan, Limits(tokens=2), 50, words) == [range(2), range(2, 4)]


def test_a_cut_text_says_what_is_left_of_it() -> None:
    """A character is a token here: less than the limit is left where a word ends before it."""
    plan = make_plan(["alpha beta gamma"], rules(8, "truncate", count=len))
    assert plan.pieces == ["alpha "]
    assert plan.outcomes[0].tokens_to == 6


@pytest.mark.parametrize("overlong", ["average", "truncate"])
def test_a_count_that_is_known_of_the_whole_alone(overlong: Literal["average", "truncate"]) -> None:
    """Of a part that cannot be counted its bound holds: no piece is too long, or weighs nothing."""

    def count(text: str) -> int | None:
        return len(text) if len(text) > 20 else None

    plan = make_plan(["alpha beta gamma delta"], rules(8, overlong, count=count))
    assert plan.pieces[0] == "alpha "
    assert plan.tokens == [len(piece) for piece in plan.pieces]
    assert max(plan.tokens) <= 8


def test_nothing_blank_is_sent_of_a_text() -> None:
    """White space that fills a whole piece is none, and a text that begins with it is refused."""
    text = " " * 8 + "word"
    assert make_plan([text], rules(8, "average", count=len)).pieces == ["word"]
    plan = make_plan([text], rules(8, "truncate", count=len))
    assert plan.pieces == []
    assert isinstance(plan.outcomes[0].error, TextTooLong)
