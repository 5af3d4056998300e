"""Reading weights: the formats, damaged files, and the place of the built-in ones."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ellmental_embeddings import ConfigurationError
from ellmental_embeddings_local import weights
from ellmental_embeddings_local.bert import Bert, Shape
from ellmental_embeddings_local.onnx_file import read_onnx
from ellmental_embeddings_local.safetensors_file import read_safetensors
from ellmental_embeddings_local.tensors import Quantised, WeightsError, as_floats

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = Shape(layers=6, heads=12, epsilon=1e-12)


def safetensors(header: dict[str, Any], data: bytes) -> memoryview:
    """A file with that header and those bytes."""
    text = json.dumps(header).encode()
    return memoryview(len(text).to_bytes(8, "little") + text + data)


def entry(kind: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    """One tensor's line in a header."""
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


def test_onnx_weights_have_the_checkpoint_names() -> None:
    """Every tensor of BERT is found under its own name, the linear layers' matrices too."""
    tensors = read_onnx(weights.builtin_weights())
    words = tensors["inner.embeddings.word_embeddings.weight"]
    assert isinstance(words, Quantised)
    assert words.values.shape == (30_522, 384)
    up = tensors["inner.encoder.layer.5.intermediate.dense.weight"]
    assert as_floats(up).shape == (1_536, 384)


def test_quantised_rows() -> None:
    """Eight-bit rows read one by one equal those of the whole matrix at full precision."""
    table = Quantised(np.array([[1, -2], [3, 127]], np.int8), np.array([[0.5], [2.0]], np.float32))
    assert as_floats(table).tolist() == [[0.5, -1.0], [6.0, 254.0]]
    assert table.rows(np.array([1, 0, 1])).tolist() == [[6.0, 254.0], [0.5, -1.0], [6.0, 254.0]]
    assert as_floats(table.T).tolist() == [[0.5, 6.0], [-1.0, 254.0]]


def test_word_table_stays_in_eight_bits() -> None:
    """The largest matrix is kept as it came, which saves 35 MB, and not as part of the file."""
    model = Bert.from_tensors(read_onnx(weights.builtin_weights()), SHAPE)
    assert isinstance(model.words, Quantised)
    assert model.words.values.base is None


@pytest.mark.parametrize("length", [0, 1, 100, 1_000_000, 22_928_618])
def test_cut_onnx_file_is_refused(length: int) -> None:
    """An ONNX file that ends too early is an error, not a model with missing weights."""
    with pytest.raises(WeightsError):
        Bert.from_tensors(read_onnx(weights.builtin_weights()[:length]), SHAPE)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    """No bytes make the readers fail with anything but their own error."""
    for read in (read_onnx, read_safetensors):
        try:
            assert isinstance(read(memoryview(noise)), dict)
        except WeightsError:
            continue


def test_safetensors_types() -> None:
    """float32, float16, float64 and bfloat16 are read; integers are passed over."""
    parts = [
        np.array([1.5, -2], "<f4").tobytes(),
        np.array([[0.5]], "<f2").tobytes(),
        np.array([3.25], "<f8").tobytes(),
        (np.array([-1.0], "<f4").view("<u4") >> 16).astype("<u2").tobytes(),
        np.array([7], "<i8").tobytes(),
    ]
    header = {
        "__metadata__": {"format": "pt"},
        "a": entry("F32", [2], 0, 8),
        "b": entry("F16", [1, 1], 8, 10),
        "c": entry("F64", [1], 10, 18),
        "d": entry("BF16", [1], 18, 20),
        "ids": entry("I64", [1], 20, 28),
    }
    read = read_safetensors(safetensors(header, b"".join(parts)))
    found = {name: as_floats(tensor).tolist() for name, tensor in read.items()}
    assert found == {"a": [1.5, -2.0], "b": [[0.5]], "c": [3.25], "d": [-1.0]}


@pytest.mark.parametrize(
    "data",
    [
        memoryview(b""),
        memoryview(b"\xff" * 40),
        safetensors({"a": entry("F32", [2], 0, 8)}, b"\0" * 7),
        safetensors({"a": entry("F32", [3], 0, 8)}, b"\0" * 8),
        safetensors({"a": entry("BF16", [3], 0, 4)}, b"\0" * 8),
        safetensors({"a": entry("F8_E4M3", [8], 0, 8)}, b"\0" * 8),
        safetensors({"a": {"dtype": "F32"}}, b""),
        safetensors({"a": 5}, b""),
        memoryview((9).to_bytes(8, "little") + b"not json!"),
    ],
)
def test_bad_safetensors_are_refused(data: memoryview) -> None:
    """Cut, lying and foreign safetensors files are errors of our own."""
    with pytest.raises(WeightsError):
        read_safetensors(data)


def test_missing_weight_is_named() -> None:
    """A file of some other model is refused with the first name that is missing."""
    tensors = read_onnx(weights.builtin_weights())
    del tensors["inner.encoder.layer.3.output.dense.bias"]
    with pytest.raises(WeightsError, match=r"holds no .*encoder\.layer\.3\.output\.dense\.bias"):
        Bert.from_tensors(tensors, SHAPE)


def test_heads_must_divide_the_width() -> None:
    """A configuration that does not fit the weights is refused."""
    tensors = read_onnx(weights.builtin_weights())
    with pytest.raises(WeightsError, match="7 heads"):
        Bert.from_tensors(tensors, Shape(layers=6, heads=7, epsilon=1e-12))


def test_flipped_byte_is_noticed(onnx_file: Path, tmp_path: Path) -> None:
    """One wrong bit in a copy of the weights is an error with both remedies."""
    data = bytearray(onnx_file.read_bytes())
    data[12_345_678] ^= 1
    copy = tmp_path / "model.onnx"
    copy.write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"damaged(.|\n)*pip install.*LOCAL_MODEL"):
        weights.checked(copy, weights.BUILTIN_SHA256)


def test_truncated_file_is_noticed(onnx_file: Path, tmp_path: Path) -> None:
    """A download that broke off is an error that says how long the file is."""
    copy = tmp_path / "model.onnx"
    copy.write_bytes(onnx_file.read_bytes()[:1_000])
    with pytest.raises(ConfigurationError, match="1000 bytes"):
        weights.checked(copy, weights.BUILTIN_SHA256)


def test_missing_file_is_told(tmp_path: Path) -> None:
    """A weights file that is gone is an error with the remedy."""
    with pytest.raises(ConfigurationError, match=r"cannot be read.*pip install"):
        weights.checked(tmp_path / "model.onnx", weights.BUILTIN_SHA256)


def test_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the data package the error says what to install."""
    monkeypatch.setattr(weights, "_PACKAGE", "no_such_package_of_weights")
    with pytest.raises(ConfigurationError, match=r"not installed.*pip install"):
        weights.builtin_weights()


def test_reading_weights_imports_no_runtime() -> None:
    """The package's own readers need neither onnx nor safetensors."""
    ours = [name for name in sys.modules if name.startswith("ellmental_embeddings_local")]
    for name in ours:
        names = vars(sys.modules[name])
        assert not {"onnx", "onnxruntime", "safetensors", "torch"} & set(names)
