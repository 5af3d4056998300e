"""SPACES_TEXT and SPACES_INSTRUCT keep the contract of a generator, with three kinds of server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ellmental_embeddings.testing import GeneratorContract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ellmental_embeddings.testing import Request, Row

KEY = "hf_abcdefghijklmnopqrstuvwxyz012345"


class TestTextByInference(GeneratorContract):
    """SPACES_TEXT over text-embeddings-inference."""

    retry_after_forms = ("seconds", "float", "date", "none")

    def settings(self) -> dict[str, str]:
        """A server's URL and a key."""
        return {
            "EMBEDDING_GENERATOR": "SPACES_TEXT",
            "EMBEDDINGS_GENERATION_URL": self.server.url,
            "EMBEDDINGS_GENERATION_KEY": KEY,
        }

    def texts_of(self, request: Request) -> Sequence[str] | None:
        """``inputs`` of /embed."""
        return request.json["inputs"] if request.path == "/embed" else None

    def reply(self, request: Request, rows: Sequence[Row]) -> object:
        """Bare rows."""
        return [row.vector for row in rows]

    def error(self, status: int, message: str) -> object:
        """The server's form of an error."""
        return {"error": message, "error_type": "Backend"}

    def other(self, request: Request) -> object:
        """What the server says of itself."""
        if request.path != "/info":
            return None
        return {"model_id": "some/model", "max_client_batch_size": 9, "version": "1.9.3"}


class TestInstructByInputs(GeneratorContract):
    """SPACES_INSTRUCT over a server that takes ``{"inputs": [[instruction, text], ...]}``."""

    retry_after_forms = ("seconds", "float", "date", "none")

    def settings(self) -> dict[str, str]:
        """A server's URL, a key, and what the model is told."""
        return {
            "EMBEDDING_GENERATOR": "SPACES_INSTRUCT",
            "EMBEDDINGS_GENERATION_URL": self.server.url,
            "EMBEDDINGS_GENERATION_KEY": KEY,
            "EMBEDDING_DOCUMENT_INSTRUCTION": "Represent the document: ",
            "EMBEDDING_QUERY_INSTRUCTION": "Represent the question: ",
            "SPACES_SERVER": "fastapi",
        }

    def texts_of(self, request: Request) -> Sequence[tuple[str, ...]] | None:
        """``inputs``, pairs."""
        if request.path != "/predict":
            return None
        return [tuple(pair) for pair in request.json["inputs"]]

    def reply(self, request: Request, rows: Sequence[Row]) -> object:
        """Rows under a name of the app's own."""
        return {"embeddings": [row.vector for row in rows]}

    def error(self, status: int, message: str) -> object:
        """FastAPI's form of an error."""
        return {"detail": message}

    def other(self, request: Request) -> object:
        """FastAPI's description of the app."""
        if request.path != "/openapi.json":
            return None
        schema = {"$ref": "#/components/schemas/Body"}
        body = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
        inputs = {"type": "object", "properties": {"inputs": {"type": "array"}}}
        return {
            "openapi": "3.1.0",
            "paths": {"/predict": {"post": body}},
            "components": {"schemas": {"Body": inputs}},
        }
