"""EMBEDDING_CACHE as the engine uses it: what is sent, what is not, and whose vectors come back."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripted import DIMENSIONS, ScriptedBackend, scripted_generator, vector_of, vectors_of

from ellmental_embeddings import Batch, Embeddings, Limits, ModelInfo, Reply, TextRejected

CACHE = Path("cache")
TEXTS = [f"text {number}" for number in range(130)]

UNNAMED = ModelInfo(dimensions=None)


def embed(
    texts: list[str], *, call: dict[str, Any] | None = None, **script: Any
) -> tuple[Embeddings, ScriptedBackend]:
    """Embed with a generator of its own, as another process would, over one cache."""
    settings = {"EMBEDDING_CACHE": CACHE, **script.pop("settings", {})}
    generator, backend = scripted_generator(settings=settings, **script)
    with generator:
        return generator.embed(texts, **(call or {"on_error": "keep"})), backend


def narrow(backend: ScriptedBackend, batch: Batch) -> Reply:
    """Answer with vectors of three numbers, as another model would."""
    return Reply(vectors_of(batch.texts)[:, :3])


def named(model: str) -> Any:
    """Answer rightly, and name the model."""

    def fault(backend: ScriptedBackend, batch: Batch) -> Reply:
        return Reply(vectors_of(batch.texts), model=model)

    return fault


# Hits


def test_a_second_generator_sends_nothing_and_gets_the_same_vectors() -> None:
    """The whole point: what one paid for, the next has for nothing, bit for bit, and says so."""
    first, paid = embed(TEXTS)
    assert paid.sent == TEXTS
    assert {outcome.status for outcome in first.outcomes} == {"ok"}
    assert first.usage.cached == 0
    again, backend = embed(TEXTS)
    assert backend.batches == []
    assert np.array_equal(again.vectors, vectors_of(TEXTS))
    assert {outcome.status for outcome in again.outcomes} == {"cached"}
    assert (again.usage.unique, again.usage.cached, again.usage.requests) == (130, 130, 0)
    assert again.usage.tokens == 0
    assert again.space == first.space


def test_only_what_is_missing_is_sent_each_vector_on_its_row() -> None:
    """Known and unknown texts, duplicates and refused ones mixed: each gets its own vector."""
    embed(TEXTS[::2])
    mixed = [*TEXTS, "text 0", " ", "text 1"]
    result, backend = embed(mixed)
    assert backend.sent == TEXTS[1::2]
    assert [len(batch.texts) for batch in backend.batches] == [50, 15]
    for place, text in enumerate(mixed):
        if text == " ":
            assert np.isnan(result.vectors[place]).all()
            continue
        assert np.array_equal(result.vectors[place], vector_of(text))
        known = text in TEXTS[::2]
        assert result.outcomes[place].status == ("cached" if known else "ok")
    assert result.usage.cached == 65


def test_a_call_finds_what_the_call_before_has_not_written_yet() -> None:
    """Vectors are found from the moment they are handed over, by calls, streams and roles alike."""
    generator, backend = scripted_generator(settings={"EMBEDDING_CACHE": CACHE, "BATCH_SIZE": 7})
    with generator:
        generator.embed(TEXTS)
        assert generator.embed(TEXTS[::-1]).usage.cached == len(TEXTS)
        for part in generator.stream(TEXTS * 3):
            assert part.usage.requests == 0
    assert backend.sent == TEXTS


def test_batches_from_the_cache_are_handed_out_as_they_are_looked_up() -> None:
    """``as_completed`` tells of known texts, too: each once, with its own vector, as cached."""
    embed(TEXTS[:100])
    generator, backend = scripted_generator(settings={"EMBEDDING_CACHE": CACHE})
    with generator:
        parts = list(generator.as_completed(TEXTS))
    assert backend.sent == TEXTS[100:]
    handed = {int(place): row for places, part in parts for place, row in zip(places, part)}  # noqa: B905
    assert sorted(handed) == list(range(len(TEXTS)))
    for place, vector in handed.items():
        assert np.array_equal(vector, vector_of(TEXTS[place]))
    statuses = [outcome.status for _, part in parts for outcome in part.outcomes]
    assert statuses.count("cached") == 100
    assert sum(part.usage.cached for _, part in parts) == 100
    assert sum(part.usage.unique for _, part in parts) == len(TEXTS)


def test_means_of_known_pieces_have_length_1_where_the_model_said_so_once() -> None:
    """Also where only an earlier run's answers told that the vectors are normalised."""

    def learns(backend: ScriptedBackend, batch: Batch) -> Reply:
        backend.model = replace(backend.model, normalised=True)
        return backend.right(batch)

    settings = {"EMBEDDING_OVERLONG": "average"}
    script: dict[str, Any] = {"model": ModelInfo(name="scripted"), "always": learns}
    script["limits"] = Limits(tokens_per_text=2)
    first, _ = embed(["one two three four"], settings=settings, **script)
    generator, backend = scripted_generator(
        settings={**settings, "EMBEDDING_CACHE": CACHE}, **script
    )
    with generator:
        [(_, part)] = list(generator.as_completed(["one two three four"]))
    assert backend.sent == []
    assert np.linalg.norm(part.vectors[0]) == pytest.approx(1, abs=1e-6)
    assert np.allclose(part.vectors, first.vectors)


def test_an_averaged_text_is_made_of_known_pieces() -> None:
    """Pieces of over-long texts are kept one by one; the text is still said to be split."""
    long = "one two three four five"
    settings = {"EMBEDDING_OVERLONG": "average"}
    limits = Limits(tokens_per_text=2)
    first, paid = embed([long], settings=settings, limits=limits)
    again, backend = embed([long, "one two "], settings=settings, limits=limits)
    assert len(paid.sent) == 3
    assert backend.sent == []
    assert again.outcomes[0].status == "split"
    assert again.outcomes[1].status == "cached"
    assert np.allclose(again.vectors[0], first.vectors[0])


def test_the_callers_array_is_the_callers() -> None:
    """Vectors are copied when they are kept: changing a result changes nothing."""
    generator, _ = scripted_generator(settings={"EMBEDDING_CACHE": CACHE})
    with generator:
        generator.embed(TEXTS).vectors[:] = 7
        assert np.array_equal(generator.embed(TEXTS).vectors, vectors_of(TEXTS))
    again, _ = embed(TEXTS)
    again.vectors[:] = 7
    assert np.array_equal(embed(TEXTS)[0].vectors, vectors_of(TEXTS))


def test_what_only_answers_tell_of_a_model_is_known_without_one() -> None:
    """A call that sends nothing has the width and the space of the one that paid."""

    def learns(backend: ScriptedBackend, batch: Batch) -> Reply:
        backend.model = replace(backend.model, normalised=True)
        return backend.right(batch)

    script: dict[str, Any] = {"model": ModelInfo(name="scripted"), "always": learns}
    first, _ = embed(TEXTS, **script)
    assert first.space.normalised
    again, backend = embed(TEXTS, **script)
    assert backend.sent == []
    assert again.space == first.space
    generator, backend = scripted_generator(settings={"EMBEDDING_CACHE": CACHE}, **script)
    with generator:
        generator.embed(["one more"])
        assert generator.embed(TEXTS).usage.cached == len(TEXTS)
    assert backend.sent == ["one more"]


def test_a_truncated_text_is_known_by_what_was_sent_of_it() -> None:
    """Two texts that are alike up to the cut are one piece; the cut is reported all the same."""
    settings, limits = {"EMBEDDING_OVERLONG": "truncate"}, Limits(tokens_per_text=2)
    embed(["one two three"], settings=settings, limits=limits)
    result, backend = embed(["one two four five"], settings=settings, limits=limits)
    assert backend.sent == []
    assert result.outcomes[0].status == "truncated"


def test_a_refused_text_is_not_remembered_as_anything() -> None:
    """A text without a vector is asked for again next time."""

    def refuse(backend: ScriptedBackend, batch: Batch) -> None:
        if "text 3" in batch.texts:
            raise TextRejected("no", index=batch.texts.index("text 3"))

    result, _ = embed(TEXTS[:5], always=refuse)
    assert list(result.failed) == [3]
    _, backend = embed(TEXTS[:5])
    assert backend.sent == ["text 3"]


# Never a vector of something else


@pytest.mark.parametrize(
    ("settings", "call", "script"),
    [
        ({}, {}, {"model": ModelInfo(name="other", dimensions=DIMENSIONS, normalised=False)}),
        ({}, {}, {"model": ModelInfo(name="scripted", revision="2", dimensions=DIMENSIONS)}),
        ({}, {}, {"model": ModelInfo(name="scripted", dimensions=DIMENSIONS, normalised=True)}),
        ({"EMBEDDING_DIMENSIONS": 4}, {}, {}),
        ({}, {"role": "query"}, {}),
        ({}, {"instruction": "passage: "}, {}),
        ({"EMBEDDING_DOCUMENT_INSTRUCTION": "passage: "}, {}, {}),
        ({"EMBEDDING_DOCUMENT_INSTRUCTION": "say"}, {}, {"takes_instruction": True}),
        ({}, {}, {"model": UNNAMED}),
    ],
    ids=[
        *("model", "revision", "normalised", "dimensions", "role", "instruction of the call"),
        *("prefix", "native instruction", "unnamed model"),
    ],
)
def test_nothing_is_answered_across(
    settings: dict[str, Any], call: dict[str, Any], script: dict[str, Any]
) -> None:
    """Each thing that decides a vector keeps its vectors apart from all others."""
    embed(TEXTS[:3])

    def right(backend: ScriptedBackend, batch: Batch) -> Reply:
        return Reply(vectors_of(batch.texts)[:, : settings.get("EMBEDDING_DIMENSIONS", 8)])

    _, backend = embed(TEXTS[:3], settings=settings, call=call, always=right, **script)
    assert len(backend.sent) == 3
    if "EMBEDDING_DIMENSIONS" in settings:  # and none overwrites the other's
        assert embed(TEXTS[:3])[0].usage.cached == 3
    result, backend = embed(TEXTS[:3], settings=settings, call=call, always=right, **script)
    assert result.usage.cached + len(backend.sent) == 3
    assert result.usage.cached == (0 if script.get("model") == UNNAMED else 3)


def test_what_decides_no_vector_does_not_keep_vectors_apart() -> None:
    """Another batch size, pace or policy for over-long texts finds what is there."""
    embed(TEXTS)
    settings = {"BATCH_SIZE": 3, "EMBEDDING_RPM": 900, "EMBEDDING_OVERLONG": "truncate"}
    _, backend = embed(TEXTS, settings=settings)
    assert backend.sent == []


def test_a_model_named_only_in_answers_is_asked_once_before_anything_is_looked_up() -> None:
    """One batch goes; then it is known whose vectors to look for, and the rest are found."""
    script: dict[str, Any] = {"model": UNNAMED, "always": named("small")}
    embed(TEXTS, **script)
    result, backend = embed(TEXTS, **script)
    assert backend.sent == TEXTS[:50]
    assert result.usage.cached == 80
    assert np.array_equal(result.vectors, vectors_of(TEXTS))
    _, backend = embed(TEXTS, model=UNNAMED, always=named("large"))
    assert backend.sent == TEXTS


def test_calls_at_once_ask_such_a_model_once() -> None:
    """Many calls that begin together wait for the one first answer."""
    embed(TEXTS, model=UNNAMED, always=named("small"))

    async def all_at_once() -> list[Embeddings]:
        return await asyncio.gather(*(generator.aembed(TEXTS) for _ in range(5)))

    generator, backend = scripted_generator(
        settings={"EMBEDDING_CACHE": CACHE}, model=UNNAMED, always=named("small")
    )
    with generator:
        for result in asyncio.run(all_at_once()):
            assert np.array_equal(result.vectors, vectors_of(TEXTS))
    assert backend.sent == TEXTS[:50]


def test_a_service_that_never_names_its_model_is_known_by_its_settings() -> None:
    """Its own address keeps it apart from another nameless one; it is asked once, too."""
    embed(TEXTS, model=UNNAMED)
    _, backend = embed(TEXTS, model=UNNAMED)
    assert len(backend.sent) == 50
    _, backend = embed(TEXTS, model=UNNAMED, settings={"EMBEDDING_GENERATOR": "ANOTHER"})
    assert backend.sent == TEXTS


def test_a_service_that_changed_its_width_wins_over_the_cache() -> None:
    """Old vectors are given up as soon as an answer shows that they are of another width."""
    nameless_width = ModelInfo(name="scripted")
    embed(TEXTS[:60], model=nameless_width)
    result, backend = embed(TEXTS, model=nameless_width, always=narrow)
    assert result.vectors.shape == (130, 3)
    assert sorted(set(backend.sent)) == sorted(TEXTS)
    assert np.array_equal(result.vectors, vectors_of(TEXTS)[:, :3])
    assert result.usage.cached == 0
    result, backend = embed(TEXTS, model=nameless_width, always=narrow)
    assert (backend.sent, result.usage.cached) == ([], 130)
    assert result.space.dimensions == 3


def test_vectors_of_two_widths_under_one_name_are_never_mixed() -> None:
    """The latest width is believed, until the service answers with the other: all is sent again."""
    nameless_width = ModelInfo(name="scripted")
    embed(TEXTS[:3], model=nameless_width)
    embed(TEXTS[3:6], model=nameless_width, always=narrow)
    result, backend = embed(TEXTS[:6], model=nameless_width)
    assert backend.sent == TEXTS[:6]
    assert np.array_equal(result.vectors, vectors_of(TEXTS[:6]))


# When the cache is no help


def test_a_cache_that_cannot_be_used_costs_nothing_but_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A folder, foreign text, a foreign database: said once, and all texts are sent."""
    CACHE.mkdir()
    with caplog.at_level(logging.WARNING, "ellmental_embeddings"):
        result, backend = embed(TEXTS)
    assert np.array_equal(result.vectors, vectors_of(TEXTS))
    assert backend.sent == TEXTS
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("EMBEDDING_CACHE=cache: Is a directory.")


def test_no_cache_no_file() -> None:
    """Without the setting nothing is written anywhere."""
    generator, backend = scripted_generator()
    with generator:
        generator.embed(TEXTS)
        assert generator.embed(TEXTS).usage.cached == 0
    assert len(backend.sent) == 2 * len(TEXTS)
    assert list(Path().iterdir()) == []
