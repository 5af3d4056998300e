"""What a user holds: the EmbeddingGenerator that ``load_generator`` returns."""

from __future__ import annotations

import asyncio
import os
import weakref
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from .arguments import as_list, check_arguments, refuse_single
from .calls import Call, end_all, end_all_async
from .completions import Completions
from .conclusion import concluded, keep_finished
from .engine.run import Engine, Ran
from .errors import ConfigurationError, EmbeddingError
from .loop import LoopThread, shut
from .progress import Reporter
from .result import Embeddings, Estimate, Space
from .settings import policy_of, rate_key_of
from .shared_limits import allowance_of
from .streaming import Streaming, window_sizes
from .wanted import Wanted, instruction_of, space_of
from .windows import windows

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from .backend import Backend, Limits, ModelInfo, Role
    from .engine.pace import PaceStatus
    from .engine.watch import Watch
    from .progress import OnProgress
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
        self._make_backend = make_backend
        self._closed = False
        self._start()

    def _start(self) -> None:
        backend = self._make_backend()
        allowance = allowance_of(
            backend.rate_key or rate_key_of(self.settings), self.settings.embedding_shared_limits
        )
        self._engine = Engine(backend, policy_of(self.settings), allowance)
        self._loop = LoopThread()
        self._finalizer = weakref.finalize(self, shut, self._loop, self._engine)
        self._process = os.getpid()

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
        return f"{self.name} ({space.model or 'model not named'}{width})"

    @property
    def space(self) -> Space:
        """The space of this generator's vectors, as far as it is known by now."""
        return self._space("document", None)

    def count_tokens(self, text: str, role: Role = "document") -> int | None:
        """Exact tokens of a text as it would be sent, or None where they cannot be known."""
        return self._engine.backend.count_tokens(self._prefix(role) + text)

    def most_tokens(self, text: str, role: Role = "document") -> int:
        """Cheap upper bound of ``count_tokens``."""
        return self._engine.backend.most_tokens(self._prefix(role) + text)

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
        wanted = self._wanted(given, role, instruction, on_error, progress)
        with wanted.reporter:
            try:
                self._begin(call, given, wanted)
                return self._concluded(wanted.reporter.wait(call), wanted)
            except BaseException as error:  # Ctrl-C, and whatever else a signal's handler raises
                self._keep(error, end_all([call]), wanted)
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
        wanted = self._wanted(given, role, instruction, on_error, progress)
        with wanted.reporter:
            try:
                self._begin(call, given, wanted)
                return self._concluded(await wanted.reporter.wait_async(call), wanted)
            except BaseException as error:
                self._keep(error, await end_all_async([call], during=error), wanted)
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
        wanted = self._wanted(texts, role, instruction, on_error, progress)
        return self._streaming(wanted).stream(texts)

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
        wanted = self._wanted(texts, role, instruction, on_error, progress)
        return self._streaming(wanted).astream(texts)

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
        refuse_single(texts)
        wanted = self._wanted(texts, role, instruction, "keep", progress)
        size, ahead = self._windows()
        return Completions(
            texts,
            begin=lambda call, window, watch: self._begin(call, window, wanted, watch),
            loop=self._loop,
            space=lambda: self._space(role, instruction),
            reporter=wanted.reporter,
            size=size,
            ahead=ahead,
        )

    def estimate(self, texts: Iterable[str], *, role: Role = "document") -> Estimate:
        """What ``stream`` would send for these texts. Sends nothing; its memory is bounded."""
        refuse_single(texts)
        self._check(role, None, "keep")
        told = self._instruction(role) or None
        total = Estimate()
        for window in windows(texts, self._windows()[0]):
            planned = partial(self._engine.estimator.estimate, window, role=role, instruction=told)
            total += self._loop.run(planned)
        return total

    def close(self) -> None:
        """Cancel what runs and give back what is held. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._finalizer()

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

    # From here on: how the two faces reach the one engine.

    def _wanted(
        self,
        texts: object,
        role: Role,
        instruction: str | None,
        on_error: OnError,
        progress: OnProgress,
    ) -> Wanted:
        self._check(role, instruction, on_error)
        return Wanted(role, instruction, on_error, Reporter(progress, texts))

    def _begin(
        self,
        call: Call[Ran],
        texts: Sequence[object],
        wanted: Wanted,
        watch: Watch | None = None,
    ) -> None:
        self._check(wanted.role, wanted.instruction, wanted.on_error)
        if self._process != os.getpid():
            # Forked: threads and connections stayed in the parent.
            self._finalizer.detach()
            self._parents = self._engine  # kept: its open files are not this process's to close
            self._start()
        if not texts and not self._engine.service.width:
            raise ConfigurationError(
                f"no texts were given, and the width of {self.name}'s vectors is not known before "
                "its first answer. Set EMBEDDING_DIMENSIONS, or give at least one text."
            )
        own = wanted.instruction
        told = (self._instruction(wanted.role) if own is None else own) or None
        engine, tally = self._engine, wanted.reporter.tally
        self._loop.start(
            call,
            lambda: engine.run(texts, role=wanted.role, instruction=told, watch=watch, tally=tally),
        )

    def _check(self, role: Role, instruction: str | None, on_error: OnError) -> None:
        check_arguments(role, instruction, on_error, self._instruction(role))
        if self._closed:
            raise EmbeddingError(f"the generator {self.name} is closed: load it again")

    def _streaming(self, wanted: Wanted) -> Streaming:
        size, ahead = self._windows()
        return Streaming(
            begin=lambda call, window: self._begin(call, window, wanted),
            conclude=lambda ran, start: self._concluded(ran, wanted, start),
            keep=lambda error, ran: self._keep(error, ran, wanted),
            reporter=wanted.reporter,
            size=size,
            ahead=ahead,
        )

    def _windows(self) -> tuple[int, int]:
        """Texts in a window of a stream, and windows under way."""
        batch = min(self.settings.batch_size, self.limits.items or self.settings.batch_size)
        return window_sizes(batch, self._engine.concurrency)

    def _concluded(self, ran: Ran, wanted: Wanted, start: int = 0) -> Embeddings:
        space = self._space(wanted.role, wanted.instruction)
        return concluded(ran, space, self.name, keep=wanted.on_error == "keep", start=start)

    def _keep(self, error: BaseException, ran: Sequence[Ran], wanted: Wanted) -> None:
        held = getattr(error, "result", None)  # of the failed call alone, without those behind it
        if held is None or sum(len(one.outcomes) for one in ran) > len(held):
            keep_finished(error, ran, self._space(wanted.role, wanted.instruction))

    def _space(self, role: Role, instruction: str | None) -> Space:
        return space_of(self._engine, self.settings, self.name, role, instruction)

    def _instruction(self, role: str) -> str | None:
        return instruction_of(self.settings, role)

    def _prefix(self, role: Role) -> str:
        if self._engine.backend.takes_instruction:
            return ""
        return self._instruction(role) or ""
