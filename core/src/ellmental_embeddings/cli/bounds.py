"""Which cores a plugin works with. Read by ``.ci/release.py``, too: it imports nothing of ours."""

from __future__ import annotations

import re

__all__ = ["bound_of"]


def bound_of(version: str) -> str:
    """The cores that plugins of a version work with: ``>=0.1,<0.2``; from 1.0 on ``>=1.3,<2``.

    Before 1.0 each minor version may break plugins, from then on each major one. A bound without
    a pre-release lets none in, so that of a pre-release names it.
    """
    version = version.partition("+")[0]
    major, minor = (int(part) for part in re.findall(r"\d+", version)[:2])
    lowest = version if re.search("[a-z]", version) else f"{major}.{minor}"
    return f">={lowest},<{major + 1}" if major else f">={lowest},<0.{minor + 1}"
