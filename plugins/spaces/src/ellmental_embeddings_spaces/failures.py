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

import re
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

__all__ = ["app_failure", "refusal", "retry_after"]

_QUOTA = re.compile(
    r"exceeded your (zero)?gpu quota|zerogpu quota exceeded|zerogpu runs? limit", re.IGNORECASE
)
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


def refusal(  # noqa: PLR0911 - one return a row of the table above
    answer: Answer, host: str, *, with_key: bool
) -> EmbeddingError:
    """The error for an answer that is not what was asked for, by its status."""
    said = f"{host} answered {answer.told()}"
    match answer.status:
        case 401 | 403:
            if _asks_for_password(answer):
                return AuthenticationFailed(
                    f"the app at {host} asks for a user name and a password of its own "
                    "(Gradio's launch(auth=...)), which cannot be given here. Start the app "
                    "without auth=, or make the Space private and set EMBEDDINGS_GENERATION_KEY."
                )
            remedy = (
                "EMBEDDINGS_GENERATION_KEY is not accepted: check it, and that it may read this "
                "Space"
                if with_key
                else "set EMBEDDINGS_GENERATION_KEY to your access key"
            )
            return AuthenticationFailed(f"{said}: {remedy}.")
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
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        from datetime import UTC, datetime

        when = parsedate_to_datetime(said)
        aware = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max(0.0, (aware - datetime.now(UTC)).total_seconds())
    except ValueError:
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
        return QuotaExhausted(f"the ZeroGPU quota is used up: {shown or title}. {remedy}.")
    for pattern, make in _SAID:
        if pattern.search(text):
            return make(f"{where} failed: {shown}")
    if not shown:
        return TextRejected(
            f"{where} failed and does not say why. Its logs do (the Space's page, Logs), or its "
            "author starts it with launch(show_error=True)"
        )
    return TextRejected(f"{where} failed: {shown}")


def detail(content: Any) -> str:
    """What FastAPI, TEI and Gradio put in the body of a refusal, in one line."""
    if not isinstance(content, dict):
        return ""
    said = content.get("detail") or content.get("error") or content.get("message") or ""
    if isinstance(said, list):
        said = "; ".join(
            f"{'.'.join(map(str, each.get('loc', ())))}: {each.get('msg', '')}"
            if isinstance(each, dict)
            else str(each)
            for each in said
        )
    return " ".join(str(said).split())[:300]


def _asks_for_password(answer: Answer) -> bool:
    content = answer.content() if answer.is_json else None
    said = content.get("detail") if isinstance(content, dict) else None
    return said == "Not authenticated" or (
        isinstance(said, dict) and said.get("error") == "Not authenticated"
    )
