"""The one door to a backend: whatever it raises comes out as an EmbeddingError without secrets."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

from ..errors import EmbeddingError, PluginError, Unavailable
from .plain import Plain
from .redact import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..backend import Backend, Batch, Reply
    from .redact import Secrets

__all__ = ["Asker"]


class Asker:
    """Calls a backend; its ``embed`` may be ``async def`` or a plain ``def``.

    Attributes:
        is_async: which of the two.
    """

    def __init__(self, backend: Backend, secrets: Secrets) -> None:
        self._backend = backend
        self._secrets = secrets
        self.is_async = inspect.iscoroutinefunction(backend.embed)
        self._plain = Plain(backend)

    async def ask(self, batch: Batch, *, within: float) -> Reply:
        """Send one batch, and wait for so many seconds.

        Returns:
            What the backend returned, not checked yet.

        Raises:
            EmbeddingError: what the backend raised; Unavailable for time-outs and lost
                connections; PluginError for what no backend should raise.
        """
        try:
            async with asyncio.timeout(within) as limit:
                reply: object = await self._send(batch)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                self._plain.forget(batch)
                raise
            # Nobody cancelled this call: something inside the backend cancelled itself.
            raise self._ours(error) from None
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - none may pass; a panic in Rust is no Exception
            if isinstance(error, TimeoutError) and limit.expired():
                which = "DEADLINE" if self._backend.keeps_timeout else "TIMEOUT"
                message = f"no answer in {within:g} s (EMBEDDING_{which})"
                if not self.is_async and self._plain.is_full:
                    message += "; earlier calls still run in threads, which cannot be stopped"
                raise Unavailable(message) from None
            problem = self._ours(error)
            raise problem from problem.__cause__
        return reply  # type: ignore[return-value]  # check.py looks at what it is

    def count_tokens(self, text: str) -> int | None:
        """The backend's count.

        Raises:
            EmbeddingError: PluginError where the backend raises anything else.
        """
        try:
            return self._backend.count_tokens(text)
        except Exception as error:  # noqa: BLE001 - none may pass untranslated
            problem = self._ours(error)
            raise problem from problem.__cause__

    def most_tokens(self, text: str) -> int:
        """The backend's bound; raises like ``count_tokens``."""
        try:
            return self._backend.most_tokens(text)
        except Exception as error:  # noqa: BLE001 - none may pass untranslated
            problem = self._ours(error)
            raise problem from problem.__cause__

    def tokens_of(self, texts: Sequence[str]) -> int:
        """Tokens of texts, counted where they can be; else their bounds."""
        counts = ((text, self.count_tokens(text)) for text in texts)
        return sum(self.most_tokens(text) if count is None else count for text, count in counts)

    async def _send(self, batch: Batch) -> object:
        if self.is_async:
            return await self._backend.embed(batch)  # type: ignore[misc]
        reply = await self._plain.embed(batch)
        return await reply if inspect.isawaitable(reply) else reply

    def _ours(self, error: BaseException) -> EmbeddingError:
        """The error as one of this library's, its cause kept where it shows no secret."""
        if isinstance(error, EmbeddingError):
            redact(error, self._secrets)
            return error
        problem = self._translated(error)
        problem.__cause__ = None if isinstance(problem, Unavailable) else error
        redact(problem, self._secrets)
        return problem

    def _translated(self, error: BaseException) -> EmbeddingError:
        if isinstance(error, TimeoutError):
            return Unavailable(f"time-out: {error}")
        if isinstance(error, ConnectionError):
            return Unavailable(f"connection failed: {error}")
        kind = type(self._backend)
        return PluginError(
            f"{kind.__module__}.{kind.__qualname__} raised {type(error).__name__}: {error}. "
            "This is a fault in the plugin: tell its authors."
        )
