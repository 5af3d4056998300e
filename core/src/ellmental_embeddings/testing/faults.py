"""What the fault server can do wrong, one name each."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal

from .vectors import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .wire import Delivery

__all__ = [
    "FAULTS",
    "RETRY_AFTER_FORMS",
    "Fault",
    "RetryAfterForm",
    "asked_to_wait",
    "asked_to_wait_by",
    "http_dates",
    "status",
]

RetryAfterForm = Literal["seconds", "float", "date", "milliseconds", "none"]
"""How a 429 says when to come back: ``Retry-After: 2``, ``Retry-After: 0.5``, ``Retry-After``
with an HTTP date (RFC 9110, 10.2.3), ``retry-after-ms: 500`` (OpenAI's and Azure's), not at all.
"""

RETRY_AFTER_FORMS: tuple[RetryAfterForm, ...] = ("seconds", "float", "date", "milliseconds", "none")

Rows = list[Row]

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""In English, whatever the machine speaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong with one answer.

    Attributes:
        name: what is said of it in messages.
        rows: changes the rows of a good reply, before they become a body.
        body: changes the bytes of the body.
        status: other than 200 makes the body the author's ``error``.
        message: what that error says. ``{key}`` stands for the headers' and settings' secrets.
        headers: sent beside.
        kind: Content-Type; None leaves the author's.
        deliver: how it is sent.
    """

    name: str
    rows: Callable[[Rows], Rows] | None = None
    body: Callable[[bytes], bytes] | None = None
    status: int = 200
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    deliver: Delivery = "whole"


def status(number: int, message: str = "", **more: str) -> Fault:
    """A refusal with this status; further arguments are headers, ``_`` for ``-``."""
    return Fault(
        name=f"status {number}",
        status=number,
        message=message or f"the fault server answers {number}",
        headers={name.replace("_", "-"): value for name, value in more.items()},
    )


def asked_to_wait(form: RetryAfterForm, seconds: float, *, number: int = 429) -> Fault:
    """A 429 (or another status) that asks to wait so many seconds, said in one of the forms."""
    headers: dict[str, str] = {}
    if form == "seconds":
        headers["retry-after"] = str(math.ceil(seconds))
    elif form == "float":
        headers["retry-after"] = f"{seconds:.3f}"
    elif form == "date":
        headers["retry-after"] = http_dates(seconds)[0]
    elif form == "milliseconds":
        headers["retry-after-ms"] = str(round(seconds * 1000))
    refusal = status(number, "too many requests, slow down")
    return replace(refusal, name=f"status {number}, wait said as {form}", headers=headers)


def http_dates(seconds: float) -> tuple[str, str, str]:
    """The time in so many seconds, in HTTP's three forms: each of them must be understood.

    RFC 9110, 5.6.7: the one that is sent today, that of RFC 850, and that of C's asctime.
    """
    when = datetime.now(UTC) + timedelta(seconds=seconds)
    day, month = _DAYS[when.weekday()], _MONTHS[when.month - 1]
    return (
        format_datetime(when, usegmt=True),
        f"{day}, {when.day:02}-{month}-{when:%y %H:%M:%S} GMT",
        f"{day[:3]} {month} {when.day:2} {when:%H:%M:%S} {when.year}",
    )


def asked_to_wait_by(headers: Mapping[str, str], *, number: int = 429) -> Fault:
    """A 429 (or another status) that asks to wait by headers of the service's own."""
    refusal = status(number, "too many requests, slow down")
    return replace(refusal, name=f"status {number} with {dict(headers)}", headers=headers)


def _shuffled(rows: Rows) -> Rows:
    return rows[1::2] + rows[::2][::-1]


def _one_twice(rows: Rows) -> Rows:
    return [Row(0, row.vector) for row in (rows if len(rows) > 1 else rows * 2)]


def _counted_from_one(rows: Rows) -> Rows:
    return [Row(row.index + 1, row.vector) for row in rows]


def _short(rows: Rows) -> Rows:
    return rows[:-1]


def _long(rows: Rows) -> Rows:
    return [*rows, Row(len(rows), rows[0].vector)]


def _with(value: float) -> Callable[[Rows], Rows]:
    return lambda rows: [*rows[:-1], Row(rows[-1].index, (value, *rows[-1].vector[1:]))]


def _ragged(rows: Rows) -> Rows:
    shorter = rows[-1].vector[:-1] if len(rows) > 1 else ()
    return [*rows[:-1], Row(rows[-1].index, shorter)]


def _no_numbers(rows: Rows) -> Rows:
    return [Row(row.index, ()) for row in rows]


_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>"

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(name="rows shuffled", rows=_shuffled),
        Fault(name="one index twice", rows=_one_twice),
        Fault(name="indices counted from 1", rows=_counted_from_one),
        Fault(name="one row short", rows=_short),
        Fault(name="one row long", rows=_long),
        Fault(name="NaN", rows=_with(math.nan)),
        Fault(name="infinity", rows=_with(math.inf)),
        Fault(name="rows of two widths", rows=_ragged),
        Fault(name="rows without numbers", rows=_no_numbers),
        Fault(name="body cut off", body=lambda body: body[: len(body) * 2 // 3]),
        Fault(name="body empty", body=lambda _: b""),
        Fault(name="body not JSON", body=lambda _: b"upstream connect error", kind="text/plain"),
        Fault(name="body null", body=lambda _: b"null"),
        Fault(name="a web page", body=lambda _: _PAGE, kind="text/html; charset=utf-8"),
        status(401, "Incorrect API key provided: {key}"),
        status(403, "the key {key} may not do this"),
        status(404, "Not Found"),
        status(500, "internal error"),
        status(502, "bad gateway"),
        status(503, "service unavailable"),
        Fault(name="reset before the answer", deliver="reset"),
        Fault(name="reset in the body", deliver="reset midway"),
        Fault(name="closed in the body", deliver="close midway"),
        Fault(name="no answer", deliver="hang"),
        Fault(name="slow drip", deliver="drip"),
    )
}
"""All faults but those that ask to wait, which ``asked_to_wait`` makes."""
