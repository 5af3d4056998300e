"""One request to a backend; whatever it raises comes out as an EmbeddingError without secrets."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

from ..errors import EmbeddingError, PluginError, Unavailable
from .redact import redact
from .threads import in_thread

if TYPE_CHECKING:
    from ..backend import Backend, Batch, Reply

__all__ = ["Asker"]


class Asker:
    """Calls a backend's ``embed``, be it ``async def`` or a plain ``def``, within a time limit."""

    def __init__(self, backend: Backend, *, timeout: float, secrets: tuple[str, ...]) -> None:
        self._backend = backend
        self._timeout = timeout
        self._secrets = secrets
        self._is_async = inspect.iscoroutinefunction(backend.embed)

    async def ask(self, batch: Batch) -> Reply:
        """Send one batch.

        Returns:
            What the backend returned, not checked yet.

        Raises:
            EmbeddingError: what the backend raised; Unavailable for time-outs and lost
                connections; PluginError for what no backend should raise.
        """
        try:
            async with asyncio.timeout(self._timeout) as limit:
                reply: object = await self._send(batch)
        except EmbeddingError as error:
            redact(error, self._secrets)
            raise
        except Exception as error:  # noqa: BLE001 - none may pass untranslated
            expired = isinstance(error, TimeoutError) and limit.expired()
            problem = self._translated(error, expired=expired)
            problem.__cause__ = None if isinstance(problem, Unavailable) else error
            redact(problem, self._secrets)
            raise problem from problem.__cause__
        return reply  # type: ignore[return-value]  # check.py looks at what it is

    async def _send(self, batch: Batch) -> object:
        if self._is_async:
            return await self._backend.embed(batch)  # type: ignore[misc]
        reply = await in_thread(lambda: self._backend.embed(batch))
        return await reply if inspect.isawaitable(reply) else reply

    def _translated(self, error: Exception, *, expired: bool) -> EmbeddingError:
        if expired:
            return Unavailable(f"no answer in {self._timeout:g} s (EMBEDDING_TIMEOUT)")
        if isinstance(error, TimeoutError):
            return Unavailable(f"time-out: {error}")
        if isinstance(error, ConnectionError):
            return Unavailable(f"connection failed: {error}")
        kind = type(self._backend)
        return PluginError(
            f"{kind.__module__}.{kind.__qualname__} raised {type(error).__name__}: {error}. "
            "This is a fault in the plugin: tell its authors."
        )
