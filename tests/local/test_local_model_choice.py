"""LOCAL_MODEL: folders and hub ids that work, and what is said of those that cannot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ellmental_embeddings import ConfigurationError, load_generator
from ellmental_embeddings_local.backend import LocalBackend
from ellmental_embeddings_local.hub import is_hub_id
from ellmental_embeddings_local.model_folder import folder_model
from ellmental_embeddings_local.onnx_file import read_onnx
from ellmental_embeddings_local.settings import LocalSettings
from ellmental_embeddings_local.tensors import as_floats
from ellmental_embeddings_local.weights import BUILTIN_VOCABULARY, builtin_weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS = ["Paris is the capital of France.", "naïve café", "It rains."]
MODULES = ["Transformer", "Pooling", "Normalize"]
VOCABULARY = BUILTIN_VOCABULARY.read_text(encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """Write a JSON file, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def modules(*kinds: str) -> list[dict[str, object]]:
    """What sentence-transformers writes about a chain of modules."""
    return [
        {
            "idx": i,
            "path": f"{i}_{kind}" if i else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for i, kind in enumerate(kinds)
    ]


def write_safetensors(path: Path) -> None:
    """The built-in weights at full width, as sentence-transformers would save them."""
    header: dict[str, Any] = {}
    data = b""
    for name, tensor in read_onnx(builtin_weights()).items():
        if name.endswith(("weight", "bias")):
            array = as_floats(tensor)
            end = len(data) + array.nbytes
            header[name.removeprefix("inner.")] = {
                "dtype": "F32",
                "shape": array.shape,
                "data_offsets": [len(data), end],
            }
            data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in model as a sentence-transformers folder."""
    folder = tmp_path_factory.mktemp("models") / "minilm"
    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": 384,
        "num_attention_heads": 12,
        "num_hidden_layers": 6,
        "max_position_embeddings": 512,
        "layer_norm_eps": 1e-12,
    }
    write_json(folder / "config.json", config)
    write_json(folder / "modules.json", modules(*MODULES))
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True})
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 256})
    write_json(folder / "tokenizer_config.json", {"do_lower_case": True})
    prompts = {"prompts": {"query": "query: "}, "default_prompt_name": None}
    write_json(folder / "config_sentence_transformers.json", prompts)
    shutil.copy(BUILTIN_VOCABULARY, folder / "vocab.txt")
    write_safetensors(folder / "model.safetensors")
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """A copy to be changed; the weights are linked, not copied."""
    return shutil.copytree(pristine, tmp_path / "model", copy_function=os.link)


def replace_json(path: Path, **changes: object) -> None:
    """Change keys of a JSON file in a folder of links; None takes a key out."""
    content = json.loads(path.read_text()) | changes
    path.unlink()
    write_json(path, {key: value for key, value in content.items() if value is not None})


def backend(model: str | Path | None, **more: Any) -> LocalBackend:
    """A backend with that LOCAL_MODEL."""
    return LocalBackend(LocalSettings(local_model=None if model is None else str(model), **more))


def test_folder_gives_the_same_vectors(folder: Path) -> None:
    """The built-in weights saved as a folder give the built-in vectors."""
    with load_generator("LOCAL") as builtin, load_generator("LOCAL", LOCAL_MODEL=folder) as ours:
        expected, found = builtin.embed(TEXTS), ours.embed(TEXTS)
    assert np.abs(expected.vectors - found.vectors).max() < 2e-6
    assert found.space.model == "model"
    assert found.space.id != expected.space.id


@pytest.mark.parametrize("place", ["model.onnx", "onnx/model.onnx"])
def test_onnx_folder(folder: Path, onnx_file: Path, place: str) -> None:
    """A folder may hold its weights as ONNX, at its top or in onnx/."""
    (folder / "model.safetensors").unlink()
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).symlink_to(onnx_file)
    ids = [[101, 7592, 102]]
    assert np.allclose(
        folder_model(folder).encoder().encode(ids), backend(None)._load().encode(ids), atol=1e-7
    )


def test_tokenizer_json_serves_without_vocab_txt(folder: Path) -> None:
    """The vocabulary is taken from tokenizer.json where there is no vocab.txt."""
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (folder / "vocab.txt").unlink()
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    write_json(folder / "tokenizer.json", {"model": {"type": "WordPiece", "vocab": vocabulary}})
    assert folder_model(folder).tokenizer().ids("hello") == [101, 7592, 102]


def test_lowering_of_a_cased_model_is_refused(folder: Path) -> None:
    """sentence-transformers' own do_lower_case changes nothing of an uncased model alone."""
    replace_json(folder / "sentence_bert_config.json", do_lower_case=True)
    assert folder_model(folder).tokenizer().ids("Hello") == [101, 7592, 102]
    replace_json(folder / "tokenizer_config.json", do_lower_case=False)
    with pytest.raises(ConfigurationError, match="do_lower_case of a cased model"):
        folder_model(folder)


def test_cased_model(folder: Path) -> None:
    """do_lower_case false keeps capitals apart, wherever it is written."""
    assert folder_model(folder).tokenizer().ids("Hello") == [101, 7592, 102]
    replace_json(folder / "tokenizer_config.json", do_lower_case=False)
    assert folder_model(folder).tokenizer().ids("Hello") != [101, 7592, 102]
    replace_json(folder / "tokenizer_config.json", do_lower_case=None)
    write_json(folder / "tokenizer.json", {"normalizer": {"lowercase": False}})
    assert folder_model(folder).tokenizer().ids("Hello") != [101, 7592, 102]


def test_bare_bert_has_the_usual_defaults(folder: Path) -> None:
    """Without the sentence-transformers files: mean pooling, no normalising, all positions."""
    for file in ("modules.json", "sentence_bert_config.json", "tokenizer_config.json"):
        (folder / file).unlink()
    model = folder_model(folder)
    assert (model.normalised, model.tokens_per_text) == (False, 512)


@pytest.mark.parametrize(
    "config",
    [{"pooling_mode_cls_token": True}, {"pooling_mode": "cls"}],
)
def test_cls_pooling(folder: Path, config: dict[str, object]) -> None:
    """A model that pools by its first piece is run so, in old and new files."""
    mean = folder_model(folder).encoder().encode([[101, 7592, 102]])
    (folder / "1_Pooling" / "config.json").unlink()
    write_json(folder / "1_Pooling" / "config.json", config)
    assert np.abs(folder_model(folder).encoder().encode([[101, 7592, 102]]) - mean).max() > 0.01


def test_revision_follows_the_content(folder: Path) -> None:
    """The revision is that of the content: the same after a move, another after any change."""
    before = folder_model(folder).revision()
    moved = folder.rename(folder.with_name("moved"))
    assert folder_model(moved).revision() == before
    replace_json(moved / "sentence_bert_config.json", max_seq_length=128)
    assert folder_model(moved).revision() != before


def unlink(name: str) -> Callable[[Path], None]:
    """Take a file away."""
    return lambda folder: (folder / name).unlink()


def put(name: str, **changes: object) -> Callable[[Path], None]:
    """Change keys of a JSON file."""
    return lambda folder: replace_json(folder / name, **changes)


def text(name: str, content: str) -> Callable[[Path], None]:
    """Put another text into a file."""

    def write(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(content, encoding="utf-8")

    return write


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (unlink("config.json"), "config.json is missing"),
        (unlink("vocab.txt"), "none of vocab.txt, tokenizer.json"),
        (unlink("model.safetensors"), "none of model.safetensors"),
        (unlink("1_Pooling/config.json"), "1_Pooling/config.json is missing"),
        (text("config.json", "{nonsense"), "config.json cannot be read"),
        (text("config.json", "[]"), "config.json holds no JSON object"),
        (put("config.json", model_type="mpnet"), "model_type is 'mpnet'"),
        (put("config.json", hidden_act="relu"), "hidden_act is 'relu'"),
        (put("config.json", position_embedding_type="relative_key"), "position_embedding_type"),
        (put("config.json", num_hidden_layers="six"), "num_hidden_layers is 'six'"),
        (put("config.json", num_attention_heads=7), "num_attention_heads does not divide"),
        (put("config.json", layer_norm_eps="tiny"), "layer_norm_eps is 'tiny'"),
        (put("sentence_bert_config.json", max_seq_length=-1), "max_seq_length is -1"),
        (put("config_sentence_transformers.json", default_prompt_name="query"), "puts 'query: '"),
        (put("tokenizer_config.json", strip_accents=False), "strip_accents"),
        (put("tokenizer_config.json", tokenize_chinese_chars=False), "tokenize_chinese_chars"),
        (put("1_Pooling/config.json", pooling_mode_max_tokens=True), "pooling_mode_max_tokens"),
        (put("1_Pooling/config.json", pooling_mode="lasttoken"), "pooling_mode_lasttoken"),
        (text("modules.json", '{"a": 1}'), "no list of modules"),
        (text("modules.json", json.dumps(modules("Transformer", "Dense"))), "Transformer > Dense"),
        (
            text(
                "modules.json",
                json.dumps([{"path": "0", "type": "T.Transformer"}, *modules(*MODULES)[1:]]),
            ),
            "in a folder of its own",
        ),
    ],
)
def test_unsupported_folder_is_refused(
    folder: Path, damage: Callable[[Path], None], reason: str
) -> None:
    """What would change the vectors is refused at once, naming LOCAL_MODEL, file and reason."""
    damage(folder)
    with pytest.raises(ConfigurationError) as caught:
        backend(folder)
    assert f"LOCAL_MODEL={folder}" in str(caught.value)
    assert reason in str(caught.value)
    assert "unset LOCAL_MODEL" in str(caught.value)


def many_positions(folder: Path) -> None:
    """Files that promise longer texts than the weights are for."""
    put("config.json", max_position_embeddings=2048)(folder)
    put("sentence_bert_config.json", max_seq_length=1024)(folder)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (text("model.safetensors", "no weights"), "model.safetensors cannot be used"),
        (put("config.json", num_hidden_layers=7), r"holds no encoder\.layer\.6\."),
        (put("config.json", hidden_size=768), "384 wide"),
        (text("vocab.txt", "a\nb\n"), r"vocab.txt has no \[CLS\]"),
        (text("vocab.txt", f"{VOCABULARY}zyxwvuts\n\n"), "30523 word pieces in the vocabulary"),
        (many_positions, "1024 pieces in a text, the weights have 512"),
    ],
)
def test_damaged_content_is_told_when_read(
    folder: Path, damage: Callable[[Path], None], reason: str
) -> None:
    """Weights and vocabularies that do not fit are refused when they are loaded."""
    damage(folder)
    with (
        pytest.raises(ConfigurationError, match=f"LOCAL_MODEL=.*{reason}"),
        load_generator("LOCAL", LOCAL_MODEL=folder) as generator,
    ):
        generator.embed(TEXTS)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"model": {"type": "BPE", "vocab": {}}}, "a BPE tokenizer"),
        ({"version": "1.0"}, "has no model"),
        ({"model": []}, "cannot be read"),
    ],
)
def test_foreign_tokenizer_is_refused(folder: Path, content: object, reason: str) -> None:
    """A tokenizer.json that holds no WordPiece vocabulary is refused."""
    (folder / "vocab.txt").unlink()
    write_json(folder / "tokenizer.json", content)
    with pytest.raises(ConfigurationError, match=reason):
        folder_model(folder).tokenizer()


@pytest.mark.parametrize("value", ["/no/such", "./missing", "a/b/c", "~nobody/a", "n" * 300])
def test_missing_folder_is_told(value: str) -> None:
    """A value that is neither a folder nor a hub id is an error with all three remedies."""
    with pytest.raises(ConfigurationError) as caught:
        backend(value)
    assert f"LOCAL_MODEL={value}: " in str(caught.value)
    assert "unset it" in str(caught.value)


def test_file_instead_of_a_folder_is_told(tmp_path: Path) -> None:
    """A path of a file is told to be no folder."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="not a folder"):
        backend(tmp_path / "file")


def test_dimensions_cannot_be_chosen() -> None:
    """EMBEDDING_DIMENSIONS has to be the model's own, or the error names it."""
    with pytest.raises(ConfigurationError, match=r"EMBEDDING_DIMENSIONS=128.*384"):
        backend(None, embedding_dimensions=128)
    assert backend(None, embedding_dimensions=384).model.dimensions == 384


def test_home_is_expanded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """~ in LOCAL_MODEL is the home folder."""
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert backend("~/model").model.dimensions == 384


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("BAAI/bge-small-en-v1.5", True),
        ("owner/name", True),
        ("name", False),
        ("./owner/name", False),
        ("a/b/c", False),
        ("../name", False),
        ("owner/na me", False),
    ],
)
def test_form_of_hub_ids(value: str, *, expected: bool) -> None:
    """owner/name may be a model of the hub; paths never are."""
    assert is_hub_id(value) is expected


def test_folder_wins_over_hub_id(folder: Path) -> None:
    """An existing folder of that name is used, whatever the hub may have."""
    (folder.parent / "owner").mkdir()
    folder.rename(folder.parent / "owner" / "name")
    assert backend("owner/name").model.name == "name"


def test_hub_id_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without huggingface_hub the error says what to install; building alone needs nothing."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    unused = backend("owner/name")
    with pytest.raises(
        ConfigurationError, match=r"pip install 'ellmental-embeddings-local\[hub\]'"
    ):
        _ = unused.limits


CHILD = """
from ellmental_embeddings import ConfigurationError, load_generator
try:
    with load_generator("LOCAL", LOCAL_MODEL="owner/name") as generator:
        result = generator.embed(["hello"])
    print(result.space.model, result.vectors.shape)
except ConfigurationError as error:
    print(error)
"""


def run_child(cache: Path) -> str:
    """Embed with a hub id in a process of its own, since the client reads its settings once."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_hub_id_without_network(tmp_path: Path) -> None:
    """Without network the error names the variable and the way around, in one piece."""
    pytest.importorskip("huggingface_hub")
    said = run_child(tmp_path)
    assert said.startswith("LOCAL_MODEL=owner/name is no folder here")
    assert "set LOCAL_MODEL to that folder" in said
    assert "Traceback" not in said


def test_hub_id_from_the_cache(pristine: Path, tmp_path: Path) -> None:
    """A model that the hub's client has is used under its id, without network."""
    pytest.importorskip("huggingface_hub")
    repository = tmp_path / "hub" / "models--owner--name"
    commit = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(pristine, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    assert run_child(tmp_path).strip() == "owner/name (1, 384)"
