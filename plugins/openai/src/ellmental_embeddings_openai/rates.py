"""What headers and messages say about rates and waits."""

from __future__ import annotations

import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ellmental_embeddings import RateStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["duration", "rate_status", "retry_after"]

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_DURATION = r"(?:\d+(?:\.\d+)?\s*(?:ms|d|h|m|s)\s*)+"

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|d|h|m|s)")

_WHOLE = re.compile(_DURATION)

_IN_WORDS = re.compile(
    rf"(?:try again in|retry after|retry in|wait)\s+(?:(?P<short>{_DURATION})(?![a-z])"
    r"|(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>milliseconds?|seconds?|minutes?|hours?|days?)?)",
    re.IGNORECASE,
)

_UNITS = {"mil": "ms", "sec": "s", "min": "m", "hou": "h", "day": "d"}


_EPOCH_S = 1e9
_EPOCH_MS = 1e12
"""No one waits 30 years: a number this large is a time, in seconds or milliseconds since 1970."""


def duration(text: str | None) -> float | None:
    """Seconds of a duration: ``6m0s``, ``19m45.394s``, ``2ms``, ``20``; None if it is none.

    A time in seconds or milliseconds since 1970 counts from now.
    """
    stripped = (text or "").strip().lower()
    if _WHOLE.fullmatch(stripped):
        return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(stripped))
    return _from_now(_number(stripped))


def retry_after(headers: Mapping[str, str], message: str = "") -> float | None:
    """Seconds a service asks to wait.

    From ``retry-after-ms``, else ``retry-after`` (seconds or a date), else the message, else
    the reset of whatever is used up.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds:
        is_time = milliseconds > _EPOCH_MS
        return _from_now(milliseconds) if is_time else milliseconds / 1000
    seconds = _seconds_or_date(headers.get("retry-after"))
    if seconds is not None and seconds > 0:
        return seconds
    if found := _IN_WORDS.search(message):
        if found["short"]:
            return duration(found["short"])
        if not found["unit"]:
            return duration(found["number"])
        return float(found["number"]) * _SECONDS[_UNITS[found["unit"][:3].lower()]]
    waits = [
        duration(headers.get(f"x-ratelimit-reset-{kind}"))
        for kind in ("requests", "tokens")
        if _count(headers.get(f"x-ratelimit-remaining-{kind}")) == 0
    ]
    return max((wait for wait in waits if wait), default=None)


def rate_status(headers: Mapping[str, str]) -> RateStatus | None:
    """The rate limits an answer speaks of, or None where it is silent."""
    limits = {
        field: value
        for field, name, read in _RATES
        if (text := headers.get(name)) and (value := read(text)) is not None
    }
    return RateStatus(**limits) if limits else None  # type: ignore[arg-type]  # resets are float


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _from_now(seconds: float | None) -> float | None:
    if seconds is None or seconds <= _EPOCH_S:
        return seconds
    since_1970 = seconds / 1000 if seconds > _EPOCH_MS else seconds
    return max(0.0, since_1970 - time.time())


def _count(text: str | None) -> int | None:
    value = _number(text)
    return None if value is None else int(value)


def _seconds_or_date(text: str | None) -> float | None:
    seconds = _number(text)
    if seconds is not None or not text:
        return _from_now(seconds)
    try:
        when = parsedate_to_datetime(text)
        # The oldest form of a date (RFC 9110, 5.6.7) names no zone: it is UTC all the same.
        aware = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max(0.0, aware.timestamp() - time.time())
    except (ValueError, TypeError):
        return duration(text)


_RATES = tuple(
    (f"{kind}_{ours}", f"x-ratelimit-{theirs}-{kind}", read)
    for kind in ("requests", "tokens")
    for ours, theirs, read in (
        ("limit", "limit", _count),
        ("left", "remaining", _count),
        ("reset", "reset", duration),
    )
)
"""RateStatus's fields, the headers that speak of them, and how these are read."""
