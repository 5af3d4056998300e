"""What the user's settings say to the engine, which reads none itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from .redact import Secrets

if TYPE_CHECKING:
    from .cache import VectorCache

__all__ = ["Policy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the user's settings say to the engine; their meaning is in ``settings.py``.

    Attributes:
        secrets: values that must not show in any error.
        cache: where vectors are kept, or None.
        service: which service is asked, without secrets: tells services apart that do not
            name their model.
    """

    batch_size: int = 50
    max_concurrency: int = 64
    rpm: int | None = None
    tpm: int | None = None
    timeout: float = 60.0
    deadline: float = 300.0
    hedge: float = 0.0
    dimensions: int | None = None
    overlong: Literal["error", "truncate", "average"] = "error"
    secrets: Secrets = field(default_factory=Secrets, repr=False)
    cache: VectorCache | None = field(default=None, repr=False, compare=False)
    service: str = ""
