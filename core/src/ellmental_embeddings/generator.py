"""What a user holds: the EmbeddingGenerator that ``load_generator`` returns."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from .arguments import as_list, refuse_single
from .calls import Call, end_all, end_all_async
from .engine.run import Ran
from .host import EngineHost
from .result import Estimate
from .windows import windows

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from .backend import Backend, Limits, ModelInfo, Role
    from .completions import Completions
    from .engine.pace import PaceStatus
    from .engine.run import Engine
    from .progress import OnProgress
    from .result import Embeddings, Space
    from .settings import CoreSettings
    from .wanted import OnError

__all__ = ["EmbeddingGenerator"]


class EmbeddingGenerator:
    """Turns texts into vectors. Made by ``load_generator``.

    All methods may be called from any thread and any event loop, at the same time. The
    generator must not be pickled: load it again from its settings in the other process.

    Attributes:
        name: the generator's name, e.g. ``LOCAL``.
        dist: the dist that brings it.
        settings: the settings in force; keys are SecretStr and do not show.
    """

    def __init__(
        self, name: str, dist: str, settings: CoreSettings, make_backend: Callable[[], Backend]
    ) -> None:
        self.name = name
        self.dist = dist
        self.settings = settings
        self._host = EngineHost(name, settings, make_backend)

    @property
    def _engine(self) -> Engine:
        return self._host.engine

    @property
    def limits(self) -> Limits:
        """What one request and one text may hold, as far as it is known by now."""
        return self._engine.service.limits

    @property
    def model(self) -> ModelInfo:
        """Which model makes the vectors, as its backend declares it."""
        return self._engine.backend.model

    @property
    def server(self) -> str | None:
        """What it talks to, where its backend had to find that out; None before it has."""
        return self._engine.backend.server

    @property
    def pace(self) -> PaceStatus:
        """How fast it may be, and what has held it back so far."""
        return self._engine.pace.status

    @property
    def dimensions(self) -> int | None:
        """Width of the vectors; None while it is not known."""
        return self._engine.service.width

    @property
    def summary(self) -> str:
        """Which generator and model, in one line: ``LOCAL (all-MiniLM-L6-v2, 384 dimensions)``."""
        space = self.space
        width = f", {space.dimensions} dimensions" if space.dimensions else ""
        # A variant has a bracket of its own: OPENAI (OPENAI_TYPE=openai).
        label = f"{self.name[:-1]}, " if self.name.endswith(")") else f"{self.name} ("
        return f"{label}{space.model or 'model not named'}{width})"

    @property
    def space(self) -> Space:
        """The space of this generator's vectors, as far as it is known by now."""
        return self._host.space("document", None)

    def count_tokens(self, text: str, role: Role = "document") -> int | None:
        """Exact tokens of a text as it would be sent, or None where they cannot be known."""
        return self._engine.backend.count_tokens(self._host.prefix(role) + text)

    def most_tokens(self, text: str, role: Role = "document") -> int:
        """Cheap upper bound of ``count_tokens``."""
        return self._engine.backend.most_tokens(self._host.prefix(role) + text)

    def embed(
        self,
        texts: Iterable[str],
        *,
        role: Role = "document",
        instruction: str | None = None,
        on_error: OnError = "raise",
        progress: OnProgress = None,
    ) -> Embeddings:
        """Embed texts.

        Args:
            texts: any number of texts. Identical ones are sent once.
            role: ``document`` for texts to be found, ``query`` for texts to find them with.
            instruction: overrides EMBEDDING_DOCUMENT_INSTRUCTION or
                EMBEDDING_QUERY_INSTRUCTION for this call.
            on_error: ``raise`` finishes all other texts first, then raises; ``keep`` returns
                NaN rows for failed texts, with the errors in ``outcomes``.
            progress: called with a Progress up to ten times a second, in this thread; True
                draws a tqdm bar. What it raises is logged, and the call goes on.

        Returns:
            Vectors of shape (texts, dimensions), row i for text i. For no texts an empty
            result of the right width.

        Raises:
            EmbeddingFailed: some texts failed; ``.result`` has the others.
            AuthenticationFailed, QuotaExhausted, Unavailable, RateLimited, BadReply,
            ConfigurationError: the service as a whole cannot be used, whatever ``on_error``
                says; ``.result`` has what succeeded, if anything did.
            TypeError: ``texts`` is one string, or no iterable.
        """
        given, call = as_list(texts), Call[Ran]()
        wanted = self._host.wanted(given, role, instruction, on_error, progress)
        with wanted.reporter:
            try:
                self._host.begin(call, given, wanted)
                return self._host.concluded(wanted.reporter.wait(call), wanted)
            except BaseException as error:  # Ctrl-C, and whatever else a signal's handler raises
                self._host.keep(error, end_all([call]), wanted)
                raise

    async def aembed(
        self,
        texts: Iterable[str],
        *,
        role: Role = "document",
        instruction: str | None = None,
        on_error: OnError = "raise",
        progress: OnProgress = None,
    ) -> Embeddings:
        """``embed`` for coroutines; same arguments, result and errors.

        Where the task is cancelled, the CancelledError has what was finished in ``.result``.
        """
        given, call = as_list(texts), Call[Ran]()
        wanted = self._host.wanted(given, role, instruction, on_error, progress)
        with wanted.reporter:
            try:
                self._host.begin(call, given, wanted)
                return self._host.concluded(await wanted.reporter.wait_async(call), wanted)
            except BaseException as error:
                self._host.keep(error, await end_all_async([call], during=error), wanted)
                raise

    def stream(
        self,
        texts: Iterable[str],
        *,
        role: Role = "document",
        instruction: str | None = None,
        on_error: OnError = "raise",
        progress: OnProgress = None,
    ) -> Iterator[Embeddings]:
        """Embed any number of texts with bounded memory.

        The iterable is read in the caller's thread, a bounded number of texts ahead.

        Yields:
            Results of consecutive texts, in order: the first covers the first ``len(part)``
            texts, and so on. Each is as from ``embed``.

        Raises:
            EmbeddingFailed: at the part that has failed texts; ``.result`` is that part. Use
                ``on_error="keep"`` to go on past failed texts.
            EmbeddingError: the service as a whole cannot be used, as from ``embed``. Its
                ``.result``, like that of whatever else ends the stream (KeyboardInterrupt, an error
                of the iterable), covers the texts that were begun and not handed out yet; those
                that were not finished are failed ones there.
        """
        refuse_single(texts)
        wanted = self._host.wanted(texts, role, instruction, on_error, progress)
        return self._host.streaming(wanted).stream(texts)

    def astream(
        self,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        role: Role = "document",
        instruction: str | None = None,
        on_error: OnError = "raise",
        progress: OnProgress = None,
    ) -> AsyncIterator[Embeddings]:
        """``stream`` for coroutines; also takes an async iterable.

        Parts are handed out as soon as they are finished; texts of an async iterable that is
        slow are not held back for more than half a second.
        """
        refuse_single(texts)
        wanted = self._host.wanted(texts, role, instruction, on_error, progress)
        return self._host.streaming(wanted).astream(texts)

    def as_completed(
        self,
        texts: Iterable[str | None],
        *,
        role: Role = "document",
        instruction: str | None = None,
        progress: OnProgress = None,
    ) -> Completions:
        """Embed any number of texts, and hand out each batch as soon as it is finished.

        ``stream`` holds a batch back until all before it are finished. Here a request counts as
        in flight until the next batch is asked for: at most EMBEDDING_MAX_CONCURRENCY times
        BATCH_SIZE texts are ever sent and not yet dealt with.

        Args:
            texts: any number. At a None, which has no position, what was read is sent.
            role: as of ``embed``.
            instruction: as of ``embed``.
            progress: as of ``embed``.

        Returns:
            What yields (positions, result), see CompletedBatch. Failed texts are NaN rows.

        Raises:
            EmbeddingError: the service cannot be used; after all else is handed out.
        """
        from .completions import Completions

        refuse_single(texts)
        wanted = self._host.wanted(texts, role, instruction, "keep", progress)
        size, ahead = self._host.windows()
        return Completions(
            texts,
            begin=lambda call, window, watch: self._host.begin(call, window, wanted, watch),
            loop=self._host.loop,
            space=lambda: self._host.space(role, instruction),
            reporter=wanted.reporter,
            size=size,
            ahead=ahead,
        )

    def estimate(self, texts: Iterable[str], *, role: Role = "document") -> Estimate:
        """What ``stream`` would send for these texts. Sends nothing; its memory is bounded."""
        refuse_single(texts)
        self._host.check(role, None, "keep")
        told = self._host.instruction(role) or None
        total = Estimate()
        for window in windows(texts, self._host.windows()[0]):
            planned = partial(self._engine.estimator.estimate, window, role=role, instruction=told)
            total += self._host.loop.run(planned)
        return total

    def close(self) -> None:
        """Cancel what runs and give back what is held. Closing twice is fine."""
        self._host.close()

    async def aclose(self) -> None:
        """``close`` for coroutines."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<EmbeddingGenerator {self.name} from {self.dist}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an EmbeddingGenerator holds open connections and cannot be pickled; call "
            "load_generator with the same name and settings in the other process"
        )
