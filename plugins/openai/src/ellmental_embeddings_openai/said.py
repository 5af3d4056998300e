"""What a service said when it refused: one form for the many shapes of error bodies."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .rates import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Said", "heard"]

_LONGEST = 400
"""Characters of a service's message that are shown."""

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
    """

    status: int
    message: str = ""
    codes: tuple[str, ...] = ()
    param: str = ""
    index: int | None = None
    is_page: bool = False
    location: str = ""
    retry_after: float | None = None


def heard(status: int, headers: Mapping[str, str], content: bytes) -> Said:
    """Read a refusal, whatever shape it has. Never raises."""
    text = content.decode("utf-8", "replace").strip()
    if text[:1] == "<" or "text/html" in headers.get("content-type", ""):
        title = _TITLE.search(text)
        named = f" ({' '.join(html.unescape(title[1]).split())[:80]})" if title else ""
        return Said(
            status=status,
            message=f"a web page{named}",
            is_page=True,
            location=headers.get("location", ""),
            retry_after=retry_after(headers),
        )
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    inner = _inner(body)
    message = " ".join(str(inner.get("message") or "").split())[:_LONGEST]
    code = inner.get("code") or inner.get("statusCode")
    return Said(
        status=_status(status, code),
        message=message,
        codes=tuple(str(value).lower() for value in (code, inner.get("type")) if value),
        param=str(inner.get("param") or ""),
        index=inner.get("index"),
        location=headers.get("location", ""),
        retry_after=retry_after(headers, message),
    )


def _inner(body: Any) -> dict[str, Any]:
    """The part of an error body that has ``message`` and ``code``.

    Seen: ``{"error": {...}}`` (OpenAI), ``{"error": "text"}`` (LM Studio), ``{"error": ["text"]}``
    (Hugging Face), the inside alone (TEI, old vLLM, Azure), ``{"detail": "text"}`` and
    ``{"detail": [{"loc": [...], "msg": "text"}]}`` (FastAPI), plain text, nothing.
    """
    if not isinstance(body, dict):
        return {"message": body if isinstance(body, str) else json.dumps(body)}
    inner = body.get("error", body)
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
        place = [part for part in detail.get("loc") or () if part != "body"]
        lines.append(f"{'.'.join(map(str, place))}: {detail.get('msg') or detail}")
        param = param or (str(place[0]) if place else "")
        numbers = [part for part in place if isinstance(part, int)]
        index = numbers[-1] if numbers and index is None else index
    return {"message": "; ".join(lines), "index": index, "param": param}


def _status(status: int, code: Any) -> int:
    """The HTTP status, or the one that the error within a 200 names."""
    if status >= 300:  # noqa: PLR2004 - not a success
        return status
    text = str(code or "")
    return int(text) if re.fullmatch(r"[45]\d\d", text) else status
