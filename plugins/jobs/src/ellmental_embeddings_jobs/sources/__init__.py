"""Files in: one module a format, and the registry that chooses by a file's ending."""

from __future__ import annotations

from .base import Columns, Source
from .registry import FORMATS, open_sources

__all__ = ["FORMATS", "Columns", "Source", "open_sources"]
