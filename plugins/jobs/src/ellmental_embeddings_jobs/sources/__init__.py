"""Files in: one module a format, and the registry that finds them."""

from __future__ import annotations

from .base import Columns, Source
from .formats import ENDINGS, FORMATS
from .registry import Opened, Reading, open_sources

__all__ = ["ENDINGS", "FORMATS", "Columns", "Opened", "Reading", "Source", "open_sources"]
