"""Faults that authors make, to be planted in the sample generators one at a time."""

from __future__ import annotations

from kit_faults_acme import IN_ACME
from kit_faults_hashed import IN_HASHED

__all__ = ["FAULTS"]

FAULTS = [*IN_HASHED, *IN_ACME]
