"""The reference pages say what the code says."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from typing import TYPE_CHECKING

import click
import pytest
from reference import FOLDER, PAGES, asked, filled
from reference_docstrings import as_markdown

import ellmental_embeddings
import ellmental_embeddings_openai
from ellmental_embeddings import errors, testing
from ellmental_embeddings.cli.main import make_group

if TYPE_CHECKING:
    from types import ModuleType


@pytest.mark.parametrize("page", PAGES)
def test_page_is_what_the_code_makes_of_it(page: str) -> None:
    """Tables, options, signatures and docstrings are those of the code, word for word."""
    assert asked(page)
    if filled(page) != (FOLDER / page).read_text("utf-8"):
        pytest.fail("run: python tests/rules/reference.py")


@pytest.mark.parametrize(
    "package",
    [ellmental_embeddings, testing, ellmental_embeddings_openai],
    ids=lambda package: package.__name__,
)
def test_every_public_name_is_described_once(package: ModuleType) -> None:
    """Each name of ``__all__`` is on one page of Python, errors and hooks on their own."""
    parts = [part.split() for page in PAGES if "python" in page for part in asked(page)]
    found = Counter(name for home, *names in parts if home == package.__name__ for name in names)
    elsewhere = {*errors.__all__, "ellmental_generators"}
    assert sorted(found) == sorted(set(package.__all__) - elsewhere)
    assert set(found.values()) == {1}


def test_every_command_is_described() -> None:
    """The parser's commands, those of the jobs package too, each have their options."""
    group = make_group()
    commands = group.list_commands(click.Context(group))
    assert {"vector", "embed"} <= set(commands)
    assert {*commands, "commands", "options", "exit codes"} == set(asked("cli.md"))


def test_every_command_says_how_it_ends() -> None:
    """Each has its row in the table of exit codes."""
    group = make_group()
    text = (FOLDER / "cli.md").read_text("utf-8").partition("| command | 1 |")[2]
    rows = re.findall(r"(?m)^\| `([\w-]+)` \|", text.partition("\n\n")[0])
    assert sorted(rows) == sorted(group.list_commands(click.Context(group)))


def test_pages_do_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A narrow terminal, without colours, makes the same page."""
    before = filled("cli.md")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "dumb")
    assert filled("cli.md") == before


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_has_its_remedy(name: str) -> None:
    """What an error's docstring says must be done goes into the reference."""
    assert "\nRemedy: " in (inspect.getdoc(getattr(errors, name)) or "")


def test_docstrings_become_markdown() -> None:
    """Sections become lists, double backticks code, and no word is taken for Markdown."""

    def example() -> None:
        """Do *it*.

        With ``a <b>`` and <b>, EMBEDDING_RPM::

            code

        Args:
            one, two: what goes in,
                on two lines.
            **more: the rest.

        Raises:
            KeyError,
            ValueError: no.
        """

    assert as_markdown(example) == (
        "Do \\*it\\*.\n\nWith `a <b>` and \\<b\\>, EMBEDDING_RPM:\n\n    code\n\n"
        "**Args:**\n\n- `one`, `two`: what goes in, on two lines.\n- `**more`: the rest.\n\n"
        "**Raises:**\n\n- `KeyError`, `ValueError`: no."
    )
