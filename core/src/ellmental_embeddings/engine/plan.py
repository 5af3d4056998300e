"""Texts to batches, as pure functions: fold, measure, cut, group. Nothing is sent here.

The order of the user's texts never changes: the plan remembers which piece makes which row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import TextRejected, TextTooLong
from ..result import Outcome
from .pieces import cut, longest_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ..backend import Limits

__all__ = ["Plan", "Rules", "group", "make_plan"]

_CHARACTERS_PER_TOKEN = 4
"""First guess when a text has to be cut: about right for English, and only a guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How texts are measured and what becomes of over-long ones.

    Attributes:
        prefix: put before every text (E5's ``query: ``); empty for most models.
        tokens_per_text: the model's limit, None where unknown.
        overlong: ``error``, ``truncate`` or ``average``.
        most_tokens: cheap upper bound of a text's tokens.
        count_tokens: exact count, or None where it cannot be known.
    """

    most_tokens: Callable[[str], int]
    count_tokens: Callable[[str], int | None]
    prefix: str = ""
    tokens_per_text: int | None = None
    overlong: Literal["error", "truncate", "average"] = "error"


@dataclass(slots=True, eq=False)
class Plan:
    """What is to be sent, and which row each piece's vector goes to.

    Attributes:
        pieces: different texts to be sent, prefix included, in the order of first use.
        tokens: per piece, an upper bound of its tokens.
        sizes: per piece, its UTF-8 bytes.
        piece_of: int64, shape (texts,): the piece that makes a text's vector; -1 where the
            text is refused or split.
        split: texts whose vector is the mean of several pieces' vectors.
        outcomes: texts that were cut or refused; all others are OK if their piece is.
    """

    pieces: list[str]
    tokens: list[int]
    sizes: list[int]
    piece_of: NDArray[np.int64]
    split: dict[int, tuple[int, ...]] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)


def make_plan(texts: Sequence[object], rules: Rules) -> Plan:
    """Fold identical texts into one, refuse what no model takes, cut what is over-long."""
    return _Planner(rules, len(texts)).plan(texts)


def group(
    plan: Plan,
    limits: Limits,
    batch_size: int,
    count_tokens: Callable[[str], int | None],
    wanted: Sequence[int] | None = None,
) -> list[Sequence[int]]:
    """Group a plan's pieces, or the wanted ones, into batches that cover them, in order.

    A batch whose pieces follow one another is a range, so that its vectors can be written with
    one copy.

    A batch holds at most ``batch_size`` and ``limits.items`` pieces, and its tokens and bytes
    stay within the limits, except for a single piece that is over them by itself. Tokens are
    counted exactly only where their bounds are too high together, each piece's once at most.
    """
    most = min(batch_size, limits.items or batch_size)
    left: Sequence[int] = range(len(plan.pieces)) if wanted is None else wanted
    batches, start, exact = [], 0, set[int]()
    while start < len(left):
        batch = left[start : start + most]
        if limits.bytes is not None:
            batch = _within(plan.sizes, batch, limits.bytes)
        if limits.tokens is not None and sum(plan.tokens[one] for one in batch) > limits.tokens:
            batch = _within_tokens(plan, batch, limits.tokens, count_tokens, exact)
        batches.append(batch)
        start += len(batch)
    return batches


def _within(weights: list[int], pieces: Sequence[int], limit: int) -> Sequence[int]:
    """The longest beginning whose weights sum to the limit at most; at least one piece."""
    total = 0
    for place, piece in enumerate(pieces):
        total += weights[piece]
        if total > limit and place:
            return pieces[:place]
    return pieces


def _within_tokens(
    plan: Plan,
    pieces: Sequence[int],
    limit: int,
    count_tokens: Callable[[str], int | None],
    exact: set[int],
) -> Sequence[int]:
    """``_within`` over tokens, counting as many pieces as fit; remembered in ``plan.tokens``."""
    total = 0
    for place, piece in enumerate(pieces):
        if piece not in exact:
            exact.add(piece)
            counted = count_tokens(plan.pieces[piece])
            plan.tokens[piece] = plan.tokens[piece] if counted is None else counted
        total += plan.tokens[piece]
        if total > limit and place:
            return pieces[:place]
    return pieces


class _Planner:
    """The state while a plan grows; ``plan`` is its one public step."""

    def __init__(self, rules: Rules, texts: int) -> None:
        self.rules = rules
        self.known: dict[str, int] = {}
        self.result = Plan([], [], [], np.full(texts, -1, dtype=np.int64))

    def plan(self, texts: Sequence[object]) -> Plan:
        result = self.result
        first_use: dict[str, int] = {}
        for position, text in enumerate(texts):
            if not isinstance(text, str):
                result.outcomes[position] = _refused(
                    f"it is {_described(text)}, not a string. Convert it, or leave it out"
                )
                continue
            first = first_use.setdefault(text, position)
            if first == position:
                self._add(position, text)
                continue
            result.piece_of[position] = result.piece_of[first]
            if first in result.split:
                result.split[position] = result.split[first]
            if first in result.outcomes:
                result.outcomes[position] = result.outcomes[first]
        return result

    def _add(self, position: int, text: str) -> None:
        if not text or text.isspace():
            self.result.outcomes[position] = _refused(
                "it is blank: there is nothing to embed. Leave it out"
            )
            return
        sent = self.rules.prefix + text
        try:
            size = len(sent) if sent.isascii() else len(sent.encode())
        except UnicodeEncodeError as error:
            place = error.start - len(self.rules.prefix)
            self.result.outcomes[position] = _refused(
                f"character {place} is the lone surrogate U+{ord(sent[error.start]):04X}, which "
                "is no text and cannot be sent as UTF-8. Read its source with the right "
                "encoding, or replace it: text.encode('utf-8', 'replace').decode()"
            )
            return
        tokens, limit = self.rules.most_tokens(sent), self.rules.tokens_per_text
        if limit is not None and tokens > limit:
            exact = self.rules.count_tokens(sent)
            if exact is not None and exact > limit:
                self._add_overlong(position, text, exact, limit)
                return
            tokens = tokens if exact is None else exact
        self.result.piece_of[position] = self._piece(sent, tokens, size)

    def _add_overlong(self, position: int, text: str, tokens: int, limit: int) -> None:
        rules, result = self.rules, self.result

        def count(part: str) -> int:
            exact = rules.count_tokens(rules.prefix + part)  # known of the whole, not of each part
            return rules.most_tokens(rules.prefix + part) if exact is None else exact

        def fits(part: str) -> bool:
            return rules.most_tokens(rules.prefix + part) <= limit or count(part) <= limit

        guess = limit * _CHARACTERS_PER_TOKEN
        if rules.overlong == "average":
            parts = [part for part in cut(text, fits, guess=guess) if not part.isspace()]
        elif rules.overlong == "truncate":
            parts = [part] if (part := text[: longest_fit(text, 0, fits, guess=guess)]) else []
        else:
            parts = []
        if not parts or (rules.overlong == "truncate" and parts[0].isspace()):
            result.outcomes[position] = Outcome(
                status="failed", tokens_from=tokens, error=_too_long(tokens, limit, rules.overlong)
            )
            return
        pieces = tuple(
            self._piece(rules.prefix + part, count(part), len((rules.prefix + part).encode()))
            for part in parts
        )
        if rules.overlong == "average":
            result.split[position] = pieces
            result.outcomes[position] = Outcome(
                status="split", tokens_from=tokens, pieces=len(pieces)
            )
        else:
            result.piece_of[position] = pieces[0]
            result.outcomes[position] = Outcome(
                status="truncated",
                tokens_from=tokens,
                tokens_to=result.tokens[pieces[0]],
                characters_to=len(parts[0]),
            )

    def _piece(self, sent: str, tokens: int, size: int) -> int:
        known = self.known.get(sent)
        if known is not None:
            return known
        self.result.pieces.append(sent)
        self.result.tokens.append(tokens)
        self.result.sizes.append(size)
        self.known[sent] = len(self.result.pieces) - 1
        return self.known[sent]


def _refused(reason: str) -> Outcome:
    return Outcome(status="failed", error=TextRejected(f"{reason}."))


def _too_long(tokens: int, limit: int, overlong: str) -> TextTooLong:
    if overlong == "error":
        return TextTooLong(
            f"it has {tokens:,} tokens, the model takes {limit:,}. Shorten it, or set "
            "EMBEDDING_OVERLONG to truncate (cut it) or average (embed its pieces)."
        )
    return TextTooLong(
        f"no part of it fits the model's {limit:,} tokens: the instruction before it takes them "
        "all. Shorten EMBEDDING_DOCUMENT_INSTRUCTION or EMBEDDING_QUERY_INSTRUCTION."
    )


def _described(value: object) -> str:
    if value is None:
        return "None"
    try:
        return f"{type(value).__name__} ({str(value)[:40]!r})"
    except Exception:  # noqa: BLE001 - whatever it is, it costs no other text
        return type(value).__name__
