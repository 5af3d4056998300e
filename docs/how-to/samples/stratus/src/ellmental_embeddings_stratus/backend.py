"""Embeds one batch with one request to Stratus's `encode`."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
from ellmental_embeddings import (
    Backend,
    BadReply,
    Batch,
    ConfigurationError,
    EmbeddingError,
    Limits,
    ModelInfo,
    Reply,
    Unavailable,
)

from .budget import budget
from .refusals import problem, refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .settings import StratusSettings

__all__ = ["StratusBackend"]

DIMENSIONS = 64
PURPOSES = {"document": "index", "query": "search"}


class StratusBackend(Backend):
    """Stratus's service: documents by id, vectors in base64, problems beside them."""

    limits = Limits(items=32)
    model = ModelInfo(name="stratus-2-small", dimensions=DIMENSIONS)

    def __init__(self, settings: StratusSettings) -> None:
        if settings.embedding_dimensions not in {None, DIMENSIONS}:
            raise ConfigurationError(
                f"Stratus makes {DIMENSIONS} numbers: unset EMBEDDING_DIMENSIONS.",
            )
        url = settings.stratus_url.rstrip("/")
        self._url = f"{url}/v3/projects/{settings.stratus_project}/models/{self.model.name}:encode"
        self._headers = {"x-stratus-token": settings.stratus_token.get_secret_value()}
        self._timeout = settings.embedding_timeout
        self._client: httpx.AsyncClient | None = None

    def request(self, batch: Batch) -> dict[str, Any]:
        """Each document under an id of our choice: its place in the batch."""
        documents = {f"d{place}": {"body": text} for place, text in enumerate(batch.texts)}
        return {"purpose": PURPOSES[batch.role], "documents": documents}

    def read(self, body: Any) -> Reply:
        """Documents come back by id, in any order; one may have a problem in place of a vector."""
        documents = body["documents"]
        places = [int(name.removeprefix("d")) for name in documents]
        for place, document in zip(places, documents.values(), strict=True):
            if "problem" in document:
                raise problem(document["problem"], place)
        rows = [_decoded(document["vector"]) for document in documents.values()]
        return Reply(np.array(rows), index=places, tokens=body["units"])

    async def embed(self, batch: Batch) -> Reply:
        """One request, one answer."""
        try:
            answer = await self._connected().post(self._url, json=self.request(batch))
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise _unanswered(error) from None
        if answer.status_code != httpx.codes.OK:
            raise refusal(answer)
        try:
            return replace(self.read(answer.json()), rate=budget(answer.headers))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadReply("Stratus's answer cannot be read") from None

    def _connected(self) -> httpx.AsyncClient:
        # Made at the first request: a client belongs to the event loop that it is used on.
        if self._client is None:
            self._client = httpx.AsyncClient(headers=self._headers, timeout=self._timeout)
        return self._client

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


def _unanswered(error: httpx.TransportError | httpx.InvalidURL) -> EmbeddingError:
    # An address that is none is a TransportError too, and asking it again helps nobody.
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return ConfigurationError(f"STRATUS_URL is no address: {error}")
    if isinstance(error, httpx.TimeoutException):
        return Unavailable("Stratus did not answer in time")
    host, reason = error.request.url.host, str(error) or type(error).__name__
    return Unavailable(f"no connection to {host} (STRATUS_URL): {reason}")


def _decoded(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4")
