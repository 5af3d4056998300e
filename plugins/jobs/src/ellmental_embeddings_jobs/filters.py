"""``--where "lang = 'de' AND year > 2020"``: a condition on a dataset's columns, to Arrow's own.

The grammar is SQL's for conditions, and nothing else of SQL: comparisons, IN, LIKE, IS NULL, AND,
OR, NOT and brackets. A value that is missing (NULL) fulfils no comparison, as in SQL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NoReturn

import click

from .comparing import SIGNS, compared, is_text

__all__ = ["Filter", "parse_filter"]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<text>'(?:[^']|'')*')"
    r'|"(?P<quoted>(?:[^"]|"")+)"'
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<sign><=|>=|<>|!=|==|[=<>(),]))"
)
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
        token = self._peek()
        if token is not None and token.kind == "sign" and token.value in SIGNS:
            self._next += 1
            return self._compared(name, token.value)
        if self._take_word("IS"):
            unwanted = self._take_word("NOT")
            if not self._take_word("NULL"):
                self._refuse("NULL")
            column = pc.field(name)
            return ~column.is_null() if unwanted else column.is_null()
        unwanted = self._take_word("NOT")
        if self._take_word("LIKE"):
            found = self._like(name)
        elif self._take_word("IN"):
            found = self._among(name)
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
                f"--where: there is no column {name!r}. "
                f"Columns: {', '.join(map(_spelled, self._columns))}."
            )
        self.used.append(name)
        return name

    def _among(self, name: str) -> Any:
        """Compared one by one, since IN of a missing value is neither true nor false."""
        if not self._take_sign("("):
            self._refuse("an opening bracket")
        found = self._compared(name, "=")
        while self._take_sign(","):
            found = found | self._compared(name, "=")
        if not self._take_sign(")"):
            self._refuse("a comma or a closing bracket")
        return found

    def _like(self, name: str) -> Any:
        import pyarrow.compute as pc

        kind, pattern = self._columns[name], self._literal()
        if not is_text(kind):
            raise click.UsageError(f"--where: {name} is no column of texts ({kind}): not for LIKE.")
        if not isinstance(pattern, str):
            raise click.UsageError(f"--where: {name} LIKE needs a text, e.g. {name} LIKE 'a%'.")
        return pc.match_like(pc.field(name), pattern)

    def _compared(self, name: str, sign: str) -> Any:
        return compared(name, self._columns[name], sign, self._literal())

    def _literal(self) -> Any:
        token = self._peek()
        if token is not None and (token.kind, token.value) == ("word", "NULL"):
            raise click.UsageError("--where: nothing is equal to NULL. Ask with IS NULL.")
        if token is None or token.kind != "value":
            self._refuse("a number, a text in single quotes, TRUE or FALSE")
        self._next += 1
        return token.value

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
        return _Token("name", spelled.replace('""', '"'), place - 1)  # with its quotation mark
    if kind == "word":
        word = spelled.upper()
        if word in {"TRUE", "FALSE"}:
            return _Token("value", word == "TRUE", place)
        return _Token("word", word, place) if word in _WORDS else _Token("name", spelled, place)
    return _Token("sign", spelled, place)


def _spelled(name: str) -> str:
    """A column's name as a condition needs it."""
    plain = re.fullmatch(r"[^\W\d]\w*", name) and name.upper() not in _WORDS
    return name if plain else '"' + name.replace('"', '""') + '"'
