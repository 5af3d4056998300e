"""OPENAI keeps the contract of a generator, with a server that imitates OpenAI's."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Any

from ellmental_embeddings.testing import GeneratorContract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ellmental_embeddings.testing import Request, Row


class TestOpenAI(GeneratorContract):
    """OPENAI_TYPE=openai, base64 as it asks for by default."""

    def settings(self) -> dict[str, str]:
        """A server of one's own, with a key."""
        return {
            "EMBEDDING_GENERATOR": "OPENAI",
            "OPENAI_BASE_URL": f"{self.server.url}/v1",
            "OPENAI_API_KEY": "sk-W9fQ2xLr7TzKp4Ve8NbYc3",
            "OPENAI_MODEL": "some-model",
        }

    def texts_of(self, request: Request) -> Sequence[str] | None:
        """``input`` of a request to /embeddings."""
        if request.method != "POST" or not request.path.endswith("/embeddings"):
            return None
        texts: list[str] = request.json["input"]
        return texts

    def reply(self, request: Request, rows: Sequence[Row]) -> object:
        """OpenAI's body, in base64 as the plugin asks."""
        data = [
            {
                "object": "embedding",
                "index": row.index,
                "embedding": _base64(row),
            }
            for row in rows
        ]
        usage = {"prompt_tokens": 7, "total_tokens": 7}
        return {"object": "list", "data": data, "model": "some-model", "usage": usage}

    def error(self, status: int, message: str) -> dict[str, Any]:
        """OpenAI's form of an error."""
        return {"error": {"message": message, "type": "some_error", "param": None, "code": None}}


def _base64(row: Row) -> str:
    return base64.b64encode(struct.pack(f"<{len(row.vector)}f", *row.vector)).decode()
