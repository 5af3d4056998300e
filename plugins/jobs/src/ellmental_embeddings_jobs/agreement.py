"""Whether a dataset that is there can be gone on with: same space, same settings, same sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import FilesError

if TYPE_CHECKING:
    from pathlib import Path

    from ellmental_embeddings import Space

    from .dataset import Manifest

__all__ = ["SAID_BY_SERVICE", "differences", "require_agreement"]

_OPTIONS = {"max_tokens": "--split-tokens", "column": "--column", "id": "--id", "store": "--store"}
_DEFAULTS = {"store": "float32"}
SAID_BY_SERVICE = ("model", "revision", "dimensions", "normalised")
"""Fields of a space that some generators know only after their first answer."""
_VARIABLES = {
    "dimensions": "EMBEDDING_DIMENSIONS",
    "document_instruction": "EMBEDDING_DOCUMENT_INSTRUCTION",
    "query_instruction": "EMBEDDING_QUERY_INSTRUCTION",
    "overlong": "EMBEDDING_OVERLONG",
}


def differences(there: Manifest, now: Manifest, space: Space) -> list[str]:
    """What tells a dataset from what would be written now, one line each.

    Args:
        there: the dataset's manifest.
        now: the manifest that would be written.
        space: the generator's space, as far as it is known before its first answer.
    """
    found = []
    for name, is_now in space.to_dict().items():
        was = (there.space or {}).get(name)
        unknown = is_now is None and name in SAID_BY_SERVICE
        if there.space is None or name == "id" or unknown or was == is_now:
            continue
        variable = f" ({_VARIABLES[name]})" if name in _VARIABLES else ""
        found.append(f"{name}{variable}: {was!r} there, {is_now!r} now")
    if found and there.generator != now.generator:
        found.insert(0, f"generator: {there.generator} there, {now.generator} now")
    for name in dict.fromkeys([*there.settings, *now.settings]):
        default = _DEFAULTS.get(name)
        was, is_now = there.settings.get(name, default), now.settings.get(name, default)
        if name != "sources" and was != is_now:
            option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
            found.append(f"{option}: {was!r} there, {is_now!r} now")
    gone = [
        name for name in there.settings.get("sources", ()) if name not in now.settings["sources"]
    ]
    if gone:
        found.append(f"sources: {', '.join(gone)} there, not named now")
    return found


def require_agreement(folder: Path, there: Manifest, now: Manifest, space: Space) -> None:
    """Refuse to go on with a dataset that was made otherwise.

    Raises:
        FilesError: with every difference, and what to do.
    """
    found = differences(there, now, space)
    if found:
        lines = "\n".join(f"  {line}" for line in found)
        raise FilesError(
            f"{folder.as_posix()} was made otherwise than it would be now:\n{lines}\n"
            "One dataset cannot hold both. Set that as it was, choose another --output, or embed "
            "everything anew with --overwrite."
        )
