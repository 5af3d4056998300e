"""Which kind of server it is: asked once, in an order in which no kind is taken for another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ellmental_embeddings import (
    BadReply,
    BatchTooLarge,
    ConfigurationError,
    EmbeddingError,
    Unavailable,
)
from ellmental_embeddings.decoding import parse

from .failures import asks_for_password, is_transient
from .fastapi import USUAL, InputsServer, place_of_vectors, posted_paths
from .gradio import GradioServer
from .gradio_config import read_config
from .tei import TeiServer, is_tei

if TYPE_CHECKING:
    from .app import App
    from .server import Server
    from .settings import SpacesSettings
    from .wire import Answer, Site

__all__ = ["find_server"]

_PROBE = {"inputs": ["probe"]}
_LOCKED = {401, 403}
_MOST_BYTES = 1 << 25
"""A description over this is none: the config of a large app has a few megabytes."""


async def find_server(app: App, settings: SpacesSettings) -> Server:
    """Find out what the app is, or check that it is what SPACES_SERVER says.

    Raises:
        ConfigurationError: it is nothing known, saying what was tried and what came back; or it
            is OpenAI-shaped, and the OPENAI generator is for it.
        EmbeddingError: it does not answer, or not to this key.
    """
    return await _Search(app, await app.site(), settings).run()


class _Search:
    def __init__(self, app: App, site: Site, settings: SpacesSettings) -> None:
        self._app = app
        self._site = site
        self._settings = settings
        self._tried: list[tuple[str, Answer]] = []

    async def run(self) -> Server:
        kind = self._settings.spaces_server
        if kind in ("auto", "gradio") and (found := await self._gradio()):
            return found
        if kind in ("auto", "tei") and (found := await self._tei()):
            return found
        if kind == "auto":
            await self._refuse_openai()
        if kind in ("auto", "fastapi") and (found := await self._inputs()):
            return found
        raise self._unknown()

    async def _gradio(self) -> Server | None:
        config = read_config(await self._get("/config"))
        if config is None:
            return None
        return GradioServer(self._app, self._site, config, self._settings)

    async def _tei(self) -> Server | None:
        info = await self._get("/info")
        if not is_tei(info):
            return None
        return TeiServer(self._app, self._site, info, self._settings.embedding_dimensions)

    async def _refuse_openai(self) -> None:
        root = self._site.root
        versioned = urlsplit(root).path.endswith("/v1")
        for path in ("/models",) if versioned else ("/v1/models", "/models"):
            content = await self._get(path)
            answer = self._tried[-1][1]
            locked = answer.status in _LOCKED and isinstance(content, dict)
            listed = isinstance(content, dict) and content.get("object") == "list"
            if listed or (locked and isinstance(content.get("error"), dict)):
                raise self._openai(path.removesuffix("/models"))

    def _openai(self, path: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._app.shown} is an OpenAI-shaped server. Use it with EMBEDDING_GENERATOR=OPENAI "
            f"and OPENAI_BASE_URL={self._site.root}{path} (pip install "
            "ellmental-embeddings-openai)."
        )

    async def _inputs(self) -> Server | None:
        wanted = self._settings.spaces_endpoint
        chosen = "spaces_endpoint" in self._settings.model_fields_set
        described = posted_paths(await self._get("/openapi.json"))
        if described is not None:
            path = self._described(wanted, described, chosen=chosen)
            return InputsServer(self._app, self._site, path)
        for path in (wanted,) if chosen else (wanted, ""):
            answer = await self._ask("POST", path, _PROBE)
            if answer.status == 200 and _is_vectors(answer):  # noqa: PLR2004 - HTTP's own number
                return InputsServer(self._app, self._site, path)
        return None

    def _described(self, wanted: str, paths: dict[str, bool | None], *, chosen: bool) -> str:
        """The path to post to. A chosen one is believed; any other has to take ``inputs``."""
        listed = ", ".join(paths) or "none that can be posted to"
        if chosen:
            if wanted in paths:
                return wanted
            raise ConfigurationError(
                f"SPACES_ENDPOINT={wanted}: the server has no such endpoint. It has: {listed}."
            )
        fitting = [path for path, takes in paths.items() if takes]
        # Where nothing is said of what it takes, the usual names are believed.
        fitting += [path for path, takes in paths.items() if takes is None and path in USUAL]
        if len(fitting) == 1 or (fitting and fitting[0] in USUAL):
            return fitting[0]
        for path in paths:
            if path.endswith("/v1/embeddings"):
                raise self._openai(path.removesuffix("/embeddings"))
        raise ConfigurationError(
            f'which endpoint of {self._app.shown} takes {{"inputs": [...]}} cannot be seen from '
            f"its description. It has: {listed}. Set SPACES_ENDPOINT to the one to use."
        )

    async def _get(self, path: str) -> Any:
        answer = await self._ask("GET", path)
        return answer.content()

    async def _ask(self, method: str, path: str, body: object = None) -> Answer:
        """Ask, and end the search where the answer says that the app itself is not there."""
        try:
            answer = await self._site.ask(method, path, body, most=_MOST_BYTES)
        except BatchTooLarge as error:
            raise ConfigurationError(
                f"{self._app.shown} is no server that is known here: to {method} {path or '/'} "
                f"{error}. Check EMBEDDINGS_GENERATION_URL."
            ) from None
        if not self._tried or is_transient(answer):
            # The first answer tells whether anybody is at home.
            obstacle = await self._app.obstacle(answer)
            if obstacle is not None:
                raise obstacle
        self._tried.append((f"{method} {path or '/'}", answer))
        if asks_for_password(answer):
            raise self._app.refused(answer)
        return answer

    def _unknown(self) -> EmbeddingError:
        locked = [each for each in self._tried if each[1].status in _LOCKED]
        if locked:
            said = f"{self._app.shown} lets nobody in ({_listed(locked)})"
            return self._app.locked(locked[0][1], said)
        came = _listed(self._tried)
        kind = self._settings.spaces_server
        meant = (
            "no server that is known here (Gradio, text-embeddings-inference, OpenAI-shaped, "
            '{"inputs": [...]})'
            if kind == "auto"
            else f"not what SPACES_SERVER={kind} says"
        )
        told = f"{self._app.shown} is {meant}. Tried: {came}"
        if any(
            what.startswith("GET") and answer.status >= 500  # noqa: PLR2004 - HTTP's own number
            for what, answer in self._tried
        ):
            return Unavailable(f"{told}. It may be starting, or broken")
        return ConfigurationError(f"{told}. Check EMBEDDINGS_GENERATION_URL and SPACES_ENDPOINT.")


def _listed(tried: list[tuple[str, Answer]]) -> str:
    return "; ".join(f"{what} -> {answer.told()}" for what, answer in tried)


def _is_vectors(answer: Answer) -> bool:
    try:
        document = parse(answer.body)
        return len(document.matrix(place_of_vectors(document))) == 1
    except (BadReply, AttributeError):
        return False
