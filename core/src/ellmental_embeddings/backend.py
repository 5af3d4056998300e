"""What the author of a generator implements: one class with one method.

The core gives that author's users everything else: splitting, order, concurrency, pacing,
retries, per-text failures, checks, streaming and a command line.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from .settings import BackendSettings

__all__ = ["Backend", "Batch", "Limits", "ModelInfo", "RateStatus", "Reply", "Role"]

Role = Literal["document", "query"]
"""What a text is for: to be found, or to find."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request, and one text, may hold. What is unknown stays None.

    Attributes:
        items: texts in one request.
        tokens: tokens in one request, over all its texts.
        bytes: UTF-8 bytes of text in one request.
        tokens_per_text: tokens in one text, special tokens included.
        concurrency: requests in flight that are of use; None leaves it to the engine.
    """

    items: int | None = None
    tokens: int | None = None
    bytes: int | None = None
    tokens_per_text: int | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """Which model makes the vectors; goes into the Space of every result.

    Attributes:
        name: the model's own name, whatever service serves it.
        revision: which weights, where that can be known (a checksum, a commit).
        dimensions: width of the vectors, where it is known before the first answer.
        normalised: True where every vector has length 1; None where that is not known.
    """

    name: str | None = None
    revision: str | None = None
    dimensions: int | None = None
    normalised: bool | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """One request's worth of texts.

    Attributes:
        texts: at least one text; none is blank, and each encodes to UTF-8.
        role: what the texts are for.
        instruction: what an instruction model is to be told, or None. Backends that do not
            set ``takes_instruction`` find it put before each text already, and None here.
        out: where the vectors may be written, float32, shape (texts, dimensions), or None. A
            backend that decodes straight into it and returns it in its Reply saves a copy;
            none has to. Never write to it from a thread, or after ``embed`` has ended.
    """

    texts: tuple[str, ...]
    role: Role = "document"
    instruction: str | None = None
    out: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateStatus:
    """What a service says about its rate limits in an answer. What is unsaid stays None.

    Attributes:
        requests_limit: requests allowed per window.
        requests_left: requests still allowed in this window.
        requests_reset: seconds until the requests' window is whole again.
        tokens_limit: tokens allowed per window.
        tokens_left: tokens still allowed in this window.
        tokens_reset: seconds until the tokens' window is whole again.
    """

    requests_limit: int | None = None
    requests_left: int | None = None
    requests_reset: float | None = None
    tokens_limit: int | None = None
    tokens_left: int | None = None
    tokens_reset: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one batch, as it came: the engine checks it before it is believed.

    Attributes:
        vectors: shape (texts, dimensions). A numpy float32 array costs no conversion.
        index: for each row of ``vectors``, which text of the batch it belongs to; None means
            that the rows stand in the order of the texts.
        tokens: tokens the service counted (or billed) for this batch, where it says so.
        model: the model that answered, where the service names it.
        rate: what the service says about its rate limits.
        limits: what was learnt of the service's limits only by asking it. The engine narrows
            what it knows by them: a limit only ever gets smaller.
    """

    vectors: ArrayLike
    index: Sequence[int] | None = None
    tokens: int | None = None
    model: str | None = None
    rate: RateStatus | None = None
    limits: Limits | None = None


class Backend(ABC):
    """Embeds one batch with one call. No retries, no splitting, no reordering inside.

    Attributes:
        limits: what is known of the service's limits before anything is sent.
        model: which model makes the vectors.
        takes_instruction: True where the model is told an instruction beside the text. For
            all others the core puts it before the text (E5: ``query: ``).
        keeps_timeout: True where ``embed`` itself ends at EMBEDDING_TIMEOUT, since it knows
            when the service begins to compute: a wait in the service's own queue should not
            count, or the batch would be computed twice. The engine then ends it at the
            batch's deadline alone.
        rate_key: names what has one rate limit at the service, where the core cannot know: all
            generators of a process whose backends say the same keep to one budget together.
            None leaves it to the core: those with the same settings of their plugin do (which
            is one service, key and model). Only a digest of it is kept.
        server: what it talks to, in one line for ``ellmental doctor``, where it had to be
            found out; None before that, and where there is nothing to find out.

    Raises:
        ConfigurationError: from ``__init__``, when the settings cannot work. It is called
            with no event loop running, and should send nothing.
    """

    limits: Limits = Limits()
    model: ModelInfo = ModelInfo()
    takes_instruction: bool = False
    keeps_timeout: bool = False
    rate_key: str | None = None
    server: str | None = None

    def __init__(self, settings: BackendSettings) -> None:
        self.settings = settings

    @abstractmethod
    def embed(self, batch: Batch) -> Reply | Awaitable[Reply]:
        """Embed the texts of one batch: ``async def``, or a plain ``def``.

        A plain ``def`` is run in a worker thread, several at once where ``limits`` allow it.

        Raises:
            RateLimited: slow down. Waits, sends again.
            Unavailable: 5xx, connection, time-out. Backs off, sends again until the deadline.
            BatchTooLarge: halves the batch, remembers the limit.
            TextRejected: that text fails; without an index, the batch is halved to find it.
            BadReply: an answer that makes no sense. Once more, then halves; a text alone
                fails at its third.
            QuotaExhausted: nothing will help. The call ends.
            AuthenticationFailed: nothing will help. The call ends.
            ConfigurationError: nothing will help. The call ends.
        """

    def count_tokens(self, text: str) -> int | None:  # noqa: ARG002 - for overriding
        """Exact number of tokens of a text, special tokens included; None where unknown."""
        return None

    def most_tokens(self, text: str) -> int:
        """Cheap upper bound of ``count_tokens``: by default the UTF-8 length.

        A token of the usual vocabularies stands for at least one byte. A backend whose model
        adds special tokens returns that many more.
        """
        return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

    async def aclose(self) -> None:  # noqa: B027 - most backends hold nothing
        """Give back what is held: connections, files. Called once, on the engine's loop."""
