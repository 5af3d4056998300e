"""What the author of a generator says, and what all checks are made of."""

from __future__ import annotations

import logging
import os
import re
import traceback
import warnings
from base64 import b64encode
from contextlib import suppress
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn
from urllib.parse import quote
from weakref import WeakKeyDictionary

import numpy as np
import pytest

from ..errors import EmbeddingError
from .author import Author
from .bare import BareBackend
from .bounded import StillRunning, bounded
from .samples import TEXTS
from .server import FaultServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ..backend import Backend
    from ..generator import EmbeddingGenerator
    from ..registry import Offer
    from ..result import Embeddings
    from ..settings import BackendSettings

__all__ = ["ContractBase", "fail"]

_QUICK = {"EMBEDDING_TIMEOUT": "30", "EMBEDDING_DEADLINE": "40"}
"""In place of the defaults of 60 and 300 seconds, unless the author's settings say otherwise."""

_LENGTHENING = "-contract-kit-4f1c"
_SHORT_SECRET = 12
_CLOSING_S = 15.0

_MEANING: ContextVar[str] = ContextVar("meaning", default="")
"""What the check that runs is about, in its own words."""

_ALONE: WeakKeyDictionary[type, dict[str, NDArray[np.float32]]] = WeakKeyDictionary()
"""Per contract, the vectors of texts that were embedded alone."""

_SHARED: WeakKeyDictionary[type, EmbeddingGenerator] = WeakKeyDictionary()
"""Per contract, the generator with the author's own settings: a model may take long to load."""


def fail(wrong: str, mend: str) -> NoReturn:
    """Fail a check: what is wrong, what the check means, and how it is mended."""
    about = f"What is checked: {meaning}\n" if (meaning := _MEANING.get()) else ""
    pytest.fail(f"{wrong}\n{about}How to mend it: {mend}", pytrace=False)


class ContractBase(Author):
    """Fixtures and helpers of the checks; none of it is for overriding."""

    pytestmark: ClassVar[list[pytest.MarkDecorator]] = [pytest.mark.ellmental_contract]
    """By this the pytest plugin knows a contract's tests, without importing this module."""

    @pytest.fixture(autouse=True)
    def _surroundings(
        self,
        request: pytest.FixtureRequest,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> Iterator[None]:
        """The author's settings and nothing else of the machine; a fresh server; quick retries."""
        from ..engine import retry

        _MEANING.set(" ".join((request.function.__doc__ or "").split()))
        self._node = request.node
        self._caplog, self._monkeypatch = caplog, monkeypatch
        self._opened: list[EmbeddingGenerator] = []
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(retry, "FIRST_WAIT", 0.02)
        monkeypatch.setattr(retry, "LONGEST_WAIT", 0.1)
        caplog.set_level(logging.INFO)
        with FaultServer(self) as server:
            self.server = server
            self._set_environment()
            server.secrets = self.secrets
            for logger in self.own_loggers:
                caplog.set_level(logging.DEBUG, logger=logger)
            yield
            for generator in self._opened:
                _close(generator)
        self._refuse_trouble()

    def _refuse_trouble(self) -> None:
        if (trouble := self.server.trouble) is not None:
            self.server.trouble = None
            fail(
                f"the test's own description of the protocol raised {trouble!r}",
                "look at texts_of, reply, error and other of your test class: each gets every "
                "request that comes, also those that it does not expect. reply also gets rows "
                "that nobody asked for: their index is none of the request's texts.",
            )

    def _set_environment(self) -> None:
        for name in list(os.environ):
            ours = name.upper().startswith(("EMBEDDING", "BATCH_SIZE"))
            if ours or name.lower().endswith("_proxy"):
                self._monkeypatch.delenv(name)
        self._monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        given = {
            name.upper(): os.fspath(value) if isinstance(value, os.PathLike) else str(value)
            for name, value in self.settings().items()
        }
        if "EMBEDDING_GENERATOR" not in given:
            fail(
                "settings() does not name the generator",
                'let it return {"EMBEDDING_GENERATOR": "ACME", ...} with the name of your entry '
                "point.",
            )
        self._variables = {**_QUICK, **given}
        for name, value in self._variables.items():
            self._monkeypatch.setenv(name, value)
        for row in self.listed_variables():
            if row.name not in self._variables:
                self._monkeypatch.delenv(row.name, raising=False)
            elif row.secret and len(self._variables[row.name]) < _SHORT_SECRET:
                # Such a short one stands in many an innocent word.
                self._variables[row.name] += _LENGTHENING
                self._monkeypatch.setenv(row.name, self._variables[row.name])

    # What is looked at

    @property
    def name(self) -> str:
        """The generator's name."""
        return self._variables["EMBEDDING_GENERATOR"].strip().upper()

    @cached_property
    def offer(self) -> Offer:
        """What the plugin declares; a failure with the core's own words where it cannot be had."""
        from ..registry import Registry
        from ..variables import Variables

        try:
            return Registry().choose(self.name, Variables())
        except EmbeddingError as error:
            fail(
                f"{self.name} cannot be chosen: {error}",
                "pip install the plugin (pip install -e .), with an entry point of that name in "
                'the group "ellmental_embeddings" that leads to a module with a decorated '
                "ellmental_generators.",
            )

    def settings_class(self) -> type[BackendSettings]:
        """The plugin's class of settings."""
        from ..registry import import_object
        from ..settings import BackendSettings

        try:
            found: type[BackendSettings] = import_object(
                self.offer.spec.settings, self.offer.dist, BackendSettings
            )
        except EmbeddingError as error:
            fail(str(error), "correct `settings` of the GeneratorSpec, or what it leads to.")
        return found

    def listed_variables(self) -> Sequence[Any]:
        """All variables as ``ellmental config`` lists them."""
        from ..settings import list_variables
        from ..variables import Variables

        return list_variables(self.settings_class(), Variables())

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must not show anywhere."""
        listed = {row.name for row in self.listed_variables() if row.secret}
        return tuple(value for name, value in self._variables.items() if name in listed)

    @property
    def own_loggers(self) -> tuple[str, str]:
        """Loggers whose every line counts; of an SDK's, what it says to everybody."""
        return "ellmental_embeddings", re.split("[.:]", self.offer.spec.backend)[0]

    def load(self, **settings: Any) -> EmbeddingGenerator:
        """A generator with the author's settings and these; closed when the check ends."""
        from .. import load_generator

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about variables that look misspelt: not ours
            generator = bounded(lambda: load_generator(**settings))
        self._opened.append(generator)
        if "EMBEDDING_DIMENSIONS" not in settings and generator.dimensions:
            self.server.width = generator.dimensions
        return generator

    def shared(self) -> EmbeddingGenerator:
        """As ``load()``; but where a model runs in this process, one for all checks of a class."""
        if self.speaks_http:
            return self.load()
        generator = _SHARED.get(type(self))
        if generator is None:
            generator = _SHARED[type(self)] = self.load()
            self._opened.remove(generator)
            self._node.getparent(pytest.Class).addfinalizer(lambda: _close(generator))
        return generator

    def abandon(self, generator: EmbeddingGenerator) -> None:
        """Do not close a generator that hangs."""
        if generator in self._opened:
            self._opened.remove(generator)
        generator._host.finalizer.detach()  # noqa: SLF001 - closing it would hang, also at exit

    def bare(self, **settings: Any) -> BareBackend:
        """The backend by itself, for use in a ``with``."""
        from ..registry import make_backend
        from ..settings import build_settings
        from ..variables import Variables

        built = build_settings(
            self.settings_class(), Variables(settings), needed_by=self.offer.spec.label
        )
        backend: Backend = bounded(lambda: make_backend(self.offer, built))
        self.server.width = backend.model.dimensions or self.server.width
        return BareBackend(backend)

    def embed(self, generator: EmbeddingGenerator, texts: Sequence[Any], **how: Any) -> Embeddings:
        """``generator.embed``, which must end."""
        try:
            return bounded(lambda: generator.embed(texts, **how))
        except EmbeddingError:
            self._refuse_trouble()
            raise
        except StillRunning as error:
            self.abandon(generator)
            fail(
                f"embed() of {len(texts)} texts: {error}",
                "never block the event loop in `async def embed`: await, or write a plain def.",
            )

    @property
    def sample(self) -> list[str]:
        """The texts the checks embed: the author's, or the kit's."""
        texts = list(dict.fromkeys(self.texts or TEXTS))
        if len(texts) < 8:  # noqa: PLR2004 - fewer make no batches
            fail(f"texts has {len(texts)} different texts", "give at least eight.")
        return texts

    def alone(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of texts, each embedded in a request of its own; each once a class."""
        known = _ALONE.setdefault(type(self), {})
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known |= zip(new, self.embed(self.load(BATCH_SIZE=1), new).vectors, strict=True)
        return np.array([known[text] for text in texts])

    # What is not proven, and what must not show

    def not_proven(self, reason: str) -> NoReturn:
        """Skip a check, and have the summary of the run say why."""
        pytest.skip(f"not proven: {reason}")

    def needs_http(self) -> None:
        """Skip the check where the test class describes no protocol."""
        if not self.speaks_http:
            self.not_proven(
                "the test class describes no HTTP: override texts_of and reply if it speaks it"
            )

    def refuse_leaks(self, error: BaseException | None = None, also: str = "") -> None:
        """Fail where a secret shows in an error, its causes, its result, or a log line."""
        shown = also
        if error is not None:
            shown += "".join(traceback.format_exception(error)) + repr(error)
            for outcome in (
                getattr(error.result, "outcomes", None) or ()
                if isinstance(error, EmbeddingError)
                else ()
            ):
                shown += f"{outcome} {outcome!r}"
        for record in self._caplog.get_records("call"):
            if record.levelno >= logging.INFO or record.name.startswith(self.own_loggers):
                shown += f"\n{record.name}: {record.getMessage()}"
        for spelled in (form for secret in self.secrets for form in _spellings(secret)):
            if spelled in shown:
                line = next(line for line in shown.splitlines() if spelled in line)
                fail(
                    f"a key shows: {line.replace(spelled, '<the key>')[:300]}",
                    "declare it as SecretStr, so that the core masks it in errors; never log "
                    "it, nor headers or URLs that hold it.",
                )


def _close(generator: EmbeddingGenerator) -> None:
    with suppress(StillRunning):
        bounded(generator.close, _CLOSING_S)


def _spellings(secret: str) -> tuple[str, str, str]:
    """A secret as it is, as it stands in a URL, and as Basic authorization spells it."""
    return secret, quote(secret, safe=""), b64encode(secret.encode()).decode()
