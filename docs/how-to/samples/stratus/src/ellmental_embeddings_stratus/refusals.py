"""What an answer means that is no vectors: the error decides what the core does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ellmental_embeddings import (
    AuthenticationFailed,
    BatchTooLarge,
    ConfigurationError,
    EmbeddingError,
    QuotaExhausted,
    RateLimited,
    TextRejected,
    TextTooLong,
    Unavailable,
)

from .budget import budget, seconds_to_wait

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

__all__ = ["problem", "refusal"]


def refusal(answer: httpx.Response) -> EmbeddingError:
    """The error for an answer's status, with what its headers say of the budget."""
    error = _of_status(answer.status_code, seconds_to_wait(answer.headers))
    error.rate = budget(answer.headers)
    return error


def problem(said: Mapping[str, str], place: int) -> TextRejected:
    """The error for one document of an answer."""
    if said["code"] == "too-long":
        return TextTooLong("Stratus finds it too long", index=place)
    return TextRejected(f"Stratus refuses it: {said.get('message', said['code'])}", index=place)


def _of_status(status: int, wait: float | None) -> EmbeddingError:
    match status:
        case 401 | 403:
            return AuthenticationFailed("Stratus does not accept STRATUS_TOKEN")
        case 402:
            return QuotaExhausted("the budget of STRATUS_PROJECT is spent")
        case 404:
            return ConfigurationError("Stratus knows no such project: check STRATUS_PROJECT")
        case 413:
            return BatchTooLarge("Stratus finds the request too large")
        case 429:
            return RateLimited("Stratus asks to slow down", retry_after=wait)
        case _ if status >= 500:
            return Unavailable(f"Stratus answers {status}", retry_after=wait)
        case _:
            return ConfigurationError(f"Stratus answers {status}: check STRATUS_URL")
