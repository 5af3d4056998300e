"""``--where "lang = 'de' AND year > 2020"``: a condition on a dataset's columns, to Arrow's own.

The grammar is SQL's for conditions, and nothing else of SQL: comparisons, IN, LIKE, IS NULL, AND,
OR, NOT and brackets. A value that is missing (NULL) fulfils no comparison, as in SQL.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Filter", "parse_filter"]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<text>'(?:[^']|'')*')"
    r'|"(?P<quoted>(?:[^"]|"")+)"'
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<sign><=|>=|<>|!=|==|[=<>(),]))"
)
_COMPARE = {
    "=": "__eq__",
    "==": "__eq__",
    "!=": "__ne__",
    "<>": "__ne__",
    "<": "__lt__",
    "<=": "__le__",
    ">": "__gt__",
    ">=": "__ge__",
}
_WORDS = {"AND", "OR", "NOT", "IN", "LIKE", "IS", "NULL", "TRUE", "FALSE"}


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition that was understood.

    Attributes:
        columns: the columns it looks at.
        expression: a pyarrow.compute.Expression over them.
    """

    columns: tuple[str, ...]
    expression: Any


@dataclass(frozen=True, slots=True)
class _Token:
    """One token: its kind, its value, and where it begins."""

    kind: str
    value: Any
    place: int


def parse_filter(text: str, columns: dict[str, Any]) -> Filter:
    """Understand a condition.

    Args:
        text: the condition.
        columns: name of each column that may be used -> its Arrow type.

    Raises:
        click.UsageError: it is not understood, a column is missing, or a value does not fit its
            column; says where, and what would do.
    """
    parser = _Parser(text, columns)
    expression = parser.any_of()
    parser.end()
    return Filter(tuple(dict.fromkeys(parser.used)), expression)


class _Parser:
    """Recursive descent: OR over AND over NOT over one condition."""

    def __init__(self, text: str, columns: dict[str, Any]) -> None:
        self._text = text
        self._columns = columns
        self._tokens = self._read()
        self._next = 0
        self.used: list[str] = []

    def any_of(self) -> Any:
        """Conditions with OR between them."""
        found = self._all_of()
        while self._take_word("OR"):
            found = found | self._all_of()
        return found

    def end(self) -> None:
        """Nothing may follow."""
        if self._next < len(self._tokens):
            self._refuse("AND, OR or the end")

    def _all_of(self) -> Any:
        found = self._not()
        while self._take_word("AND"):
            found = found & self._not()
        return found

    def _not(self) -> Any:
        if self._take_word("NOT"):
            return ~self._not()
        if self._take_sign("("):
            found = self.any_of()
            if not self._take_sign(")"):
                self._refuse("a closing bracket")
            return found
        return self._condition()

    def _condition(self) -> Any:
        import pyarrow.compute as pc

        name = self._column()
        column = pc.field(name)
        token = self._peek()
        if token is not None and token.kind == "sign" and token.value in _COMPARE:
            self._next += 1
            compare: Callable[[Any], Any] = getattr(column, _COMPARE[token.value])
            return compare(self._value(name))
        if self._take_word("IS"):
            unwanted = self._take_word("NOT")
            if not self._take_word("NULL"):
                self._refuse("NULL")
            return ~column.is_null() if unwanted else column.is_null()
        unwanted = self._take_word("NOT")
        if self._take_word("LIKE"):
            found = pc.match_like(column, self._pattern(name))
        elif self._take_word("IN"):
            # Compared one by one, since IN of a missing value is neither true nor false.
            first, *others = self._values(name)
            found = column == first
            for other in others:
                found = found | (column == other)
        else:
            self._refuse("=, <>, <, <=, >, >=, IN, LIKE or IS")
        return ~found if unwanted else found

    def _column(self) -> str:
        token = self._peek()
        if token is None or token.kind != "name":
            self._refuse("the name of a column")
        self._next += 1
        name = str(token.value)
        if name not in self._columns:
            raise click.UsageError(
                f"--where: there is no column {name!r}. Columns: {', '.join(self._columns)}."
            )
        self.used.append(name)
        return name

    def _values(self, name: str) -> list[Any]:
        if not self._take_sign("("):
            self._refuse("an opening bracket")
        values = [self._value(name)]
        while self._take_sign(","):
            values.append(self._value(name))
        if not self._take_sign(")"):
            self._refuse("a comma or a closing bracket")
        return values

    def _pattern(self, name: str) -> str:
        pattern = self._value(name).as_py()
        if not isinstance(pattern, str):
            raise click.UsageError(f"--where: {name} LIKE needs a text, e.g. {name} LIKE 'a%'.")
        return pattern

    def _value(self, name: str) -> Any:
        """A literal that fits its column."""
        import pyarrow as pa

        token = self._peek()
        if token is None or token.kind != "value":
            self._refuse("a number, a text in single quotes, TRUE or FALSE")
        self._next += 1
        kind, value = self._columns[name], token.value
        if _fits(value, kind):
            return pa.scalar(value)
        if isinstance(value, str) and pa.types.is_temporal(kind):
            with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
                return pa.scalar(value).cast(kind)
        shown = f"'{value}'" if isinstance(value, str) else str(value)
        said = "a text in single quotes" if _is_text(kind) else f"a value of its type, {kind}"
        raise click.UsageError(
            f"--where: the column {name} cannot be compared with {shown}: give {said}."
        )

    def _read(self) -> list[_Token]:
        tokens, place = [], 0
        while self._text[place:].strip():
            match = _TOKEN.match(self._text, place)
            if match is None:
                at = len(self._text) - len(self._text[place:].lstrip())
                raise click.UsageError(f"--where: not understood at {self._text[at : at + 20]!r}.")
            tokens.append(_token(match))
            place = match.end()
        return tokens

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take_word(self, word: str) -> bool:
        return self._take("word", word)

    def _take_sign(self, sign: str) -> bool:
        return self._take("sign", sign)

    def _take(self, kind: str, value: str) -> bool:
        token = self._peek()
        taken = token is not None and (token.kind, token.value) == (kind, value)
        self._next += taken
        return taken

    def _refuse(self, wanted: str) -> NoReturn:
        token = self._peek()
        found = "at the end" if token is None else f"at {self._text[token.place :][:20]!r}"
        raise click.UsageError(f"--where: expected {wanted} {found}.")


def _token(match: re.Match[str]) -> _Token:
    kind = str(match.lastgroup)
    spelled, place = match[kind], match.start(kind)
    if kind == "number":
        whole = re.fullmatch(r"[+-]?\d+", spelled)
        return _Token("value", int(spelled) if whole else float(spelled), place)
    if kind == "text":
        return _Token("value", spelled[1:-1].replace("''", "'"), place)
    if kind == "quoted":
        return _Token("name", spelled.replace('""', '"'), place)
    if kind == "word":
        word = spelled.upper()
        if word in {"TRUE", "FALSE"}:
            return _Token("value", word == "TRUE", place)
        return _Token("word", word, place) if word in _WORDS else _Token("name", spelled, place)
    return _Token("sign", spelled, place)


def _fits(value: object, kind: Any) -> bool:
    """Whether a literal can be compared with a column of that type as it is."""
    import pyarrow as pa

    if isinstance(value, str):
        return _is_text(kind)
    if isinstance(value, bool):
        return bool(pa.types.is_boolean(kind))
    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(is_one(kind) for is_one in numbers)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
