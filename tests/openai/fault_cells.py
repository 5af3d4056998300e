"""The cells of the fault matrix: a share of all requests fails in one way, or in any of them.

A cell embeds texts through the whole product, compares every vector with the server's function,
and the server's bill with its own list of broken answers. ``tests/benchmarks/fault_matrix.py``
runs all cells at full size, ``test_fault_matrix.py`` at a small one.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server_vectors import vectors_of

from ellmental_embeddings import load_generator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from server_bill import Account
    from server_control import ServerProcess
    from server_script import Way

__all__ = ["HANGING", "MIXTURE", "SHARES", "WAYS", "Cell", "expected", "run_cell", "texts_of"]

MODEL = "text-embedding-3-small"
DIMENSIONS = 16
SHARES = (0.01, 0.05, 0.2)

WAYS: Mapping[str, Way] = {
    "500": ("server_error", {}),
    "503": ("overloaded", {}),
    "429 with Retry-After": ("rate_limited", {"after": 0.05, "how": "ms"}),
    "429 without": ("rate_limited", {"how": "nothing"}),
    "reset before the answer": ("reset_unread", {}),
    "reset in mid-body": ("reset_midway", {}),
    "body shorter than announced": ("cut_body", {}),
    "truncated JSON": ("cut_json", {}),
    "HTML with status 200": ("html", {}),
    "short reply": ("dropped", {}),
    "short reply, renumbered": ("dropped_first", {}),
    "long reply": ("extra", {}),
    "shuffled indices": ("reordered", {}),
    "one index twice": ("doubled", {}),
    "one vector too narrow": ("one_narrow", {}),
    "wrong width": ("all_narrow", {}),
    "NaN": ("nan", {}),
    "hang": ("hang", {}),
    "hang in mid-body": ("hang_midway", {}),
}
"""How requests fail: what the matrix calls it, and the stand-in's fault."""

MIXTURE = "any of these"
HANGING = frozenset({"hang", "hang in mid-body", MIXTURE})
"""Ways that end at EMBEDDING_TIMEOUT."""

_TIMEOUT = 2.0
"""Seconds for a request where some hang: 200 times what a good answer takes here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What came of one cell.

    Attributes:
        way, share: how many of the requests failed, and how.
        texts: texts that were given.
        wrong: rows that are not their text's vector.
        lost: texts without a vector.
        account: what the server billed.
        requests: requests as the product counts them.
        seconds: wall time.
    """

    way: str
    share: float
    texts: int
    wrong: int
    lost: int
    account: Account
    requests: int
    seconds: float

    @property
    def whole(self) -> bool:
        """Nothing wrong, nothing lost, nothing billed but what had to be."""
        account = self.account
        return (
            self.wrong == self.lost == account.beyond == account.unread == 0
            and account.texts == self.texts
            and account.paid == self.texts + account.spoilt
            and account.requests == self.requests
        )


def texts_of(number: int) -> list[str]:
    """So many different texts."""
    return [f"text number {place}: {place * place}" for place in range(number)]


def expected(texts: Sequence[str]) -> NDArray[np.float32]:
    """The right vectors, shape (texts, 16)."""
    return vectors_of(MODEL, list(texts), DIMENSIONS)


def run_cell(
    server: ServerProcess,
    way: str,
    share: float,
    texts: Sequence[str],
    right: NDArray[np.float32],
    **settings: Any,
) -> Cell:
    """Embed the texts while a share of the requests fails in a way.

    Args:
        server: the stand-in; what it remembers is forgotten.
        way: a key of WAYS, or MIXTURE.
        share: of the requests, from 0 to 1.
        texts: all different.
        right: their vectors.
        **settings: of the generator.
    """
    server.forget()
    ways = list(WAYS.values()) if way == MIXTURE else [WAYS[way]]
    server.fail_some(share, ways, seed=zlib.crc32(f"{way} {share}".encode()))
    given = {
        "OPENAI_BASE_URL": server.url,
        "OPENAI_API_KEY": server.key,
        "OPENAI_MODEL": MODEL,
        "EMBEDDING_DIMENSIONS": DIMENSIONS,
        "EMBEDDING_TIMEOUT": _TIMEOUT if way in HANGING else 60.0,
        **settings,
    }
    began = time.monotonic()
    with load_generator("OPENAI", **given) as generator:
        result = generator.embed(texts, on_error="keep")
    seconds = time.monotonic() - began
    same = (result.vectors == right).all(axis=1)
    lost = len(result.failed)
    return Cell(
        way=way,
        share=share,
        texts=len(texts),
        wrong=len(texts) - lost - int(same.sum()),
        lost=lost,
        account=server.settle(),
        requests=result.usage.requests,
        seconds=seconds,
    )
