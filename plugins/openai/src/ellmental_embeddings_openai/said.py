"""What a service said when it refused: one form for the many shapes of error bodies."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .rates import rate_status, retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ellmental_embeddings import RateStatus

__all__ = ["Said", "heard"]

_LONGEST = 400
"""Characters of a service's message that are shown."""

_READ = 4_000
"""Characters of it that are searched for a wait: Google's comes last."""

_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A refusal.

    Attributes:
        status: the HTTP status; for an error within a 200, the one its body names, else 200.
        message: its words; for a web page, ``a web page (its title)``.
        codes: ``code`` and ``type`` of the body, in lower case.
        param: the argument it is about, where it says so.
        index: which text it is about, where it says so by place and not by word.
        is_page: whether a web page came where JSON should.
        location: where a redirect leads.
        retry_after: seconds it asks to wait, or None.
        rate: the rate limits it speaks of, or None.
    """

    status: int
    message: str = ""
    codes: tuple[str, ...] = ()
    param: str = ""
    index: int | None = None
    is_page: bool = False
    location: str = ""
    retry_after: float | None = None
    rate: RateStatus | None = None


def heard(status: int, headers: Mapping[str, str], content: bytes) -> Said:
    """Read a refusal, whatever shape it has. Never raises."""
    text = content.decode("utf-8", "replace").strip()
    kind = headers.get("content-type", "")
    # Some gateways call every body a page: what begins like JSON is read as JSON.
    if text[:1] == "<" or (text[:1] not in {"{", "["} and "text/html" in kind):
        title = _TITLE.search(text)
        named = f" ({' '.join(html.unescape(title[1]).split())[:80]})" if title else ""
        return Said(
            status=status,
            message=f"a web page{named}",
            is_page=True,
            location=headers.get("location", ""),
            retry_after=retry_after(headers),
            rate=rate_status(headers),
        )
    try:
        return _of_body(status, headers, json.loads(text))
    except (ValueError, RecursionError):  # not JSON, or nested deeper than Python can follow
        return _of_body(status, headers, text)


def _of_body(status: int, headers: Mapping[str, str], body: Any) -> Said:
    inner = _inner(body)
    words = inner.get("message") or (json.dumps(body) if body else "")  # better odd than silent
    message = " ".join(str(words)[:_READ].split())
    named = (inner.get("code") or inner.get("statusCode"), inner.get("type"))
    codes = tuple(str(value).lower() for value in named if value)
    index = inner.get("index")
    return Said(
        status=_status(status, codes),
        message=message[:_LONGEST],
        codes=codes,
        param=str(inner.get("param") or ""),
        index=index if _is_place(index) else None,
        location=headers.get("location", ""),
        retry_after=retry_after(headers, message),
        rate=rate_status(headers),
    )


def _inner(body: Any) -> dict[str, Any]:
    """The part of an error body that has ``message`` and ``code``.

    Seen: ``{"error": {...}}`` (OpenAI), ``{"error": "text"}`` (LM Studio), ``{"error": ["text"]}``
    (Hugging Face), the inside alone (TEI, old vLLM, Azure), ``{"detail": "text"}`` and
    ``{"detail": [{"loc": [...], "msg": "text"}]}`` (FastAPI), plain text, nothing.
    """
    if not isinstance(body, dict):
        return {"message": body if isinstance(body, str) else json.dumps(body)}
    inner = body.get("error")
    if not inner or not isinstance(inner, (dict, list, str)):  # absent, null, or only a sign
        inner = body
    if isinstance(inner, dict):
        deeper = inner.get("innererror")
        if isinstance(deeper, dict) and not inner.get("message"):
            return {**inner, "message": deeper.get("message") or deeper.get("code")}
        if inner.get("message") or "detail" not in inner:
            return inner
        inner = inner["detail"]
    if isinstance(inner, list):
        return _joined(inner)
    return {**body, "message": str(inner or "")}


def _joined(details: list[Any]) -> dict[str, Any]:
    """FastAPI's list of what is wrong, as one message; with the text it is about, if any."""
    lines, index, param = [], None, ""
    for detail in details:
        if not isinstance(detail, dict):
            lines.append(str(detail))
            continue
        place = detail.get("loc")
        place = [part for part in place if part != "body"] if isinstance(place, list) else []
        lines.append(f"{'.'.join(map(str, place))}: {detail.get('msg') or detail}")
        param = param or (str(place[0]) if place else "")
        inside = place[1:] if place[:1] in (["input"], ["inputs"]) else []
        index = next(filter(_is_place, inside), None) if index is None else index
    return {"message": "; ".join(lines), "index": index, "param": param}


def _is_place(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_STATUSES = (
    (r"[45]\d\d", None),
    (r"rate_?limit.*|too_many_requests|insufficient_quota", 429),
    (r"invalid_api_key|authentication_error", 401),
    (r"(internal_)?server_error|overloaded(_error)?|service_unavailable", 503),
    (r"model_not_found", 404),
)
"""What an error within a 200 calls itself, and the status it should have had: None is its own."""


def _status(status: int, codes: tuple[str, ...]) -> int:
    """The HTTP status, or the one that the error within a 200 names."""
    if status >= 300:  # noqa: PLR2004 - not a success
        return status
    for code in codes:
        for pattern, meant in _STATUSES:
            if re.fullmatch(pattern, code, re.ASCII):
                return meant or int(code)
    return status
