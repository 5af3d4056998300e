"""The output folder: Parquet parts, a manifest, the failed rows. Written here, read here."""

from __future__ import annotations

from .manifest import FORMAT, Manifest, PartEntry
from .reader import Dataset, open_dataset
from .writer import DatasetWriter

__all__ = ["FORMAT", "Dataset", "DatasetWriter", "Manifest", "PartEntry", "open_dataset"]
