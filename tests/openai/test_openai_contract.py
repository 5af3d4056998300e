"""OPENAI keeps the contract of a generator, with a server that imitates OpenAI's."""

from __future__ import annotations

from openai_protocol import SpeaksOpenAI


class TestOpenAI(SpeaksOpenAI):
    """OPENAI_TYPE=openai."""

    def settings(self) -> dict[str, str]:
        """A server of one's own, with a key."""
        return {
            "EMBEDDING_GENERATOR": "OPENAI",
            "OPENAI_BASE_URL": f"{self.server.url}/v1",
            "OPENAI_API_KEY": "sk-W9fQ2xLr7TzKp4Ve8NbYc3",
            "OPENAI_MODEL": "some-model",
        }

    def error(self, status: int, message: str) -> object:
        """OpenAI's form of an error."""
        return {"error": {"message": message, "type": "some_error", "param": None, "code": None}}
