"""A model that can be run: what is known of it at once, and how to load the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .bert import Bert, Shape
from .encoder import Encoder
from .onnx_file import read_onnx
from .weights import BUILTIN_SHA256, BUILTIN_VOCABULARY, builtin_weights
from .wordpiece import WordPiece

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LocalModel", "builtin_model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A model, described without its weights.

    Attributes:
        name: the model's own name.
        dimensions: width of its vectors.
        tokens_per_text: word pieces it takes in one text, ``[CLS]`` and ``[SEP]`` included.
        normalised: whether its vectors have length 1.
        revision: reads which weights these are: ``sha256:`` and a checksum.
        tokenizer: loads the tokenizer.
        encoder: loads the weights. Raises ConfigurationError when they cannot be used.
    """

    name: str
    dimensions: int
    tokens_per_text: int
    normalised: bool
    revision: Callable[[], str]
    tokenizer: Callable[[], WordPiece]
    encoder: Callable[[], Encoder]


def builtin_model() -> LocalModel:
    """all-MiniLM-L6-v2, weight-only int8. Nothing is read before it is needed."""
    return LocalModel(
        name="all-MiniLM-L6-v2",
        dimensions=384,
        tokens_per_text=256,
        normalised=True,
        revision=lambda: f"sha256:{BUILTIN_SHA256}",
        tokenizer=_builtin_tokenizer,
        encoder=_builtin_encoder,
    )


def _builtin_tokenizer() -> WordPiece:
    with BUILTIN_VOCABULARY.open(encoding="utf-8") as lines:
        return WordPiece.from_lines(lines)


def _builtin_encoder() -> Encoder:
    shape = Shape(layers=6, heads=12, epsilon=1e-12)
    return Encoder(Bert.from_tensors(read_onnx(builtin_weights()), shape))
