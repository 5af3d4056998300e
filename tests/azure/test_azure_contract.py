"""OPENAI with OPENAI_TYPE=azure keeps the contract of a generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai_protocol import SpeaksOpenAI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ellmental_embeddings.testing import Request


class TestAzure(SpeaksOpenAI):
    """A deployment with a key, by a dated version of the API."""

    def settings(self) -> dict[str, str]:
        """What Azure's portal shows."""
        return {
            "EMBEDDING_GENERATOR": "OPENAI",
            "OPENAI_TYPE": "azure",
            "AZURE_OPENAI_ENDPOINT": self.server.url,
            "AZURE_OPENAI_VERSION": "2024-10-21",
            "OPENAI_API_KEY": "0123456789abcdef0123456789abcdef",
            "OPENAI_MODEL": "my-deployment",
        }

    def texts_of(self, request: Request) -> Sequence[str] | None:
        """``input`` of a request to the deployment, of the version that is set."""
        if request.path != "/openai/deployments/my-deployment/embeddings":
            return None
        if request.query.get("api-version") != "2024-10-21":
            return None
        return super().texts_of(request)

    def error(self, status: int, message: str) -> object:
        """Azure's form of an error."""
        return {"error": {"code": str(status), "message": message}}
