"""Whether two matrices hold the same vectors, and whether a result's rows are the right ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .base import ContractBase, fail
from .vectors import text_in, vector_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..backend import Backend

__all__ = ["ComparingBase"]

_LOOSEST = 0.01
_ALIKE = 0.999
"""Least cosine of a vector with the one that the server sent for it: a generator may normalise,
or shorten its digits. Those of two texts are around 0."""

_PLACE = "return rows in the order of batch.texts, or say in Reply.index which is which."


class ComparingBase(ContractBase):
    """Comparisons of vectors, within what the author declares as tolerance."""

    def same(self, found: Any, expected: Any, texts: Sequence[str], when: str, mend: str) -> None:
        """Fail where two matrices do not hold the same vectors."""
        if not 0 <= self.tolerance <= _LOOSEST:
            fail(f"tolerance = {self.tolerance}", f"no more than {_LOOSEST} is the same vector.")
        if np.shape(found) != np.shape(expected):
            fail(f"{when}: shapes {np.shape(found)} and {np.shape(expected)}", mend)
        scale = float(np.abs(expected).max()) or 1.0
        apart = np.abs(np.asarray(found) - np.asarray(expected)).max(axis=1) / scale
        worst = int(np.nan_to_num(apart, nan=np.inf).argmax())
        if not apart[worst] <= self.tolerance:
            fail(
                f"the vector of {texts[worst][:60]!r} is not the same {when}: {apart[worst]:.2g} "
                f"apart (tolerance {self.tolerance:g})",
                mend,
            )

    def right(self, vectors: Any, texts: Sequence[str], when: str, mend: str = _PLACE) -> None:
        """Fail where a row does not belong to its text.

        With a protocol, the rows are compared with what the server sent for each text; else
        with what the generator makes of each text alone.
        """
        if not self.speaks_http:
            self.same(vectors, self.alone(texts), texts, when, mend)
            return
        sent = {item for items in list(self.server.asked) for item in items}
        if len(vectors) != len(texts):
            fail(f"{when}: {len(vectors)} rows for {len(texts)} texts", mend)
        for row, text in zip(vectors, texts, strict=True):
            items = [item for item in sent if text_in(item).endswith(text)]
            if not items:
                fail(
                    f"{when}: the server was never asked for {text[:60]!r}",
                    "send each text whole and unchanged.",
                )
            true = np.array([vector_of(item, self.server.width) for item in items])[:, : len(row)]
            lengths = np.linalg.norm(true, axis=1) * np.linalg.norm(row)
            if not ((true @ row) / np.where(lengths == 0, 1, lengths)).max() >= _ALIKE:
                fail(f"{when}: the row of {text[:60]!r} is not what the server sent for it", mend)

    def native_instruction(self, backend: Backend) -> str | None:
        """What the settings tell an instruction model about documents; None for all others."""
        told = self._variables.get("EMBEDDING_DOCUMENT_INSTRUCTION")
        return told if backend.takes_instruction else None
