"""LOCAL_MODEL as a model id of the Hugging Face hub: downloaded once, when it is first used."""

from __future__ import annotations

import re
from pathlib import Path

from ellmental_embeddings import ConfigurationError

__all__ = ["download", "is_hub_id"]

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

_LONGEST = 96
"""Characters of an id, as huggingface_hub 1.x checks it."""

# What model_folder reads, and no more: repositories hold the same weights in many formats.
_FILES = ["*.json", "vocab.txt", "model.safetensors"]
_ONNX = ["model.onnx", "onnx/model.onnx"]


def is_hub_id(text: str) -> bool:
    """Whether a text has the form of a model id, ``owner/name``."""
    return len(text) <= _LONGEST and _ID.fullmatch(text) is not None


def download(model: str) -> Path:
    """The folder with a model's files, from the hub's cache or from the hub.

    Args:
        model: a model id, ``owner/name``.

    Raises:
        ConfigurationError: without the extra ``hub``, without network, or for an unknown id.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise ConfigurationError(
            f"LOCAL_MODEL={model} is no folder here, and taking it for a model id of the Hugging "
            "Face hub needs an extra: pip install 'ellmental-embeddings-local[hub]'"
        ) from None
    try:
        folder = Path(snapshot_download(model, allow_patterns=_FILES))
        if not (folder / "model.safetensors").exists():
            folder = Path(snapshot_download(model, allow_patterns=[*_FILES, *_ONNX]))
    except Exception as error:  # noqa: BLE001 - the client passes on errors of several libraries
        raise ConfigurationError(
            f"LOCAL_MODEL={model} is no folder here, and could not be had from the Hugging Face "
            f"hub: {_first_line(error)} Check the id and the network; or download the model's "
            "folder elsewhere and set LOCAL_MODEL to that folder."
        ) from None
    return folder


def _first_line(error: Exception) -> str:
    """The gist of an error whose text may fill a page."""
    text = str(error).strip().partition("\n")[0][:300] or type(error).__name__
    return text if text.endswith(".") else f"{text}."
