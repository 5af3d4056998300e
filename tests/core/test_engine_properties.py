"""The whole engine by properties: any texts, limits, order of answers, and any subset failing."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import ScriptedBackend, scripted_generator, vector_of, vectors_of

from ellmental_embeddings import BadReply, Limits, Reply, TextRejected, TextTooLong
from ellmental_embeddings.engine.place import Placement
from ellmental_embeddings.engine.plan import Rules, group, make_plan

if TYPE_CHECKING:
    from ellmental_embeddings import Batch, Embeddings

WORDS = ["a", "bb", "ccc", "dddd", "naïve", "你好"]
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
ANY = st.one_of(TEXT, TEXT, TEXT, st.sampled_from(["", " \n", "lone \ud800"]))
LIMIT = st.none() | st.integers(1, 30)
OVERLONG = st.sampled_from(["error", "truncate", "average"])


def words(text: str) -> int:
    """A word is a token."""
    return len(text.split())


@given(st.lists(ANY, max_size=40), OVERLONG, st.none() | st.integers(1, 6), st.booleans())
def test_every_text_is_accounted_for(
    texts: list[str], overlong: Any, limit: int | None, prefixed: bool
) -> None:
    """Each text is one piece, a mean of pieces, or refused: one of the three; twins fare alike."""
    prefix = "query: " if prefixed else ""
    plan = make_plan(
        texts,
        Rules(
            prefix=prefix,
            tokens_per_text=limit,
            overlong=overlong,
            most_tokens=len,
            count_tokens=words,
        ),
    )
    assert len(set(plan.pieces)) == len(plan.pieces)
    for position, text in enumerate(texts):
        outcome = plan.outcomes.get(position)
        failed = outcome is not None and outcome.error is not None
        assert [plan.piece_of[position] >= 0, position in plan.split, failed].count(True) == 1
        first = texts.index(text)
        assert plan.piece_of[position] == plan.piece_of[first]
        assert plan.split.get(position) == plan.split.get(first)
        assert outcome == plan.outcomes.get(first)
        if outcome is None:
            assert plan.pieces[plan.piece_of[position]] == prefix + text
    used = {*plan.piece_of.tolist(), *(piece for made in plan.split.values() for piece in made)}
    assert used - {-1} == set(range(len(plan.pieces)))


@given(st.lists(TEXT, max_size=40), st.data(), st.integers(1, 9), LIMIT, LIMIT, LIMIT)
def test_any_wanted_pieces_are_grouped(
    texts: list[str], data: Any, size: int, items: int | None, tokens: int | None, most: int | None
) -> None:
    """Batches are the wanted pieces, once each, in order; full but for the limits."""
    plan = make_plan(texts, Rules(most_tokens=len, count_tokens=words))
    every = range(len(plan.pieces))
    wanted = sorted(data.draw(st.sets(st.sampled_from(every)) if every else st.just(set())))
    batches = group(plan, Limits(items=items, tokens=tokens, bytes=most), size, words, wanted)
    assert [piece for batch in batches for piece in batch] == wanted

    def fits(batch: list[int]) -> bool:
        return (
            len(batch) <= min(size, items or size)
            and (tokens is None or sum(words(plan.pieces[one]) for one in batch) <= tokens)
            and (most is None or sum(len(plan.pieces[one].encode()) for one in batch) <= most)
        )

    assert all(len(batch) == 1 or fits(list(batch)) for batch in batches)
    assert not any(fits([*batch, after[0]]) for batch, after in pairwise(batches))


@given(st.lists(TEXT, min_size=1, max_size=30), st.data())
def test_any_order_any_subset_in_any_number_of_takings(texts: list[str], data: Any) -> None:
    """Rows taken while answers come are those at the end: each once, whatever fails."""
    plan = make_plan(
        texts,
        Rules(tokens_per_text=3, overlong="average", most_tokens=len, count_tokens=words),
    )
    placement = Placement(plan)
    order = data.draw(st.permutations(range(len(plan.pieces))))
    bad = data.draw(st.sets(st.sampled_from(order)))
    taken: dict[int, Any] = {}
    for piece in order:
        if piece in bad:
            placement.fail([piece], TextRejected("no"))
        else:
            placement.put([piece], vectors_of([plan.pieces[piece]]))
        if data.draw(st.booleans()):
            _take(placement, taken)
    _take(placement, taken)
    matrix, outcomes = placement.finish(8, TextRejected("unsent"), normalised=None)
    assert sorted(taken) == list(range(len(texts)))
    for row, text in enumerate(texts):
        made = plan.split.get(row) or (int(plan.piece_of[row]),)
        assert (outcomes[row].error is not None) == bool(bad & set(made)), text
        assert np.array_equal(taken[row], matrix[row], equal_nan=True)
        assert np.isnan(matrix[row]).all() == bool(bad & set(made))


def _take(placement: Placement, taken: dict[int, Any]) -> None:
    positions, rows, _ = placement.take_decided(8, normalised=None)
    for position, row in zip(positions.tolist(), rows, strict=True):
        assert position not in taken
        taken[position] = row


@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(ANY, min_size=1, max_size=40),
    overlong=OVERLONG,
    per_text=st.none() | st.integers(2, 6),
    limits=st.tuples(LIMIT, LIMIT, LIMIT),
    poison=st.sets(st.sampled_from(WORDS), max_size=2),
    named=st.booleans(),
    unlucky=st.floats(0, 0.3),
    size=st.integers(1, 12),
    concurrency=st.integers(1, 6),
    seed=st.integers(0, 2**32),
)
def test_whatever_comes_in_whatever_order(
    *,
    texts: list[str],
    overlong: str,
    per_text: int | None,
    limits: tuple[int | None, int | None, int | None],
    poison: set[str],
    named: bool,
    unlucky: float,
    size: int,
    concurrency: int,
    seed: int,
) -> None:
    """Each text has its own vector or its own error; no batch is over a limit it could keep."""
    draw = random.Random(seed)
    items, tokens, most = limits

    def is_bad(text: str) -> bool:
        return bool(poison & set(text.split()))

    async def answer(backend: ScriptedBackend, batch: Batch) -> Reply:
        for _ in range(draw.randrange(6)):
            await asyncio.sleep(0)
        if len(batch.texts) > 1:
            assert len(batch.texts) <= min(size, items or size)
            assert tokens is None or sum(map(words, batch.texts)) <= tokens
            assert most is None or sum(len(text.encode()) for text in batch.texts) <= most
        bad = [index for index, text in enumerate(batch.texts) if is_bad(text)]
        if bad:
            raise TextRejected(batch.texts[bad[0]], index=bad[0] if named else None)
        if len(batch.texts) > 1 and draw.random() < unlucky:
            raise BadReply("one is missing")
        order = list(range(len(batch.texts)))
        draw.shuffle(order)
        return Reply(vectors_of(batch.texts)[order], index=order)

    generator, backend = scripted_generator(
        always=answer,
        limits=Limits(items=items, tokens=tokens, bytes=most, tokens_per_text=per_text),
        settings={
            "BATCH_SIZE": size,
            "EMBEDDING_MAX_CONCURRENCY": concurrency,
            "EMBEDDING_OVERLONG": overlong,
        },
    )
    with generator:
        try:
            result = generator.embed(texts, on_error="keep")
        except BadReply as error:  # nothing at all had a usable answer, and much was tried
            assert error.result is None  # noqa: PT017
            return
    _check(result, texts, overlong, per_text, is_bad)
    assert backend.in_flight == 0


def _check(
    result: Embeddings, texts: list[str], overlong: str, per_text: int | None, is_bad: Any
) -> None:
    for row, text in enumerate(texts):
        error, vector = result.failed.get(row), result.vectors[row]
        too_long = per_text is not None and words(text) > per_text
        if text.isspace() or not text or "\ud800" in text:
            assert isinstance(error, TextRejected)
        elif too_long and overlong == "error":
            assert isinstance(error, TextTooLong)
        elif too_long and overlong == "average":
            assert (error is not None) == is_bad(text)
            assert result.outcomes[row].pieces == -(-words(text) // (per_text or 1))
        else:
            kept = text[: result.outcomes[row].characters_to]
            assert kept.split() == text.split()[:per_text]
            assert (error is not None) == is_bad(kept), (text, error)
            assert error is not None or np.array_equal(vector, vector_of(kept))
        assert (error is not None) == np.isnan(vector).all()
