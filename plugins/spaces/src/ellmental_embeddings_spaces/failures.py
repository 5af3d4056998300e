"""What a refusal means: HTTP statuses, and what apps say when they fail, as the engine's errors.

=========================== ==============================================================
an answer                   becomes
=========================== ==============================================================
401, 403                    AuthenticationFailed
402, ZeroGPU quota used up  QuotaExhausted
404 and other 4xx           ConfigurationError
413                         BatchTooLarge
429, 503 "Queue is full"    RateLimited
408, 5xx                    Unavailable
an app's own failure        TextRejected: the engine finds the text that it is about
=========================== ==============================================================
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from ellmental_embeddings import (
    AuthenticationFailed,
    BatchTooLarge,
    ConfigurationError,
    EmbeddingError,
    QuotaExhausted,
    RateLimited,
    TextRejected,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .wire import Answer

__all__ = [
    "Keys",
    "app_failure",
    "asks_for_password",
    "detail",
    "is_transient",
    "refusal",
    "retry_after",
]

_QUOTA = re.compile(
    r"exceeded your (?:[\w-]+ ){0,3}(?:zero)?gpu (?:runs? )?(?:quota|limit)"
    r"|(?:zero)?gpu quota exceeded|zerogpu runs? limit",
    re.IGNORECASE,
)
_LOCKED = {401, 403}
_TRANSIENT = {408, 425, 429, 502, 503, 504}
_QUEUE = re.compile(r"queue is full", re.IGNORECASE)
_SAID: tuple[tuple[re.Pattern[str], Callable[[str], EmbeddingError]], ...] = (
    (
        re.compile(r"GPU duration .*larger than the maximum", re.IGNORECASE),
        lambda said: QuotaExhausted(
            f"{said}. Only its author can change that (@spaces.GPU(duration=...)): waiting does "
            "not help."
        ),
    ),
    (re.compile(r"no gpu (was|is) available|gpu task aborted", re.IGNORECASE), Unavailable),
    (re.compile(r"out of memory", re.IGNORECASE), BatchTooLarge),
    (_QUEUE, RateLimited),
)
"""What an app's own message tells, beside the ZeroGPU quota."""

_RATE = re.compile(r'"[^"]*";\s*r=\d+;\s*t=(\d+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Which keys are sent to an app.

    Attributes:
        of_hub: EMBEDDINGS_GENERATION_KEY.
        of_app: SPACES_APP_KEY, which then stands where the app looks for its key.
        is_space: whether the Hub's gateway stands before the app.
    """

    of_hub: bool
    of_app: bool
    is_space: bool

    @property
    def remedy(self) -> str:
        """What to do about a key that the app does not accept."""
        if self.of_app:
            return "SPACES_APP_KEY is not accepted: check it against the app's own key"
        if not self.of_hub:
            return "set EMBEDDINGS_GENERATION_KEY to your access key"
        own = ", or set SPACES_APP_KEY if the app in it has a key of its own"
        return "EMBEDDINGS_GENERATION_KEY is not accepted: check it" + (
            f", and that it may read this Space{own}" if self.is_space else ""
        )


def is_transient(answer: Answer) -> bool:
    """Whether the same question may be answered otherwise in a while."""
    return answer.status in _TRANSIENT


def refusal(  # noqa: PLR0911 - one return a row of the table above
    answer: Answer, host: str, keys: Keys, said: str = ""
) -> EmbeddingError:
    """The error for an answer that is not what was asked for, by its status.

    Args:
        answer: what came.
        host: the app, for the message.
        keys: what was sent along.
        said: what the message says instead of that one answer.
    """
    said = said or f"{host} answered {answer.told()}"
    match answer.status:
        case 401 | 403:
            if asks_for_password(answer):
                return AuthenticationFailed(
                    f"the app at {host} asks for a user name and a password of its own "
                    "(Gradio's launch(auth=...)), which cannot be given here. Start the app "
                    "without auth=, or make the Space private and set EMBEDDINGS_GENERATION_KEY."
                )
            return AuthenticationFailed(f"{said}: {keys.remedy}.")
        case 402:
            return QuotaExhausted(f"{said}: the account's credits are used up. Add credits.")
        case 408 | 425:
            return Unavailable(said)
        case 413:
            return BatchTooLarge(f"{said}: the request is too large")
        case 429:
            return RateLimited(said, retry_after=retry_after(answer.headers))
        case 503 if _QUEUE.search(answer.body[:500].decode("utf-8", "replace")):
            return RateLimited(f"the app's queue at {host} is full")
        case status if status >= 500:  # noqa: PLR2004 - HTTP's own number
            return Unavailable(said, retry_after=retry_after(answer.headers))
    return ConfigurationError(f"{said}. Check EMBEDDINGS_GENERATION_URL and SPACES_ENDPOINT.")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from Retry-After (seconds or a date) or the Hub's RateLimit; else None."""
    said = headers.get("retry-after", "").strip()
    try:
        if math.isfinite(seconds := float(said)):
            return max(0.0, seconds)
    except ValueError:
        pass
    try:
        from datetime import UTC, datetime

        when = parsedate_to_datetime(said)
        aware = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max(0.0, (aware - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        found = _RATE.search(headers.get("ratelimit", ""))
        return float(found[1]) if found else None


def app_failure(error: object, title: object, where: str, *, with_key: bool) -> EmbeddingError:
    """The error for a call that the app itself failed.

    Args:
        error: what the app says; None unless it shows its errors.
        title: the heading it gives that, where it has one.
        where: the app, for the message.
        with_key: whether a key was sent.
    """
    text = "" if error is None else str(error).strip().strip("'\"").strip()
    shown = " ".join(text.split())[:300]
    if _QUOTA.search(f"{title} {text}"):
        remedy = (
            "Wait as long as it says, or use an account with more (PRO)"
            if with_key
            else "Set EMBEDDINGS_GENERATION_KEY to your access key: an account has a larger quota "
            "than nobody has"
        )
        return QuotaExhausted(
            f"the ZeroGPU quota is used up: {(shown or str(title)).rstrip('.')}. {remedy}."
        )
    for pattern, make in _SAID:
        if pattern.search(text):
            return make(f"{where} failed: {shown}")
    if not shown:
        return TextRejected(
            f"{where} failed and does not say why. Its logs do (the Space's page, Logs), or its "
            "author starts it with launch(show_error=True)",
            unexplained=True,
        )
    return TextRejected(f"{where} failed: {shown}")


def detail(content: Any) -> str:
    """What FastAPI, TEI and Gradio put in the body of a refusal, in one line."""
    if not isinstance(content, dict):
        return ""
    said = content.get("detail") or content.get("error") or content.get("message") or ""
    if isinstance(said, list):
        said = "; ".join(map(_told, said))
    return " ".join(str(said).split())[:300]


def _told(each: Any) -> str:
    """One of FastAPI's complaints: where in the body, and what."""
    if not isinstance(each, dict):
        return str(each)
    place = each.get("loc")
    named = ".".join(map(str, place)) if isinstance(place, list) else str(place or "")
    return f"{named}: {each.get('msg', '')}"


def asks_for_password(answer: Answer) -> bool:
    """Whether it is Gradio's launch(auth=...) that refuses."""
    if answer.status not in _LOCKED:
        return False
    if "www-authenticate" in answer.headers:
        return False  # FastAPI's own lock has the same words, and takes a key
    content = answer.content() if answer.is_json else None
    said = content.get("detail") if isinstance(content, dict) else None
    return said == "Not authenticated" or (
        isinstance(said, dict) and said.get("error") == "Not authenticated"
    )
