"""Everything that can go wrong, as one tree.

::

    EmbeddingError                  anything this library raises on purpose
    ├── ConfigurationError          a variable or an argument is missing or wrong
    │   ├── GeneratorNotFound       no installed plugin offers that generator
    │   └── PluginError             a plugin is broken, or two claim one name
    ├── AuthenticationFailed        the service does not accept the key
    ├── QuotaExhausted              the account is used up; waiting does not help
    ├── RateLimited                 too fast; waiting helps
    ├── Unavailable                 5xx, no connection, time-out, still starting
    ├── BatchTooLarge               too many texts, tokens or bytes in one request
    ├── TextRejected                the service, or the core, refuses a text
    │   └── TextTooLong             longer than the model takes
    ├── BadReply                    an answer that cannot be believed
    ├── EmbeddingFailed             some texts of a call failed; .result has the others
    └── SpaceMismatch               vectors of two embedding spaces were to be compared

A backend raises those from ``ConfigurationError`` to ``BadReply``; what the engine does
about each is decided in ``engine/retry.py`` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backend import RateStatus
    from .result import Embeddings

__all__ = [
    "AuthenticationFailed",
    "BadReply",
    "BatchTooLarge",
    "ConfigurationError",
    "EmbeddingError",
    "EmbeddingFailed",
    "GeneratorNotFound",
    "PluginError",
    "QuotaExhausted",
    "RateLimited",
    "SpaceMismatch",
    "TextRejected",
    "TextTooLong",
    "Unavailable",
]


class EmbeddingError(Exception):
    """Anything that this library raises on purpose.

    Remedy: catch this one to catch all; each names its own way out in its message.

    Attributes:
        result: what had succeeded before the error ended the call, or None where nothing had.
        rate: what the service said of its rate limits when it refused, or None. A backend may
            set it on whatever it raises; the engine heeds it as it does a good answer's.
    """

    result: Embeddings | None = None
    rate: RateStatus | None = None


class ConfigurationError(EmbeddingError):
    """A variable or an argument is missing or wrong. Never sent again.

    Remedy: set the variable or the argument that the message names; `ellmental config`
    shows where each value came from.

    Attributes:
        missing: the variables that are needed, as things stand, and not set.
    """

    missing: tuple[str, ...] = ()


class GeneratorNotFound(ConfigurationError):
    """No installed plugin offers the generator that was asked for.

    Remedy: the message has the nearest name, what is installed, and what to install.
    """


class PluginError(ConfigurationError):
    """A plugin cannot be used: it fails to import, misspells a hook, or claims a taken name.

    Remedy: `ellmental doctor` says what is broken; mend, upgrade or uninstall the dist named.
    """


class AuthenticationFailed(EmbeddingError):
    """The service does not accept the key or the token. Never sent again.

    Remedy: check the variable that holds the key, which the message names.
    """


class QuotaExhausted(EmbeddingError):
    """The account is used up: waiting does not help. Never sent again.

    Remedy: raise the limit or top up the account at the service.
    """


class RateLimited(EmbeddingError):
    """The service asks to slow down.

    Remedy: usually none, it is waited for; else lower EMBEDDING_RPM or EMBEDDING_TPM, or raise
    EMBEDDING_DEADLINE.

    Attributes:
        retry_after: seconds the service asks to wait, or None where it does not say.
        rate: what it says of its limits beside, or None.
    """

    def __init__(
        self,
        message: str = "",
        *,
        retry_after: float | None = None,
        rate: RateStatus | None = None,
    ) -> None:
        super().__init__(message or "the service asks to slow down")
        self.retry_after = retry_after
        self.rate = rate


class Unavailable(EmbeddingError):
    """The service cannot answer now: 5xx, no connection, a time-out, still starting.

    Remedy: try again later; raise EMBEDDING_TIMEOUT for slow services, EMBEDDING_DEADLINE for
    those that are down for long.

    Attributes:
        retry_after: seconds the service asks to wait, or None where it does not say.
        rate: what it says of its limits beside, or None.
    """

    def __init__(
        self,
        message: str = "",
        *,
        retry_after: float | None = None,
        rate: RateStatus | None = None,
    ) -> None:
        super().__init__(message or "the service is not available")
        self.retry_after = retry_after
        self.rate = rate


class BatchTooLarge(EmbeddingError):
    """A request was refused for its size. The engine halves it and remembers the limit.

    Remedy: usually none; a smaller BATCH_SIZE spares the first refusals.

    Attributes:
        items: the most texts a request may hold, where the service said so.
        tokens: the most tokens a request may hold, where the service said so.
        bytes: the most bytes of text a request may hold, where the service said so.
    """

    def __init__(
        self,
        message: str = "",
        *,
        items: int | None = None,
        tokens: int | None = None,
        bytes: int | None = None,  # noqa: A002 - the field's own word, keyword-only
    ) -> None:
        super().__init__(message or "the request is too large for the service")
        self.items = items
        self.tokens = tokens
        self.bytes = bytes


class TextRejected(EmbeddingError):
    """A text is refused.

    Remedy: mend or drop that text; the others have their vectors.

    Attributes:
        index: which text of the batch, counted from 0; None where the service does not say
            (the engine then finds it by halving the batch).
        unexplained: True where the service failed without a word about a text: it may as well
            be broken as a whole, and the engine gives up the search sooner.
    """

    def __init__(
        self, message: str = "", *, index: int | None = None, unexplained: bool = False
    ) -> None:
        super().__init__(message or "the service refuses the text")
        self.index = index
        self.unexplained = unexplained


class TextTooLong(TextRejected):
    """A text is longer than the model takes, and EMBEDDING_OVERLONG is ``error``.

    Remedy: set EMBEDDING_OVERLONG to ``truncate`` or ``average``, or split the text.
    """


class BadReply(EmbeddingError):
    """An answer that cannot be believed: wrong count, index or width, NaN, not JSON.

    Remedy: look at the address: most often something else than the service answers there. From a
    plugin of your own, the conformance kit shows what is wrong with it.
    """


class EmbeddingFailed(EmbeddingError):
    """Some texts of a call have no vector; all others were finished first.

    Remedy: take what is in ``.result``, mend the failed texts, embed those again; or ask for
    ``on_error="keep"``.

    Attributes:
        result: the whole call's result: vectors of the texts that succeeded, NaN rows for
            the others, and in ``result.outcomes`` the error of each.
    """

    result: Embeddings

    def __init__(self, message: str, *, result: Embeddings) -> None:
        super().__init__(message)
        self.result = result


class SpaceMismatch(EmbeddingError):
    """Vectors of two embedding spaces were to be compared, which has no meaning.

    Remedy: embed both sides with one generator and the same settings; ``Space.differences``
    says what differs.
    """
