"""The forward pass: against a plain one, itself in other batches, and full precision."""

from __future__ import annotations

import json
import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ellmental_embeddings_local import encoder as encoder_module
from ellmental_embeddings_local import linear as linear_module
from ellmental_embeddings_local.activation import LARGEST_ERROR, Gelu
from ellmental_embeddings_local.bert import Bert, Shape
from ellmental_embeddings_local.encoder import Encoder
from ellmental_embeddings_local.linear import FEW_ROWS, Linear
from ellmental_embeddings_local.model_folder import folder_model
from ellmental_embeddings_local.onnx_file import read_onnx
from ellmental_embeddings_local.tensors import Floats, as_floats
from ellmental_embeddings_local.weights import builtin_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ellmental_embeddings_local.wordpiece import WordPiece

WORDS = st.integers(min_value=1_000, max_value=30_521)
TEXT = st.lists(WORDS, min_size=1, max_size=90)


@pytest.fixture(scope="module")
def tensors() -> dict[str, Floats]:
    """All weights in double precision, under the checkpoint's names."""
    read = read_onnx(builtin_weights())
    return {
        name.removeprefix("inner."): as_floats(tensor).astype(np.float64)
        for name, tensor in read.items()
    }


def textbook(tensors: dict[str, Any], ids: Sequence[int]) -> Any:
    """One text through BERT as the paper has it: double precision, loops, exact erf."""

    def linear(x: Any, name: str) -> Any:
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def norm(x: Any, name: str) -> Any:
        scaled = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-12)
        return scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    erf = np.vectorize(math.erf)
    x = tensors["embeddings.word_embeddings.weight"][list(ids)]
    x = x + tensors["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + tensors["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(6):
        name = f"encoder.layer.{layer}"
        parts = [linear(x, f"{name}.attention.self.{p}") for p in ("query", "key", "value")]
        heads = []
        for head in range(12):
            query, key, value = (part[:, head * 32 : head * 32 + 32] for part in parts)
            scores = np.exp(query @ key.T / math.sqrt(32))
            heads.append(scores / scores.sum(1, keepdims=True) @ value)
        attended = linear(np.concatenate(heads, 1), f"{name}.attention.output.dense")
        x = norm(x + attended, f"{name}.attention.output.LayerNorm")
        inner = linear(x, f"{name}.intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        x = norm(x + linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def test_gelu_is_exact_to_float32() -> None:
    """The fitted GELU stays within its stated error of x * Phi(x), and adds the bias."""
    x = np.linspace(-20, 20, 200_001).astype(np.float32)
    exact = np.array([v * 0.5 * math.erfc(-v / math.sqrt(2)) for v in x.tolist()])
    values = (x - np.float32(0)).reshape(-1, 1).copy()
    Gelu(1)(values, np.zeros(1, np.float32))
    errors = np.abs(values[:, 0] - exact) / np.maximum(1, np.abs(x) / 8)
    assert errors.max() < LARGEST_ERROR
    shifted = (x - np.float32(1)).reshape(-1, 1).copy()
    Gelu(1)(shifted, np.ones(1, np.float32))
    assert np.abs(shifted - values).max() < 1e-5


@pytest.mark.parametrize("text", ["hello", "The quick brown fox jumps over the lazy dog. " * 6])
def test_as_the_textbook(
    tensors: dict[str, Any], encoder: Encoder, tokenizer: WordPiece, text: str
) -> None:
    """The vector equals that of a plain double-precision BERT to 2e-6."""
    ids = tokenizer.ids(text)
    assert np.abs(encoder.encode([ids])[0] - textbook(tensors, ids)).max() < 2e-6


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=30), st.randoms())
def test_same_text_same_vector(encoder: Encoder, texts: list[list[int]], random: Any) -> None:
    """A text's vector agrees to 1e-5 alone, in any batch and at any place in it."""
    whole = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([ids]) for ids in texts])
    assert np.abs(whole - alone).max() < 1e-5
    order = list(range(len(texts)))
    random.shuffle(order)
    assert np.abs(encoder.encode([texts[i] for i in order]) - whole[order]).max() < 1e-5


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize("outputs", [96, 100])
def test_tiles_multiply_as_the_whole(
    pays: bool, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer's product is the same for few rows and many, before and after it has tiles."""
    monkeypatch.setattr(linear_module, "_pays", lambda: pays)
    random = np.random.default_rng(1)
    weight = random.standard_normal((64, outputs)).astype(np.float32)
    layer = Linear(weight, random.standard_normal(outputs).astype(np.float32))
    for rows in [*range(1, 30), FEW_ROWS, FEW_ROWS + 1]:
        given = random.standard_normal((rows, 64)).astype(np.float32)
        got = layer.apply(given, np.empty((rows, outputs), np.float32))
        assert np.allclose(got, given @ weight.astype(np.float64) + layer.bias, atol=1e-4)
    assert (layer._tiles is not None) == (pays and outputs == 96)


def test_vectors_are_unit_length_float32(encoder: Encoder) -> None:
    """Vectors are float32 of length 1, one row a text, also of the longest text."""
    vectors = encoder.encode([[101, 102], list(range(1_000, 1_512)), [7592]])
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_no_text_no_vector(encoder: Encoder) -> None:
    """An empty batch gives an empty matrix of the right width."""
    assert encoder.encode([]).shape == (0, 384)


@pytest.mark.parametrize("ids", [[], [7592] * 513])
def test_impossible_lengths_are_refused(encoder: Encoder, ids: list[int]) -> None:
    """A text without pieces, or with more than the model has positions, is never cut silently."""
    with pytest.raises(ValueError, match="1 to 512"):
        encoder.encode([[7592], ids])


def test_far_scores_do_not_overflow(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where attention scores are far from 0 the careful path gives the same vectors."""
    texts = [[101, 7592, 102], [101, 2088, 2003, 102]]
    quick = encoder.encode(texts)
    monkeypatch.setattr(encoder_module, "_LARGEST_SCORE", -1.0)
    assert np.abs(encoder.encode(texts) - quick).max() < 1e-6


def test_huge_scores_stay_finite() -> None:
    """Weights that make scores of thousands still give finite vectors."""
    read = read_onnx(builtin_weights())
    name = "inner.encoder.layer.0.attention.self.query.weight"
    read[name] = as_floats(read[name]) * np.float32(500)
    wild = Encoder(Bert.from_tensors(read, Shape(layers=6, heads=12, epsilon=1e-12)))
    assert np.isfinite(wild.encode([[101, 7592, 2088, 102]])).all()


def test_cls_pooling_and_raw_length() -> None:
    """With cls pooling a vector is the first hidden state, and raw vectors keep their length."""
    model = Bert.from_tensors(
        read_onnx(builtin_weights()), Shape(layers=6, heads=12, epsilon=1e-12)
    )
    texts = [[101, 7592, 102], [101, 2088, 2003, 102]]
    first, mean = (
        Encoder(model, pooling=p, normalise=False).encode(texts) for p in ("cls", "mean")
    )
    assert np.abs(first - mean).max() > 0.01
    assert not np.allclose(np.linalg.norm(mean, axis=1), 1, atol=0.01)
    unit = Encoder(model, pooling="cls").encode(texts)
    assert np.allclose(unit, first / np.linalg.norm(first, axis=1, keepdims=True), atol=1e-6)


def test_threads_share_an_encoder(encoder: Encoder) -> None:
    """Several threads with one encoder get what one thread gets: work space is not shared."""
    batches = [[[101, *range(1_000 + n, 1_030 + n), 102], [101, 2_000 + n, 102]] for n in range(8)]
    expected = [encoder.encode(batch) for batch in batches]
    found: dict[int, Any] = {}

    def work(number: int) -> None:
        found[number] = encoder.encode(batches[number])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.abs(found[n] - expected[n]).max() < 1e-5 for n in range(8))


def test_close_to_full_precision(
    encoder: Encoder,
    tokenizer: WordPiece,
    full_precision_folder: Path,
    xquad: list[dict[str, Any]],
) -> None:
    """Vectors of the 8-bit weights have a cosine above 0.998 to the full-precision model's."""
    texts = [tokenizer.ids(row["text"])[:256] for row in xquad[::12]]
    full = folder_model(full_precision_folder).encoder().encode(texts)
    assert (full * encoder.encode(texts)).sum(1).min() > 0.998


def test_full_precision_folder_is_the_official_model(full_precision_folder: Path) -> None:
    """The data package's folder reads as the published model: 384 numbers, 256 word pieces."""
    model = folder_model(full_precision_folder)
    assert (model.dimensions, model.tokens_per_text, model.normalised) == (384, 256, True)
    vocabulary = json.loads((full_precision_folder / "tokenizer.json").read_text("utf-8"))
    assert len(vocabulary["model"]["vocab"]) == 30_522
