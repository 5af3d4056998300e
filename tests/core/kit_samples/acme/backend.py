"""ACME's backend: one request a batch, every failure under its own name."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from ellmental_embeddings import (
    AuthenticationFailed,
    Backend,
    BadReply,
    Batch,
    ConfigurationError,
    EmbeddingError,
    Limits,
    ModelInfo,
    RateLimited,
    Reply,
    TextTooLong,
    Unavailable,
)

if TYPE_CHECKING:
    from .settings import AcmeSettings

MOST_CHARACTERS = 50_000


class AcmeBackend(Backend):
    """Asks with ``{"texts": [...], "told": ...}``; each row of the answer says where it is at."""

    limits = Limits(items=7)
    model = ModelInfo(name="acme-1", dimensions=8)
    takes_instruction = True

    def __init__(self, settings: AcmeSettings) -> None:
        super().__init__(settings)
        if settings.embedding_dimensions not in {None, 8}:
            raise ConfigurationError("ACME makes vectors of 8 numbers: unset EMBEDDING_DIMENSIONS.")
        self._url = settings.acme_url
        self._timeout = settings.embedding_timeout
        self._headers = {"authorization": f"Bearer {settings.acme_key.get_secret_value()}"}
        self._client: httpx.AsyncClient | None = None

    async def embed(self, batch: Batch) -> Reply:
        """One request."""
        for index, text in enumerate(batch.texts):
            if len(text) > MOST_CHARACTERS:
                raise TextTooLong(f"more than {MOST_CHARACTERS:,} characters", index=index)
        asked = {"texts": list(batch.texts), "told": batch.instruction, "for": batch.role}
        content = json.dumps(asked).encode()
        try:
            answer = await self._connected().post("/embed", content=content)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise ConfigurationError("ACME_URL is no address") from None
        except httpx.TimeoutException:
            raise Unavailable("ACME did not answer in time") from None
        except httpx.TransportError as error:
            raise Unavailable(f"no connection to ACME: {type(error).__name__}") from None
        if answer.status_code != 200:
            raise refusal(answer)
        try:
            rows = answer.json()["rows"]
            vectors = np.array([row["numbers"] for row in rows], np.float32)
            places = [row["at"] for row in rows]
        except (ValueError, KeyError, TypeError):
            raise BadReply("ACME's answer cannot be read") from None
        return Reply(vectors, index=places)

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            # Reading all the world's certificates takes 50 ms: not for plain http.
            self._client = httpx.AsyncClient(
                base_url=self._url,
                headers=self._headers,
                timeout=self._timeout,
                verify=self._url.startswith("https"),
            )
        return self._client

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


def refusal(answer: httpx.Response) -> EmbeddingError:
    """The error for a status."""
    match answer.status_code:
        case 401 | 403:
            return AuthenticationFailed("ACME does not accept ACME_KEY")
        case 429:
            return RateLimited("ACME asks to slow down", retry_after=wait_of(answer.headers))
        case status if status >= 500:
            return Unavailable(f"ACME answers {status}", retry_after=wait_of(answer.headers))
    return ConfigurationError(f"ACME answers {answer.status_code}: check ACME_URL")


def wait_of(headers: Any) -> float | None:
    """The seconds that the service asks to wait."""
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return int(milliseconds) / 1000
        said = headers.get("retry-after", "")
        if re.fullmatch(r"[\d.]+", said):
            return float(said)
        when = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds())
