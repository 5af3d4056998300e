"""Which kind of server it is: asked once, in an order in which no kind is taken for another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ellmental_embeddings import BadReply, ConfigurationError, EmbeddingError
from ellmental_embeddings.decoding import parse

from .fastapi import InputsServer, place_of_vectors, posted_paths
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
        endpoint = self._settings.spaces_endpoint
        return GradioServer(self._app, self._site, config, endpoint)

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
                base = root + path.removesuffix("/models")
                raise ConfigurationError(
                    f"{self._app.shown} is an OpenAI-shaped server. Use it with "
                    f"EMBEDDING_GENERATOR=OPENAI and OPENAI_BASE_URL={base} (pip install "
                    "ellmental-embeddings-openai)."
                )

    async def _inputs(self) -> Server | None:
        wanted = self._settings.spaces_endpoint
        chosen = "spaces_endpoint" in self._settings.model_fields_set
        paths = posted_paths(await self._get("/openapi.json"))
        if paths is not None:
            if chosen or wanted in paths or not paths:
                return self._listed(wanted, paths)
            if len(paths) == 1 or paths[0] in ("/embed", "/embeddings", "/encode", "/"):
                return InputsServer(self._app, self._site, paths[0])
            return self._listed(wanted, paths)
        for path in (wanted,) if chosen else (wanted, ""):
            answer = await self._ask("POST", path, _PROBE)
            if answer.status == 200 and _is_vectors(answer):  # noqa: PLR2004 - HTTP's own number
                return InputsServer(self._app, self._site, path)
        return None

    def _listed(self, wanted: str, paths: list[str]) -> Server:
        if wanted not in paths:
            raise ConfigurationError(
                f"SPACES_ENDPOINT={wanted}: the server has no such endpoint. It has: "
                f"{', '.join(paths) or 'none that can be posted to'}."
            )
        return InputsServer(self._app, self._site, wanted)

    async def _get(self, path: str) -> Any:
        answer = await self._ask("GET", path)
        return answer.content()

    async def _ask(self, method: str, path: str, body: object = None) -> Answer:
        """Ask, and end the search where the answer says that the app itself is not there."""
        answer = await self._site.ask(method, path, body)
        if not self._tried or answer.status == 429:  # noqa: PLR2004 - HTTP's own number
            # The first answer tells whether anybody is at home.
            obstacle = await self._app.obstacle(answer)
            if obstacle is not None:
                raise obstacle
        self._tried.append((f"{method} {path or '/'}", answer))
        if answer.status in _LOCKED and "Not authenticated" in answer.body[:200].decode(
            "utf-8", "replace"
        ):
            raise self._app.refused(answer)
        return answer

    def _unknown(self) -> EmbeddingError:
        locked = [answer for _, answer in self._tried if answer.status in _LOCKED]
        if len(locked) == len(self._tried):
            return self._app.refused(locked[0])
        came = "; ".join(f"{what} -> {answer.told()}" for what, answer in self._tried)
        kind = self._settings.spaces_server
        meant = (
            "no server that is known here (Gradio, text-embeddings-inference, OpenAI-shaped, "
            '{"inputs": [...]})'
            if kind == "auto"
            else f"not what SPACES_SERVER={kind} says"
        )
        return ConfigurationError(
            f"{self._app.shown} is {meant}. Tried: {came}. Check EMBEDDINGS_GENERATION_URL and "
            "SPACES_ENDPOINT."
        )


def _is_vectors(answer: Answer) -> bool:
    try:
        document = parse(answer.body)
        return len(document.matrix(place_of_vectors(document))) == 1
    except (BadReply, AttributeError):
        return False
