"""Where a generator's engine lives: its own event loop, and how calls get there and back."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

from .arguments import check_arguments
from .conclusion import concluded, keep_finished
from .engine.run import Engine, Ran
from .errors import ConfigurationError, EmbeddingError
from .loop import LoopThread, shut
from .progress import Reporter
from .settings import policy_of, rate_key_of
from .shared_limits import allowance_of
from .wanted import Wanted, instruction_of, space_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .backend import Backend, Role
    from .calls import Call
    from .engine.watch import Watch
    from .progress import OnProgress
    from .result import Embeddings, Space
    from .settings import CoreSettings
    from .streaming import Streaming
    from .wanted import OnError

__all__ = ["EngineHost"]


class EngineHost:
    """Holds a generator's engine and loop; makes them anew in a process that was forked.

    When nobody holds it any more, they are closed.

    Args:
        name: the generator's name, for messages.
        settings: the settings in force.
        make_backend: makes a backend, once a process.

    Attributes:
        engine: the engine of this process.
        loop: what it runs on.
        finalizer: closes both, once.
    """

    def __init__(
        self, name: str, settings: CoreSettings, make_backend: Callable[[], Backend]
    ) -> None:
        self._name = name
        self._settings = settings
        self._make_backend = make_backend
        self._closed = False
        self._start()

    def _start(self) -> None:
        backend, settings = self._make_backend(), self._settings
        rate_key = backend.rate_key or rate_key_of(settings)
        allowance = allowance_of(rate_key, settings.embedding_shared_limits)
        self.engine = Engine(backend, policy_of(settings), allowance)
        self.loop = LoopThread()
        self.finalizer = weakref.finalize(self, shut, self.loop, self.engine)
        self._process = os.getpid()

    def close(self) -> None:
        """Cancel what runs and give back what is held. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self.finalizer()

    def wanted(
        self,
        texts: object,
        role: Role,
        instruction: str | None,
        on_error: OnError,
        progress: OnProgress,
    ) -> Wanted:
        """How a call is to be made.

        Raises:
            ValueError, TypeError, EmbeddingError: as ``check``.
        """
        self.check(role, instruction, on_error)
        return Wanted(role, instruction, on_error, Reporter(progress, texts, self.asked))

    def check(self, role: Role, instruction: str | None, on_error: OnError) -> None:
        """Refuse what no call can want; make all anew where the process was forked.

        Raises:
            ValueError, TypeError: naming the argument.
            EmbeddingError: the generator is closed.
        """
        check_arguments(role, instruction, on_error, self.instruction(role))
        if self._closed:
            raise EmbeddingError(f"the generator {self._name} is closed: load it again")
        if self._process != os.getpid():
            # Forked: threads and connections stayed in the parent.
            self.finalizer.detach()
            self._parents = self.engine  # kept: its open files are not this process's to close
            self._start()

    def begin(
        self,
        call: Call[Ran],
        texts: Sequence[object],
        wanted: Wanted,
        watch: Watch | None = None,
    ) -> None:
        """Start a call on the loop.

        Args:
            call: to be waited for.
            texts: what it embeds.
            wanted: how.
            watch: is told of each of its batches.

        Raises:
            EmbeddingError: the generator is closed.
            ConfigurationError: no texts, and nobody knows how wide their vectors would be.
        """
        self.check(wanted.role, wanted.instruction, wanted.on_error)
        if not texts and not self.engine.service.width:
            raise ConfigurationError(
                f"no texts were given, and the width of {self._name}'s vectors is not known before "
                "its first answer. Set EMBEDDING_DIMENSIONS, or give at least one text."
            )
        own = wanted.instruction
        told = (self.instruction(wanted.role) if own is None else own) or None
        engine, tally = self.engine, wanted.reporter.tally
        self.loop.start(
            call,
            lambda: engine.run(texts, role=wanted.role, instruction=told, watch=watch, tally=tally),
        )

    def concluded(self, ran: Ran, wanted: Wanted, start: int = 0) -> Embeddings:
        """The result of a call that has ended.

        Raises:
            EmbeddingError: as ``conclusion.concluded``.
        """
        space = self.space(wanted.role, wanted.instruction)
        return concluded(ran, space, self._name, keep=wanted.on_error == "keep", start=start)

    def keep(self, error: BaseException, ran: Sequence[Ran], wanted: Wanted) -> None:
        """Hang what was finished on the error that ended it, as its ``result``."""
        held = getattr(error, "result", None)  # of the failed call alone, without those behind it
        if held is None or sum(len(one.outcomes) for one in ran) > len(held):
            keep_finished(error, ran, self.space(wanted.role, wanted.instruction))

    def streaming(self, wanted: Wanted) -> Streaming:
        """A stream of calls."""
        from .streaming import Streaming

        size, ahead = self.windows()
        return Streaming(
            begin=lambda call, window: self.begin(call, window, wanted),
            conclude=lambda ran, start: self.concluded(ran, wanted, start),
            keep=lambda error, ran: self.keep(error, ran, wanted),
            reporter=wanted.reporter,
            size=size,
            ahead=ahead,
        )

    def windows(self) -> tuple[int, int]:
        """Texts in a window of a stream, and windows under way."""
        from .streaming import window_sizes

        most, limits = self._settings.batch_size, self.engine.service.limits
        return window_sizes(min(most, limits.items or most), self.engine.concurrency)

    def space(self, role: Role, instruction: str | None) -> Space:
        """The space of a call's vectors, as far as it is known by now."""
        return space_of(self.engine, self._settings, self._name, role, instruction)

    def asked(self) -> str:
        """Who answers, on one line and without secrets: the generator, its model where known."""
        model = self.engine.model.name or self.engine.service.model or ""
        name = f"{self._name}, {' '.join(model.split())}" if model else self._name
        return policy_of(self._settings).secrets.masked(name)

    def instruction(self, role: str) -> str | None:
        """What the settings say that the model is told for a role."""
        return instruction_of(self._settings, role)

    def prefix(self, role: Role) -> str:
        """What is put before each text: nothing where the model is told beside it."""
        return "" if self.engine.backend.takes_instruction else self.instruction(role) or ""
