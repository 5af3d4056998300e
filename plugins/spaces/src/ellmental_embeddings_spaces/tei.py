"""text-embeddings-inference: ``POST /embed``, with limits read from ``/info``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ellmental_embeddings import (
    BatchTooLarge,
    ConfigurationError,
    EmbeddingError,
    Limits,
    ModelInfo,
    TextRejected,
    TextTooLong,
    Unavailable,
)
from ellmental_embeddings.decoding import parse

from .failures import detail

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .app import App
    from .clock import Clock
    from .wire import Answer, Site

__all__ = ["TeiServer", "is_tei"]

_BATCH = re.compile(r"maximum allowed batch size (\d+)", re.IGNORECASE)
_LONG = re.compile(r"must have less than (\d+) tokens|too long|input length", re.IGNORECASE)
_ABOUT_THE_TEXTS = {400, 413, 422}
"""TEI's "Empty" and "Validation". With any other status a proxy may have said it, keys and waits
included: there the status counts."""
_PAYLOAD_BYTES = 2_000_000
"""What TEI takes unless it is started with --payload-limit; JSON around the texts included."""
_MOST_IN_FLIGHT = 16


def is_tei(info: object) -> bool:
    """Whether a parsed ``/info`` is TEI's."""
    return isinstance(info, dict) and "model_id" in info and "max_client_batch_size" in info


class TeiServer:
    """A text-embeddings-inference server.

    Raises:
        ConfigurationError: it serves a model that makes no embeddings.
    """

    def __init__(self, app: App, site: Site, info: dict[str, Any], dimensions: int | None) -> None:
        self._app = app
        self._site = site
        self._dimensions = dimensions
        kind = info.get("model_type")
        if isinstance(kind, dict) and "embedding" not in kind:
            raise ConfigurationError(
                f"{app.shown} serves {info['model_id']}, which is a {', '.join(kind)} and makes "
                "no embeddings. Set EMBEDDINGS_GENERATION_URL to a server with an embedding model."
            )
        items = _positive(info.get("max_client_batch_size"))
        permits = _positive(info.get("max_concurrent_requests"))
        # Every text takes one of the permits, and what finds none is refused.
        most = max(1, permits // items) if permits and items else _MOST_IN_FLIGHT
        self.limits = Limits(
            items=items, bytes=_PAYLOAD_BYTES // 2, concurrency=min(most, _MOST_IN_FLIGHT)
        )
        name, checksum = str(info["model_id"]), info.get("model_sha")
        self.model = ModelInfo(
            # Without a checksum it may be a folder of that server's: another has another in it.
            name=name if checksum else f"{name} at {app.identity}",
            revision=str(checksum) if checksum else None,
            normalised=True,
        )
        self.about = (
            f"text-embeddings-inference {info.get('version', '')} at {site.root}, "
            f"{items or 'any number of'} texts a request"
        )

    async def vectors(
        self,
        texts: Sequence[str],
        instruction: str | None,
        clock: Clock,  # noqa: ARG002 - no queue that tells of itself
    ) -> NDArray[np.float32]:
        """Embed a batch. Nothing is cut: TEI itself would do so without a word."""
        if instruction is not None:
            raise ConfigurationError(
                "text-embeddings-inference takes no instruction beside a text. Use "
                "EMBEDDING_GENERATOR=SPACES_TEXT: it puts EMBEDDING_QUERY_INSTRUCTION and "
                "EMBEDDING_DOCUMENT_INSTRUCTION before each text."
            )
        body: dict[str, Any] = {"inputs": list(texts), "normalize": True, "truncate": False}
        if self._dimensions is not None:
            body["dimensions"] = self._dimensions
        answer = await self._site.ask("POST", "/embed", body)
        if answer.status != 200 or not answer.is_json:  # noqa: PLR2004 - HTTP's own number
            raise await self._refused(answer)
        return parse(answer.body).matrix()

    async def _refused(self, answer: Answer) -> EmbeddingError:
        content = answer.content() if answer.is_json else None
        said = detail(content)
        if answer.status == 424:  # noqa: PLR2004 - TEI's, for a backend that fails
            return Unavailable(f"{self._app.shown}: {said or answer.told()}")
        if not said or answer.status not in _ABOUT_THE_TEXTS:
            return await self._app.refusal(answer)
        if batch := _BATCH.search(said):
            return BatchTooLarge(said, items=int(batch[1]))
        if _LONG.search(said):
            return TextTooLong(
                f"the model says: {said}. Its tokens cannot be counted from here: split the text "
                "(EMBEDDING_OVERLONG has no effect)"
            )
        if "dimensions" in said:
            return ConfigurationError(f"{self._app.shown}: {said}. Unset EMBEDDING_DIMENSIONS.")
        return TextRejected(f"{self._app.shown}: {said}")


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
