"""TOPICS keeps the contract of a generator, and is fitted by its own command."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from click.testing import CliRunner
from ellmental_embeddings import ConfigurationError, load_generator
from ellmental_embeddings.testing import GeneratorContract

from ellmental_embeddings_topics.command import command
from ellmental_embeddings_topics.fitting import fitted
from ellmental_embeddings_topics.model import load, save

CORPUS = [
    f"{subject} {verb} {thing}"
    for subject in ("the cat", "a sailor", "our baker", "some child")
    for verb, thing in (
        ("drinks", "cold milk in the kitchen"),
        ("paints", "a wooden boat by the sea"),
        ("bakes", "bread with flour and salt"),
        ("reads", "a long book about the moon"),
    )
]


@cache
def model_file(topics: int = 8) -> Path:
    """A model of the corpus above."""
    path = Path(mkdtemp()) / "made.topics"
    save(fitted(CORPUS, topics), path)
    return path


class TestTopics(GeneratorContract):
    """Every check of the kit."""

    def settings(self) -> Mapping[str, object]:
        """What a user would set."""
        return {"EMBEDDING_GENERATOR": "TOPICS", "TOPICS_MODEL": model_file()}


def test_command_fits_what_the_generator_loads(tmp_path: Path) -> None:
    """Texts of one topic are nearer to each other than to those of another."""
    corpus, model = tmp_path / "corpus.txt", tmp_path / "made.topics"
    corpus.write_text("\n".join(CORPUS), "utf-8")
    ran = CliRunner().invoke(command, [str(corpus), "-o", str(model), "--topics", "6"])
    assert ran.exit_code == 0, ran.output
    with load_generator("TOPICS", TOPICS_MODEL=model) as generator:
        milk, cold, boat = generator.embed(["milk", "the kitchen is cold", "a boat at sea"]).vectors
        assert generator.dimensions == 6 + 32
    assert milk @ cold > milk @ boat


def test_another_corpus_is_another_space(tmp_path: Path) -> None:
    """The same texts make the same revision, others another one."""
    revisions = [fitted(texts, 4).revision for texts in (CORPUS, CORPUS, CORPUS[1:])]
    assert revisions[0] == revisions[1] != revisions[2]
    save(fitted(CORPUS, 4), tmp_path / "one")
    assert load(tmp_path / "one").revision == revisions[0]


def test_damaged_model_is_refused(tmp_path: Path) -> None:
    """Wherever a byte is wrong: the file is refused, or the byte decides nothing."""
    good, bad = model_file().read_bytes(), tmp_path / "damaged"
    revision = load(model_file()).revision
    for place in range(0, len(good), 7):
        bad.write_bytes(good[:place] + bytes([good[place] ^ 255]) + good[place + 1 :])
        with suppress(ConfigurationError):
            assert load(bad).revision == revision
    bad.write_bytes(good[: len(good) // 2])
    with pytest.raises(ConfigurationError, match="no model of this version"):
        load(bad)


def test_files_that_are_no_model(tmp_path: Path) -> None:
    """Each is refused with the variable and the remedy; a pickle is never opened."""
    (tmp_path / "text").write_text("no model", "utf-8")
    np.savez(tmp_path / "other.npz", words=np.array(["one"]))
    np.savez(tmp_path / "pickle.npz", format=np.array([object()], dtype=object))
    for name in ("missing", "text", "other.npz", "pickle.npz"):
        with pytest.raises(ConfigurationError, match=r"TOPICS_MODEL.*ellmental fit-topics"):
            load(tmp_path / name)


@pytest.mark.parametrize("texts", [[], ["one", "", "two"], ["same", "same", "same"]])
def test_corpus_that_is_too_small(texts: list[str]) -> None:
    """Nothing can be learnt from it; the message says what is missing."""
    with pytest.raises(ConfigurationError, match="give"):
        fitted(texts, 4)
