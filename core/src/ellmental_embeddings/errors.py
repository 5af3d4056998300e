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

    Attributes:
        result: what had succeeded before the error ended the call, or None where nothing had.
        rate: what the service said of its rate limits when it refused, or None. A backend may
            set it on whatever it raises; the engine heeds it as it does a good answer's.
    """

    result: Embeddings | None = None
    rate: RateStatus | None = None


class ConfigurationError(EmbeddingError):
    """A variable or an argument is missing or wrong. Never sent again."""


class GeneratorNotFound(ConfigurationError):
    """No installed plugin offers the generator that was asked for."""


class PluginError(ConfigurationError):
    """A plugin cannot be used: it fails to import, misspells a hook, or claims a taken name."""


class AuthenticationFailed(EmbeddingError):
    """The service does not accept the key or the token. Never sent again."""


class QuotaExhausted(EmbeddingError):
    """The account is used up: waiting does not help. Never sent again."""


class RateLimited(EmbeddingError):
    """The service asks to slow down.

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
    """A text is longer than the model takes, and EMBEDDING_OVERLONG is ``error``."""


class BadReply(EmbeddingError):
    """An answer that cannot be believed: wrong count, index or width, NaN, not JSON."""


class EmbeddingFailed(EmbeddingError):
    """Some texts of a call have no vector; all others were finished first.

    Attributes:
        result: the whole call's result: vectors of the texts that succeeded, NaN rows for
            the others, and in ``result.outcomes`` the error of each.
    """

    result: Embeddings

    def __init__(self, message: str, *, result: Embeddings) -> None:
        super().__init__(message)
        self.result = result


class SpaceMismatch(EmbeddingError):
    """Vectors of two embedding spaces were to be compared, which has no meaning."""
