"""Where a setting's value comes from: arguments, the environment, ``.env``, in that order.

pydantic-settings reads the same three places; this module answers what it does not: which of
them a value came from, and which variables look like misspelt ones.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ENV_FILE", "ENV_FILE_ENCODING", "Variable", "Variables"]

ENV_FILE = ".env"

ENV_FILE_ENCODING = "utf-8-sig"
"""UTF-8 with or without the mark that Windows editors put first, which would else be read as
part of the first variable's name."""

_ALIKE = 0.88
"""Least difflib ratio for two names to count as one misspelt: EMBEDDING_GENERATR is 0.97."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One setting as it stands: what ``ellmental config`` shows.

    Attributes:
        name: the environment variable.
        value: its value as text, ``"********"`` for a secret, None where it has none.
        source: ``argument``, ``environment``, ``.env``, ``default`` or ``missing``.
        default: the default as text, or None where there is none.
        meaning: one line on what it is for.
        required: True where the generator cannot work without it.
        secret: True for keys and tokens.
        choices: the values it can take, where these are few and fixed.
    """

    name: str
    value: str | None
    source: str
    default: str | None
    meaning: str
    required: bool = False
    secret: bool = False
    choices: tuple[str, ...] = ()


class Variables:
    """The raw values of variables, and where each came from. Names ignore case."""

    def __init__(self, arguments: Mapping[str, Any] | None = None) -> None:
        self.arguments = {name.upper(): value for name, value in (arguments or {}).items()}
        self.environment = {name.upper(): value for name, value in os.environ.items()}
        self.env_file = _read_env_file()

    def find(self, *names: str) -> tuple[Any, str] | None:
        """The value of the first of these names that is set, and its source; None if none is.

        An empty variable counts as unset, so that ``OPENAI_BASE_URL=`` means the default. An
        empty argument does not: who writes ``EMBEDDING_QUERY_INSTRUCTION=""`` in code means it.
        """
        places = (
            (self.arguments, "argument"),
            (self.environment, "environment"),
            (self.env_file, ENV_FILE),
        )
        for values, source in places:
            for name in names:
                value = values.get(name.upper())
                if value is not None and (value != "" or source == "argument"):
                    return value, source
        return None

    def passed_over(self) -> str | None:
        """What to tell of a ``.env`` that is a folder, and no virtual environment."""
        path = Path(ENV_FILE)
        if not path.is_dir() or (path / "pyvenv.cfg").exists():
            return None
        return f"{path.resolve()} is a folder: no settings are read from it."

    def text(self, name: str) -> str | None:
        """The value of a variable as stripped text, or None where it is not set."""
        found = self.find(name)
        return None if found is None else str(found[0]).strip() or None

    def near_misses(self, known: Iterable[str]) -> list[tuple[str, str]]:
        """Variables that are set and look like a known one: pairs (as set, as meant)."""
        names = {name.upper() for name in known}
        given = sorted((self.environment.keys() | self.env_file.keys()) - names)
        pairs = []
        for name in given:
            bare = name.removeprefix("EMBEDDING_")  # BATCH_SIZE is the one setting without it
            close = [bare] if bare in names else []
            close += difflib.get_close_matches(name, names, n=1, cutoff=_ALIKE)
            pairs += [(name, close[0])] if close else []
        return pairs


def _read_env_file() -> dict[str, str]:
    path = Path(ENV_FILE)
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        values = dotenv_values(path, encoding=ENV_FILE_ENCODING)
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"{path.resolve()} is not UTF-8 text. Save it as UTF-8, or move it away."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path.resolve()} cannot be read: {error.strerror}.") from None
    return {name.upper(): value for name, value in values.items() if value is not None}
