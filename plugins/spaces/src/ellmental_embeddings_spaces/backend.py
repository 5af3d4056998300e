"""The two generators' backends."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ellmental_embeddings import (
    Backend,
    Batch,
    BatchTooLarge,
    ConfigurationError,
    EmbeddingError,
    Limits,
    ModelInfo,
    RateLimited,
    Reply,
    Unavailable,
)

from .address import is_loopback, parse_address
from .app import App
from .clock import timed
from .detection import find_server

if TYPE_CHECKING:
    from .clock import Clock
    from .server import Server
    from .settings import SpacesSettings

__all__ = ["SpacesInstructBackend", "SpacesTextBackend"]

log = logging.getLogger("ellmental_embeddings.spaces")

_IN_FLIGHT = 4
"""Until it is known what it talks to; then the server's own limit holds."""

_SAME_TROUBLE = 0.5
"""Seconds for which calls that waited for one search share its failure."""


class SpacesTextBackend(Backend):
    """SPACES_TEXT: a batch is one row of texts.

    Args:
        settings: where the app is, its key, its endpoint.

    Raises:
        ConfigurationError: the URL holds a password.
    """

    keeps_timeout = True
    settings: SpacesSettings

    def __init__(self, settings: SpacesSettings) -> None:
        super().__init__(settings)
        _check_url(settings)
        self.limits = Limits(concurrency=settings.in_flight(_IN_FLIGHT))
        self._app = App(settings)
        self._server: Server | None = None
        self._search = asyncio.Lock()
        self._trouble: tuple[EmbeddingError, float] | None = None

    async def embed(self, batch: Batch) -> Reply:
        """Vectors of a batch, in the order of its texts.

        Raises:
            EmbeddingError: as ``failures`` and ``hub`` say.
        """
        instruction = self._instruction(batch)
        async with timed(self.settings.embedding_timeout) as clock:
            return await self._reply(batch, instruction, clock)

    async def _reply(self, batch: Batch, instruction: str | None, clock: Clock) -> Reply:
        server = await self._found()
        items = server.limits.items
        if items is not None and len(batch.texts) > items:
            raise BatchTooLarge(f"{self._app.shown} takes {items} texts at once", items=items)
        try:
            vectors = await server.vectors(batch.texts, instruction, clock)
        except (Unavailable, ConfigurationError):
            # It may have been replaced: the next call looks anew.
            if self._server is server:
                self._server = None
            raise
        return Reply(vectors, limits=server.limits)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._app.aclose()

    def _instruction(self, batch: Batch) -> str | None:  # noqa: ARG002 - the other one's
        return None

    async def _found(self) -> Server:
        """The server; of several first calls one searches, the others wait for what it finds."""
        server = self._server
        if server is None:
            async with self._search:
                server = self._known() or await self._searched()
        return server

    def _known(self) -> Server | None:
        return self._server

    async def _searched(self) -> Server:
        if self._trouble and time.monotonic() - self._trouble[1] < _SAME_TROUBLE:
            raise _again(self._trouble[0])
        try:
            server = await find_server(self._app, self.settings)
        except EmbeddingError as error:
            self._trouble = (error, time.monotonic())
            raise
        self._took(server)
        return server

    def _took(self, server: Server) -> None:
        known, found = self.model, server.model
        if known.name is not None and (known.name, known.revision) != (found.name, found.revision):
            raise ConfigurationError(
                f"{self._app.shown} serves {_told(found)} now, where it served {_told(known)} "
                "before: their vectors cannot be compared. Start again."
            )
        self._app.hub.answered()
        self._trouble = None
        self._server, self.model, self.server = server, server.model, server.about
        log.info("found %s", server.about)


class SpacesInstructBackend(SpacesTextBackend):
    """SPACES_INSTRUCT: a batch is rows of [instruction, text]."""

    takes_instruction = True

    def _instruction(self, batch: Batch) -> str:
        if batch.instruction is None:
            name = f"EMBEDDING_{batch.role.upper()}_INSTRUCTION"
            raise ConfigurationError(
                f"SPACES_INSTRUCT has no instruction for texts of the role {batch.role!r}. Set "
                f"{name} (EMBEDDING_DOCUMENT_INSTRUCTION and EMBEDDING_QUERY_INSTRUCTION say what "
                f"to do with documents and with queries), or give instruction=... with the call. "
                f'For a model that wants none here, set {name}=" ", one space.'
            )
        # One space is how a setting says: none, and on purpose.
        return batch.instruction if batch.instruction.strip() else ""


def _told(model: ModelInfo) -> str:
    return f"{model.name}" + (f" (revision {model.revision})" if model.revision else "")


def _again(error: EmbeddingError) -> EmbeddingError:
    """The same error, fresh: a raised one carries its traceback along."""
    if isinstance(error, Unavailable | RateLimited):
        return type(error)(str(error), retry_after=error.retry_after)
    return type(error)(str(error))


def _check_url(settings: SpacesSettings) -> None:
    given = settings.embeddings_generation_url
    if "@" in urlsplit(given).netloc:
        raise ConfigurationError(
            "EMBEDDINGS_GENERATION_URL holds a user name or a password before an @. Take them out, "
            "and set EMBEDDINGS_GENERATION_KEY instead."
        )
    key, address = settings.embeddings_generation_key, parse_address(given)
    if key or settings.spaces_app_key:
        _warn_of_open_line(address.root or "", "EMBEDDINGS_GENERATION_URL")
    if key and address.is_space:
        _warn_of_open_line(settings.hf_endpoint, "HF_ENDPOINT")


def _warn_of_open_line(root: str, variable: str) -> None:
    if root.lower().startswith("http://") and not is_loopback(root):
        log.warning(
            "your key goes to %s unencrypted, readable on its way: use https:// where the server "
            "has it (%s)",
            root,
            variable,
        )
