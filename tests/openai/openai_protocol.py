"""OpenAI's protocol, as the kit's server speaks it for the contracts of OPENAI and Azure."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING

from ellmental_embeddings.testing import GeneratorContract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ellmental_embeddings.testing import Request, Row

__all__ = ["SpeaksOpenAI"]


class SpeaksOpenAI(GeneratorContract):
    """The contract over OpenAI's requests and replies, in base64 as the plugin asks."""

    def texts_of(self, request: Request) -> Sequence[str] | None:
        """``input`` of a request to /embeddings."""
        if request.method != "POST" or not request.path.endswith("/embeddings"):
            return None
        texts: list[str] = request.json["input"]
        return texts

    def reply(self, request: Request, rows: Sequence[Row]) -> object:
        """A list of vectors that say their index, and what it took."""
        data = [
            {"object": "embedding", "index": row.index, "embedding": _base64(row)} for row in rows
        ]
        usage = {"prompt_tokens": 7, "total_tokens": 7}
        return {"object": "list", "data": data, "model": "some-model", "usage": usage}


def _base64(row: Row) -> str:
    return base64.b64encode(struct.pack(f"<{len(row.vector)}f", *row.vector)).decode()
