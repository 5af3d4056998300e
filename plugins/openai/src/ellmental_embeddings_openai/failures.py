"""What a refusal means, as one table: the first row that fits decides.

``{key}``, ``{model}``, ``{url}`` and ``{version}`` in a remedy stand for the user's variables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ellmental_embeddings import (
    AuthenticationFailed,
    BadReply,
    BatchTooLarge,
    ConfigurationError,
    EmbeddingError,
    QuotaExhausted,
    RateLimited,
    TextRejected,
    TextTooLong,
    Unavailable,
)

from .asked import ArgumentRefused, Asked
from .mask import masked
from .models import MOST_INPUTS, mistaken_name
from .said import Said

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    Maker = Callable[[str, Said, re.Match[str] | None, int], EmbeddingError]
    """Of the text for the user, the refusal, what ``words`` matched, and how many texts."""

__all__ = ["RULES", "ArgumentRefused", "Asked", "Rule", "Said", "failure"]

_A_DAY_S = 3600.0
"""A service that asks to wait an hour or longer speaks of a quota, not of a rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A row of the table. It fits where all that it names fits; what it leaves out fits always.

    Attributes:
        becomes: the core's error, or what makes it of more than a message.
        remedy: what the user should do.
        status: the HTTP statuses.
        code: pattern that ``code`` or ``type`` matches from its start, in lower case.
        words: pattern found in the message, any case.
        page: whether a web page came.
        least_wait: seconds the service asks to wait, at least.
        soon: whether it asks to wait, and shorter than an hour.
        answered: whether the service has answered well before.
        argument: optional argument that the refusal is about: it was sent, and the refusal names
            it, unless ``code`` says enough.
    """

    becomes: type[EmbeddingError] | Maker
    remedy: str = ""
    status: Container[int] = field(default=range(600))
    code: str = ""
    words: str = ""
    page: bool | None = None
    least_wait: float = 0.0
    soon: bool | None = None
    answered: bool | None = None
    argument: str = ""

    def fits(self, said: Said, asked: Asked) -> re.Match[str] | bool:
        """False; or what ``words`` matched, True where it names none."""
        found = re.search(self.words, said.message, re.IGNORECASE) if self.words else None
        about = self.argument
        does_fit = (
            said.status in self.status
            and (not self.code or any(re.match(self.code, code) for code in said.codes))
            and (not self.words or found is not None)
            and self.page in {None, said.is_page}
            and (said.retry_after or 0.0) >= self.least_wait
            and self.soon in {None, 0.0 < (said.retry_after or 0.0) < _A_DAY_S}
            and self.answered in {None, asked.answered}
            and (not about or self._is_about(said, asked))
        )
        return (found or True) if does_fit else False

    def _is_about(self, said: Said, asked: Asked) -> bool:
        named = self.argument in f"{said.param} {said.message}".lower()
        return self.argument in asked.arguments and (named or bool(self.code))


def _later(kind: type[RateLimited | Unavailable]) -> Maker:
    return lambda text, said, _found, _texts: kind(text, retry_after=said.retry_after)


def _number(found: re.Match[str] | None, group: str) -> int | None:
    value = found.groupdict().get(group) if found is not None else None
    return None if value is None else int(value.replace(",", ""))


def _too_large(text: str, _: Said, found: re.Match[str] | None, texts: int) -> EmbeddingError:
    items = _number(found, "items")
    return BatchTooLarge(
        text,
        items=items if items and items < texts else None,  # a limit above what was sent is none
        tokens=_number(found, "tokens") or None,
    )


def _rejected(kind: type[TextRejected]) -> Maker:
    def make(text: str, said: Said, found: re.Match[str] | None, texts: int) -> EmbeddingError:
        index = _number(found, "index")
        index = said.index if index is None else index
        return kind(text, index=index if index is not None and index < texts else None)

    return make


def _invalid_input(text: str, _: Said, __: re.Match[str] | None, texts: int) -> EmbeddingError:
    if texts > MOST_INPUTS:
        return BatchTooLarge(text, items=MOST_INPUTS)
    return TextRejected(text)


_QUOTA = (
    r"insufficient_quota|billing_(hard_limit|not_active)|quota_exceeded|insufficient_(credits|user)"
)
_SERVER = {408, 409, 424, 425, *range(500, 600)}
_SHORTEN = "Shorten it, or split it.{length}"
_REFUSALS = {400, 413, 422}
"""What is wrong with a request is said with these; a 500's words are about the server."""

_COUNTED = (
    r"(?=\d[\d,]* ((?!concurrent|parallel|simultaneous)\w+ )?(per (batch|request)|in (a|one|each) "
    r"(batch|request)|(input|text|item|element|string|document|sentence|prompt|sequence)s?\b))"
)
"""A number of texts; not of requests at a time, of characters, of tokens."""

_STARTING = r"preparing|starting|building|loading|waking|restarting|please wait|maintenance"

RULES: tuple[Rule, ...] = (
    # Not what was asked for: another place, a page for people.
    Rule(
        status=range(300, 400),
        becomes=ConfigurationError,
        remedy="The server sends on to another address{location}. A key is never sent after it: "
        "set {url} to the final address.",
    ),
    Rule(page=True, words=_STARTING, becomes=_later(Unavailable), remedy="It is still starting."),
    Rule(page=True, status={200}, answered=True, becomes=_later(Unavailable)),
    Rule(
        page=True,
        status={200, 404, 405},
        becomes=ConfigurationError,
        remedy="{url} leads to a page for people, not to an API: most servers' ends in /v1.",
    ),
    Rule(
        page=True,
        status={400},
        answered=False,
        becomes=ConfigurationError,
        remedy="No API says so of a text: check {url}, its http or https, too.",
    ),
    Rule(
        words=r"unexpected endpoint",  # LM Studio, with status 200
        becomes=ConfigurationError,
        remedy="Set {url} to the API's base: most servers' ends in /v1.",
    ),
    # Nothing will help.
    Rule(
        code=_QUOTA,
        becomes=QuotaExhausted,
        remedy="Waiting does not help: add credit, or raise the limit of the account.",
    ),
    Rule(
        status={429},
        words=r"insufficient_quota",  # of gateways that wrap the code into words
        becomes=QuotaExhausted,
        remedy="Waiting does not help: add credit, or raise the limit of the account.",
    ),
    Rule(
        status={429},
        words=r"exceeded your current quota|out of credits",
        soon=False,  # Google says so of a minute's quota, and when to come back
        becomes=QuotaExhausted,
        remedy="Waiting does not help: add credit, or raise the limit of the account.",
    ),
    Rule(status={402}, becomes=QuotaExhausted, remedy="Add credit to the account."),
    Rule(
        status={429},
        least_wait=_A_DAY_S,
        becomes=QuotaExhausted,
        remedy="It asks to wait {wait}: the quota of the day is used up. Ask for a larger one.",
    ),
    Rule(status={429}, becomes=_later(RateLimited)),
    Rule(
        status={401},
        words=r"missing scopes|insufficient permissions",
        becomes=AuthenticationFailed,
        remedy="The key in {key} may not embed: give it the permission, or make another.",
    ),
    Rule(
        status={401},
        becomes=AuthenticationFailed,
        remedy="Check {key}: the service does not accept it, or it is not set.",
    ),
    Rule(
        status={403},
        words=r"not allowed to generate embeddings",
        becomes=ConfigurationError,
        remedy="The model makes no embeddings, or the project may not use it: check {model}.",
    ),
    Rule(
        status={403, 451},
        words=r"country|region|territory",
        becomes=AuthenticationFailed,
        remedy="The service refuses requests from here, whatever the key.",
    ),
    Rule(
        status={403},
        becomes=AuthenticationFailed,
        remedy="The key in {key} may not do this, or something between refuses it.",
    ),
    Rule(
        status={407},
        becomes=ConfigurationError,
        remedy="That is the proxy: it wants a user and a password that it accepts. Set "
        "HTTP_PROXY and HTTPS_PROXY (http://user:password@host:port), or put the server in "
        "NO_PROXY.",
    ),
    # The wrong model or address.
    Rule(
        status=_REFUSALS,
        code="operationnotsupported",  # Azure; for `dimensions` too, with the same words
        argument="dimensions",
        answered=False,
        becomes=ConfigurationError,
        remedy="It takes no EMBEDDING_DIMENSIONS, or makes no embeddings: check {model}.",
    ),
    Rule(
        words=r"not support( \w+)? embed|does not work with the specified model"
        r"|not an embedding model|--embeddings",
        becomes=ConfigurationError,
        remedy="The model in {model} makes no embeddings, or the server is not started to make "
        "them.",
    ),
    Rule(
        code="model_not_found",
        becomes=ConfigurationError,
        remedy="Check {model}.",
    ),
    Rule(
        status={400, 404},
        words=r"model .*(not exist|not found|no access)|(no|unknown|invalid) model",
        becomes=ConfigurationError,
        remedy="Check {model}.",
    ),
    Rule(
        status={404, 405, 410, 501},
        becomes=ConfigurationError,
        remedy="There is no embeddings API at {address}: check {url}; most servers' ends in /v1.",
    ),
    Rule(
        status=_REFUSALS,
        words=r"\bdimensions\W.*(less than|smaller than|at most|greater than|exceed)",
        becomes=ConfigurationError,
        remedy="The model has fewer dimensions: lower EMBEDDING_DIMENSIONS, or unset it.",
    ),
    # Optional arguments: asked again without them, once. A service that has answered takes them.
    Rule(
        status=_REFUSALS,
        argument="dimensions",
        answered=False,
        becomes=ConfigurationError,
        remedy="The model cannot shorten its vectors: unset EMBEDDING_DIMENSIONS.",
    ),
    Rule(
        status=_REFUSALS,
        words=r"matryoshka|changing output dimensions",
        becomes=ConfigurationError,
        remedy="The model cannot shorten its vectors: unset EMBEDDING_DIMENSIONS.",
    ),
    Rule(
        status=_REFUSALS,
        argument="encoding_format",
        answered=False,
        becomes=ConfigurationError,
        remedy="Set OPENAI_ENCODING_FORMAT to float.",
    ),
    # Too much in one request: halved by the engine.
    Rule(
        status=_REFUSALS,
        words=r"(max(imum)? (number of inputs|allowed batch size)( is)? |array.*maximum length "
        rf"|batch size (must be |is )?at most |at most {_COUNTED})"
        r"(?P<items>\d[\d,]*)\b(?! (characters|tokens))",
        becomes=_too_large,
    ),
    Rule(
        status=_REFUSALS,
        words=r"(maximum request size is|max(imum)?) (?P<tokens>\d[\d,]*) tokens per request",
        becomes=_too_large,
    ),
    Rule(code="max_tokens_per_request", becomes=_too_large),
    Rule(status={413}, becomes=_too_large),
    # A text.
    Rule(
        status={500},  # llama.cpp, Ollama
        words=r"too large to process|input length exceeds the context",
        becomes=_rejected(TextTooLong),
        remedy=_SHORTEN,
    ),
    Rule(
        status=_REFUSALS,
        words=r"(input\[(?P<index>\d+)\]\W*)?(maximum (input|context) length|too (large to|long)"
        r"|input length exceeds|must have less than \d+ tokens|longer than the maximum"
        r"|exceeds? (the )?(maximum |available )?context|at most \d+ characters)",
        becomes=_rejected(TextTooLong),
        remedy=_SHORTEN,
    ),
    Rule(
        status=_REFUSALS,
        code="exceed_context_size",
        becomes=_rejected(TextTooLong),
        remedy=_SHORTEN,
    ),
    Rule(
        code="content_filter",
        becomes=_rejected(TextRejected),
        remedy="The service's content filter refuses it.",
    ),
    Rule(
        status={400, 422},
        words=r"\$\.input|input.*(empty|blank)",
        becomes=_invalid_input,
    ),
    Rule(
        status={400, 422},
        words=r"input\[(?P<index>\d+)\]",
        becomes=_rejected(TextRejected),
    ),
    Rule(
        status={400, 422},
        words=r"unrecognized request argument|unknown (field|parameter)|extra (fields|inputs)"
        r"|unsupported parameter",
        becomes=ConfigurationError,
        remedy="The server does not take what is sent: is {url} a server for embeddings?",
    ),
    # The rest, by status alone.
    Rule(status=_SERVER, becomes=_later(Unavailable)),
    Rule(status={400, 422}, becomes=_rejected(TextRejected)),
    Rule(status=range(300), becomes=BadReply),
    Rule(becomes=ConfigurationError, remedy="Check {url} and {model}."),
)


def failure(
    said: Said, asked: Asked, rules: tuple[Rule, ...] = RULES
) -> EmbeddingError | ArgumentRefused:
    """The core's error for a refusal, or ArgumentRefused where asking differently may help."""
    for rule in rules:
        found = rule.fits(said, asked)
        if found is False:
            continue
        text, match = _told(said, asked, rule.remedy), found if found is not True else None
        if isinstance(rule.becomes, type):
            error = rule.becomes(text)
        else:
            error = rule.becomes(text, said, match, asked.texts)
        error.rate = said.rate
        return ArgumentRefused(rule.argument, error) if rule.argument else error
    raise AssertionError("the last rule of the table fits everything")


def _told(said: Said, asked: Asked, remedy: str) -> str:
    """For the user: who said what, and what to do. No part of a key."""
    endpoint, names = asked.endpoint, asked.endpoint.names
    words = masked(said.message, endpoint.secrets)
    told = f"{endpoint.service} answered {said.status}"
    told += f": {words.rstrip('.')}." if words else "."
    location = masked(said.location.partition("?")[0], endpoint.secrets)
    advice = remedy.format_map(
        {
            "key": names.key,
            "model": f"{names.model}={endpoint.model}",
            "url": f"{names.url} ({endpoint.url})",
            "address": f"{endpoint.url}/embeddings",
            "version": names.version,
            "length": f" To have EMBEDDING_OVERLONG do so, set {names.length}."
            if names.length
            else "",
            "location": f" ({location})" if location else "",
            "wait": f"{(said.retry_after or 0) / 3600:.0f} h",
        }
    )
    if "{model}" in remedy and not names.version and said.status in {403, 404}:
        advice = mistaken_name(endpoint.model, names.model) or advice
    return f"{told} {advice}".rstrip()
