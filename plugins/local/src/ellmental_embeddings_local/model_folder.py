"""LOCAL_MODEL as a folder: a BERT model in the layout of sentence-transformers.

::

    config.json                   architecture, sizes, activation
    model.safetensors             weights; or model.onnx, or onnx/model.onnx
    vocab.txt                     word pieces; or tokenizer.json, which holds them too
    tokenizer_config.json         whether the model is an uncased one
    modules.json                  what follows the transformer: pooling, normalisation
    1_Pooling/config.json         mean or cls
    sentence_bert_config.json     longest text
    config_sentence_transformers.json   whether a prompt stands before every text: refused

The last five may be missing; sentence-transformers' own defaults hold then. Whatever would
change the vectors and is not supported is refused, never ignored.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ellmental_embeddings import ConfigurationError

from .bert import Bert, Shape
from .encoder import Encoder
from .model import LocalModel
from .onnx_file import read_onnx
from .safetensors_file import read_safetensors
from .tensors import WeightsError
from .wordpiece import WordPiece

if TYPE_CHECKING:
    from pathlib import Path

    from .encoder import Pooling

__all__ = ["folder_model"]

_WEIGHTS = ("model.safetensors", "model.onnx", "onnx/model.onnx")
_VOCABULARIES = ("vocab.txt", "tokenizer.json")


def folder_model(folder: Path, *, name: str | None = None) -> LocalModel:
    """Describe the model in a folder. Reads its small JSON files, not its weights.

    Args:
        folder: an existing folder.
        name: the model's name; by default the folder's.

    Raises:
        ConfigurationError: naming LOCAL_MODEL, the file and the reason, when it cannot be run.
    """
    return _Folder(folder).model(name or folder.resolve().name)


class _Folder:
    """The files of one model."""

    def __init__(self, folder: Path) -> None:
        self._path = folder
        self._config = self._json("config.json", needed=True)

    def model(self, name: str) -> LocalModel:
        self._check_architecture()
        self._check_prompt()
        weights, vocabulary = self._find(_WEIGHTS), self._find(_VOCABULARIES)
        pooling, normalise = self._pooling()
        lowercase = self._lowercase()
        shape = self._shape()
        tokens = self._tokens_per_text()
        return LocalModel(
            name=name,
            dimensions=self._number("hidden_size"),
            tokens_per_text=tokens,
            normalised=normalise,
            revision=lambda: _checksum(
                [weights, vocabulary], [shape, pooling, normalise, lowercase, tokens]
            ),
            tokenizer=lambda: self._tokenizer(vocabulary, lowercase=lowercase),
            encoder=lambda: Encoder(
                self._fitting(
                    self._bert(weights, shape),
                    tokens,
                    self._tokenizer(vocabulary, lowercase=lowercase),
                ),
                pooling=pooling,
                normalise=normalise,
            ),
        )

    def _refused(self, reason: str) -> ConfigurationError:
        return ConfigurationError(
            f"LOCAL_MODEL={self._path}: {reason}. LOCAL runs BERT models in the layout of "
            "sentence-transformers (mean or cls pooling, gelu, WordPiece); choose such a model, "
            "or unset LOCAL_MODEL to use the built-in one."
        )

    def _json(self, file: str, *, needed: bool = False) -> dict[str, Any]:
        """A JSON object; an empty one where the file is missing and need not be there."""
        found = self._read_json(file, needed=needed)
        if not isinstance(found, dict):
            raise self._refused(f"{file} holds no JSON object")
        return found

    def _read_json(self, file: str, *, needed: bool = False) -> Any:
        try:
            return json.loads((self._path / file).read_text(encoding="utf-8"))
        except FileNotFoundError:
            if needed:
                raise self._refused(f"{file} is missing") from None
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise self._refused(f"{file} cannot be read ({error})") from None

    def _find(self, files: tuple[str, ...]) -> Path:
        for file in files:
            if (self._path / file).is_file():
                return self._path / file
        raise self._refused(f"none of {', '.join(files)} is there")

    def _number(self, key: str, default: int | None = None) -> int:
        value = self._config.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self._refused(f"config.json: {key} is {value!r}, not a positive number")
        return value

    def _check_architecture(self) -> None:
        supported: dict[str, set[str | None]] = {
            "model_type": {"bert"},
            "hidden_act": {"gelu", None},
            "position_embedding_type": {"absolute", None},
        }
        for key, values in supported.items():
            if self._config.get(key) not in values:
                raise self._refused(
                    f"config.json: {key} is {self._config.get(key)!r}, not supported"
                )

    def _check_prompt(self) -> None:
        config = self._json("config_sentence_transformers.json")
        prompts, name = config.get("prompts"), config.get("default_prompt_name")
        if name and isinstance(prompts, dict) and (prompt := prompts.get(name)):
            raise self._refused(
                f"config_sentence_transformers.json: default_prompt_name puts {prompt!r} before "
                "every text. Take that line out, and set EMBEDDING_DOCUMENT_INSTRUCTION and "
                "EMBEDDING_QUERY_INSTRUCTION to what the model wants"
            )

    def _shape(self) -> Shape:
        epsilon = self._config.get("layer_norm_eps", 1e-12)
        if not isinstance(epsilon, int | float) or not 0 <= epsilon < 1:
            raise self._refused(f"config.json: layer_norm_eps is {epsilon!r}")
        heads = self._number("num_attention_heads")
        if self._number("hidden_size") % heads:
            raise self._refused("config.json: num_attention_heads does not divide hidden_size")
        return Shape(layers=self._number("num_hidden_layers"), heads=heads, epsilon=epsilon)

    def _tokens_per_text(self) -> int:
        positions = self._number("max_position_embeddings", 512)
        longest = self._json("sentence_bert_config.json").get("max_seq_length")
        if longest is None:
            return positions
        if not isinstance(longest, int) or longest < 3:  # noqa: PLR2004 - [CLS], one piece, [SEP]
            raise self._refused(f"sentence_bert_config.json: max_seq_length is {longest!r}")
        return min(longest, positions)

    def _pooling(self) -> tuple[Pooling, bool]:
        """How hidden states become a vector, and whether it is normalised."""
        modules = self._read_json("modules.json")
        if not modules:  # a bare BERT model: sentence-transformers adds mean pooling, no more
            return "mean", False
        if not isinstance(modules, list) or not all(isinstance(part, dict) for part in modules):
            raise self._refused("modules.json holds no list of modules")
        kinds = [str(part.get("type")).rpartition(".")[2] for part in modules]
        if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
            raise self._refused(f"modules.json: the chain {' > '.join(kinds)} is not supported")
        if modules[0].get("path"):
            raise self._refused("modules.json: the transformer lies in a folder of its own")
        return self._pooling_mode(str(modules[1].get("path"))), "Normalize" in kinds

    def _pooling_mode(self, path: str) -> Pooling:
        config = self._json(f"{path}/config.json", needed=True)
        modes = {key for key, value in config.items() if key.startswith("pooling_mode") and value}
        if "pooling_mode" in modes:  # newer files: one key with the mode's name
            modes = {f"pooling_mode_{config['pooling_mode']}"}
        if modes in ({"pooling_mode_mean_tokens"}, {"pooling_mode_mean"}):
            return "mean"
        if modes in ({"pooling_mode_cls_token"}, {"pooling_mode_cls"}):
            return "cls"
        raise self._refused(f"{path}/config.json: {', '.join(sorted(modes)) or 'no pooling mode'}")

    def _lowercase(self) -> bool:
        config = self._json("tokenizer_config.json")
        normalizer = self._json("tokenizer.json").get("normalizer") or {}
        lowercase = bool(config.get("do_lower_case", normalizer.get("lowercase", True)))
        if config.get("strip_accents") not in {None, lowercase}:
            raise self._refused("tokenizer_config.json: strip_accents differs from do_lower_case")
        if not config.get("tokenize_chinese_chars", True):
            raise self._refused("tokenizer_config.json: tokenize_chinese_chars is off")
        if self._json("sentence_bert_config.json").get("do_lower_case") and not lowercase:
            raise self._refused("sentence_bert_config.json: do_lower_case of a cased model")
        return lowercase

    def _tokenizer(self, file: Path, *, lowercase: bool) -> WordPiece:
        try:
            if file.suffix == ".txt":
                with file.open(encoding="utf-8") as lines:
                    return WordPiece.from_lines(lines, lowercase=lowercase)
            model = json.loads(file.read_text(encoding="utf-8"))["model"]
            if model.get("type", "WordPiece") != "WordPiece":
                raise self._refused(f"{file.name}: a {model['type']} tokenizer is not supported")
            return WordPiece(model["vocab"], lowercase=lowercase)
        except KeyError as error:
            raise self._refused(f"{file.name} has no {error.args[0]}") from None
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise self._refused(f"{file.name} cannot be read ({error})") from None

    def _bert(self, file: Path, shape: Shape) -> Bert:
        read = read_safetensors if file.suffix == ".safetensors" else read_onnx
        try:
            bert = Bert.from_tensors(read(memoryview(file.read_bytes())), shape)
        except (OSError, WeightsError) as error:
            raise self._refused(f"{file.name} cannot be used: {error}") from None
        if bert.width != self._number("hidden_size"):
            raise self._refused(f"{file.name} is {bert.width} wide, config.json says otherwise")
        return bert

    def _fitting(self, bert: Bert, tokens: int, tokenizer: WordPiece) -> Bert:
        """The weights, if they have a row for all that a text may hold."""
        for what, most, rows in (
            ("pieces in a text", tokens, len(bert.positions)),
            ("word pieces in the vocabulary", tokenizer.size, bert.vocabulary),
        ):
            if most > rows:
                raise self._refused(f"there may be {most} {what}, the weights have {rows}")
        return bert


def _checksum(files: list[Path], settings: list[object]) -> str:
    """One checksum over everything that decides the vectors."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            whole.update(hashlib.file_digest(content, "sha256").digest())
    whole.update(repr(settings).encode())
    return f"sha256:{whole.hexdigest()}"
