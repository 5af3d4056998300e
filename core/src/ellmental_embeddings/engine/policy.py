"""What the user's settings say to the engine, which reads none itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .redact import Secrets

__all__ = ["Policy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the user's settings say to the engine; their meaning is in ``settings.py``.

    Attributes:
        secrets: values that must not show in any error.
    """

    batch_size: int = 50
    max_concurrency: int = 64
    rpm: int | None = None
    tpm: int | None = None
    timeout: float = 60.0
    deadline: float = 300.0
    dimensions: int | None = None
    overlong: Literal["error", "truncate", "average"] = "error"
    secrets: Secrets = field(default_factory=Secrets, repr=False)
