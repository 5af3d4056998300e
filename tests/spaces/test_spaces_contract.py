"""SPACES_TEXT and SPACES_INSTRUCT keep the contract of a generator, with three kinds of server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ellmental_embeddings.testing import Answer, GeneratorContract

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


class TestTextByGradio(GeneratorContract):
    """SPACES_TEXT over Gradio 5's queue: a call is joined first, then heard as events."""

    retry_after_forms = ("seconds", "float", "date", "none")
    refusals = (401, 403)  # 404 for events is a session that a restart has lost: joined anew

    def settings(self) -> dict[str, str]:
        """A Space's URL and a key."""
        self.joined: dict[str, list[str]] = {}
        return {
            "EMBEDDING_GENERATOR": "SPACES_TEXT",
            "EMBEDDINGS_GENERATION_URL": self.server.url,
            "EMBEDDINGS_GENERATION_KEY": KEY,
        }

    def texts_of(self, request: Request) -> Sequence[str] | None:
        """The texts of the call whose events are asked for."""
        if request.path != "/gradio_api/queue/data":
            return None
        return self.joined[request.query["session_hash"]]

    def reply(self, request: Request, rows: Sequence[Row]) -> Answer:
        """The events of a call that ends well, with a Dataframe."""
        table = {"headers": ["1"], "data": [row.vector for row in rows], "metadata": None}
        told = [
            {"msg": "estimation", "event_id": "e", "rank": 0, "queue_size": 1},
            {"msg": "process_starts", "event_id": "e"},
            {
                "msg": "process_completed",
                "event_id": "e",
                "output": {"data": [table], "is_generating": False},
                "success": True,
            },
            {"msg": "close_stream", "event_id": None},
        ]
        events = "".join(f"data: {json.dumps(each)}\n\n" for each in told)
        return Answer(content=events.encode(), kind="text/event-stream; charset=utf-8")

    def error(self, status: int, message: str) -> object:
        """FastAPI's form of an error."""
        return {"detail": message}

    def other(self, request: Request) -> object:
        """The app's description, and joining its queue."""
        if request.path == "/config":
            component = {"id": 1, "type": "dataframe"}
            predict = {"id": 0, "api_name": "predict", "inputs": [1], "outputs": [1]}
            return {
                "version": "5.50.0",
                "protocol": "sse_v3",
                "api_prefix": "/gradio_api",
                "components": [component],
                "dependencies": [predict],
            }
        if request.path == "/gradio_api/queue/join":
            call = request.json
            self.joined[call["session_hash"]] = call["data"][0]["data"][0]
            return {"event_id": "e"}
        return None


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
