"""An endpoint that takes ``{"inputs": [...]}``, as Hugging Face's inference servers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ellmental_embeddings import (
    BadReply,
    ConfigurationError,
    EmbeddingError,
    Limits,
    ModelInfo,
    TextRejected,
)
from ellmental_embeddings.decoding import is_array, parse

from .failures import detail
from .payload import pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ellmental_embeddings.decoding import Document, Path

    from .app import App
    from .clock import Clock
    from .wire import Answer, Site

__all__ = ["USUAL", "InputsServer", "place_of_vectors", "posted_paths"]

USUAL = ("/predict", "/embed", "/embeddings", "/encode", "/")
"""What such an endpoint is mostly called, best first."""


class InputsServer:
    """A server whose endpoint takes ``{"inputs": [...]}`` and answers with vectors."""

    def __init__(self, app: App, site: Site, path: str) -> None:
        self._app = app
        self._site = site
        self._path = path
        self.limits = Limits()
        self.model = ModelInfo(name=app.identity + ("" if path in ("", "/predict") else path))
        self.about = f'an endpoint that takes {{"inputs": [...]}} at {site.root}{path}'

    async def vectors(
        self,
        texts: Sequence[str],
        instruction: str | None,
        clock: Clock,  # noqa: ARG002 - no queue that tells of itself
    ) -> NDArray[np.float32]:
        """Embed a batch; with an instruction, as pairs of [instruction, text]."""
        inputs: list[Any] = list(texts) if instruction is None else pairs(texts, instruction)
        answer = await self._site.ask("POST", self._path, {"inputs": inputs})
        if answer.status != 200 or not answer.is_json:  # noqa: PLR2004 - HTTP's own number
            raise await self._refused(answer)
        document = parse(answer.body)
        return document.matrix(place_of_vectors(document))

    async def _refused(self, answer: Answer) -> EmbeddingError:
        said = detail(answer.content()) if answer.is_json else ""
        if answer.status == 422 and said:  # noqa: PLR2004 - FastAPI's, for the body's form
            return ConfigurationError(
                f'{self._site.root}{self._path} does not take {{"inputs": [...]}}: {said}. Choose '
                "another SPACES_ENDPOINT, or change the app."
            )
        if answer.status == 400 and said:  # noqa: PLR2004 - HTTP's own number
            return TextRejected(f"{self._app.shown}: {said}")
        return await self._app.refusal(answer)


def posted_paths(openapi: object) -> dict[str, bool | None] | None:
    """The paths that a parsed ``/openapi.json`` lets be posted to, the usual ones first.

    Returns:
        For each path whether it takes ``inputs``, None where that is not said; None for the
        whole where it is no OpenAPI description.
    """
    paths = openapi.get("paths") if isinstance(openapi, dict) else None
    if not isinstance(openapi, dict) or not isinstance(paths, dict):
        return None
    posted = {
        str(path): _takes_inputs(openapi, methods["post"])
        for path, methods in paths.items()
        if isinstance(methods, dict) and "post" in methods and "{" not in str(path)
    }
    rank = {path: place for place, path in enumerate(USUAL)}
    return dict(sorted(posted.items(), key=lambda each: rank.get(each[0], len(USUAL))))


def _takes_inputs(openapi: dict[str, Any], operation: object) -> bool | None:
    """Whether the JSON body of an operation has ``inputs``; None where it is not described."""
    node: Any = operation
    for step in ("requestBody", "content", "application/json", "schema"):
        node = node.get(step) if isinstance(node, dict) else None
    named = node.get("$ref") if isinstance(node, dict) else None
    if isinstance(named, str):
        node = openapi
        for step in named.removeprefix("#/").split("/"):
            node = node.get(step) if isinstance(node, dict) else None
    fields = node.get("properties") if isinstance(node, dict) else None
    return "inputs" in fields if isinstance(fields, dict) else None


def place_of_vectors(document: Document) -> Path:
    """Where the vectors stand: the answer itself, or the one list of lists among its values."""
    root = document.root
    if not hasattr(root, "keys"):
        return ()
    places = [key for key in list(root.keys()) if is_array(root[key]) and len(root[key])]
    if len(places) != 1:
        raise BadReply(f"the answer has {len(places)} lists where one list of vectors should be")
    return (places[0],)
