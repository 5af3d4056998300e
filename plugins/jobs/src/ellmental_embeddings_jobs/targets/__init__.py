"""Where ``ellmental export`` copies a dataset to: a file a kind, found by TARGET's spelling."""

from __future__ import annotations

from .base import About, Counts, ExportTarget, Skipped
from .rows import Rows
from .spelling import Spelling, open_target

__all__ = ["About", "Counts", "ExportTarget", "Rows", "Skipped", "Spelling", "open_target"]
