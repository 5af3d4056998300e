"""Writes what all clients are given: LOCAL's weights for other libraries, and the texts.

    python prepare.py FOLDER STREAMED       STREAMED: how many texts the stream has

Runs in LOCAL's environment. The folder is a model in the layout of sentence-transformers, with
the built-in weights in float32, so that everyone computes the same numbers.
"""

from __future__ import annotations

import json
import random
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from local_peers.fused_graph import fused_graph

from ellmental_embeddings_local.bert import Bert, Shape
from ellmental_embeddings_local.model import builtin_model
from ellmental_embeddings_local.onnx_file import read_onnx
from ellmental_embeddings_local.tensors import Tensors, as_floats
from ellmental_embeddings_local.weights import BUILTIN_VOCABULARY, builtin_weights

XQUAD = Path(__file__).parents[2] / "local" / "data" / "xquad-en.jsonl"
LONGEST = 256  # word pieces
SPECIAL = {name: f"[{name[:3].upper()}]" for name in ("pad_token", "cls_token", "sep_token")} | {
    "unk_token": "[UNK]",
    "mask_token": "[MASK]",
}


def write_model(folder: Path) -> None:
    """The model, for sentence-transformers, fastembed and onnxruntime."""
    shape = Shape(layers=6, heads=12, epsilon=1e-12)
    tensors = read_onnx(builtin_weights())
    model = Bert.from_tensors(tensors, shape)
    (folder / "model.onnx").write_bytes(fused_graph(model))
    write_checkpoint(folder, tensors)
    (folder / "vocab.txt").write_bytes(BUILTIN_VOCABULARY.read_bytes())
    write_tokenizer(folder / "tokenizer.json")
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": model.width,
        "intermediate_size": model.layers[0].up.bias.size,
        "layer_norm_eps": shape.epsilon,
        "max_position_embeddings": len(model.positions),
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "pad_token_id": 0,
        "type_vocab_size": 2,
        "vocab_size": len(BUILTIN_VOCABULARY.read_text(encoding="utf-8").splitlines()),
    }
    kinds = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(kinds.items())
    ]
    pooling = {"word_embedding_dimension": model.width, "pooling_mode_mean_tokens": True}
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, **SPECIAL}
    write_json(folder / "config.json", config)
    write_json(folder / "modules.json", modules)
    write_json(folder / "1_Pooling" / "config.json", pooling)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": LONGEST})
    write_json(folder / "tokenizer_config.json", {**tokenizer, "model_max_length": LONGEST})
    write_json(folder / "special_tokens_map.json", SPECIAL)
    (folder / "2_Normalize").mkdir()


def write_json(path: Path, content: Any) -> None:
    """One of the folder's small files."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_checkpoint(folder: Path, tensors: Tensors) -> None:
    """The weights under PyTorch's names, in float32."""
    prefix = next(name for name in tensors if name.endswith("word_embeddings.weight"))
    prefix = prefix.removesuffix("embeddings.word_embeddings.weight")
    kept = {
        name.removeprefix(prefix): as_floats(tensor).copy(order="C")
        for name, tensor in tensors.items()
        if name.startswith((f"{prefix}embeddings.", f"{prefix}encoder."))
    }
    import_module("safetensors.numpy").save_file(
        kept, folder / "model.safetensors", metadata={"format": "pt"}
    )


def write_tokenizer(path: Path) -> None:
    """The vocabulary for the ``tokenizers`` package."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    lines = BUILTIN_VOCABULARY.read_text(encoding="utf-8").splitlines()
    vocabulary = {piece: number for number, piece in enumerate(lines)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 102), ("[CLS]", 101))
    tokenizer.save(str(path))


class Cutter:
    """Cuts different texts out of XQuAD's paragraphs, none of which anybody has to truncate."""

    def __init__(self) -> None:
        rows = [json.loads(line) for line in XQUAD.read_text(encoding="utf-8").splitlines()]
        self._words = " ".join(row["text"] for row in rows).split()
        self._tokenizer = builtin_model().tokenizer()
        self._chance = random.Random(5)
        self._seen: set[str] = set()

    def even(self, count: int, least: int, most: int) -> list[str]:
        """Texts of ``least`` to ``most`` words, every length as often."""
        return [self._text(self._chance.randint(least, most)) for _ in range(count)]

    def mixed(self, count: int) -> list[str]:
        """Lengths as in a catalogue: half under 12 words, one in fifty over 75."""
        lengths = (int(self._chance.lognormvariate(2.5, 0.9)) for _ in range(count))
        return [self._text(min(200, max(3, length))) for length in lengths]

    def _text(self, length: int) -> str:
        while True:
            start = self._chance.randrange(len(self._words) - length)
            words = self._words[start : start + length]
            while self._tokenizer.count(" ".join(words)) > LONGEST:
                words.pop()
            text = " ".join(words)
            if text not in self._seen:  # LOCAL would embed it once
                self._seen.add(text)
                return text


def main() -> None:
    """Write model and texts into the folder."""
    folder, streamed = Path(sys.argv[1]), int(sys.argv[2])
    write_model(folder)
    cutter = Cutter()
    texts = {
        "short": cutter.even(600, 6, 17),
        "long": cutter.even(48, 200, 200),
        "mixed": cutter.mixed(400),
        "single": cutter.even(500, 6, 17),
        "stream": cutter.mixed(streamed),
    }
    write_json(folder / "texts.json", texts)


if __name__ == "__main__":
    main()
