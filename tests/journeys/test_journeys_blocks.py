"""No block of the documentation escapes: each is run, parsed, compared, or says why not."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
import yaml  # type: ignore[import-untyped]
from documentation import PAGES, REASONS, ROOT, blocks, blocks_of, lines_outside, without_generated
from reader_pip import theirs, trouble
from test_journeys_documentation import name, wrong

from ellmental_embeddings.cli.main import make_group

ACME = "ellmental-embeddings-acme"
"""The package that readers of some pages write."""
OF_SAMPLES = {"fit-topics"}
"""Commands that the samples bring."""


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    """By its language, as a file, as what a script prints, or with one of the few reasons."""
    escaped = [
        f"{name(page)}:{one.line} {one.language}" for one in blocks(page) if not one.treatment
    ]
    assert escaped == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_block_is_hidden_from_the_reader_of_pages(page: Path) -> None:
    """Fences without an end, code by four blanks, HTML: what is not seen is not run.

    Signatures that are made from the code are compared with it elsewhere.
    """
    outside = lines_outside(without_generated(page.read_text("utf-8")))
    assert [line for line in outside if re.match(r"\s*(```|~~~)|<(pre|code)", line)] == []
    indented = [
        line
        for before, line in itertools.pairwise(outside)
        if not before.strip() and re.match(r" {4}\S", line)
    ]
    assert indented == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_data_can_be_parsed(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TOML, JSON and YAML are what they are called; an .env file has settings, with values."""
    monkeypatch.chdir(tmp_path)
    for block in blocks(page):
        place = f"{name(page)}:{block.line}"
        if block.language == "toml":
            assert tomllib.loads(block.text), place
        elif block.language == "json":
            assert json.loads(block.text) is not None, place
        elif block.language == "yaml":
            assert yaml.safe_load(block.text), place
        elif block.language == "ini":
            assert env_file_of(block.text), place
            assert not wrong(env_file_of(block.text)), place


def env_file_of(text: str) -> dict[str, str]:
    """The variables of an .env file, as the product reads it."""
    from dotenv import dotenv_values

    path = Path(".env.shown")
    path.write_text(text, "utf-8")
    return {key: value or "" for key, value in dotenv_values(path).items()}


# What is said in passing


def commands_of(page: Path, program: str) -> list[list[str]]:
    """The commands of a program in a page's prose, tables and unrun blocks, as words."""
    text = "\n".join(lines_outside(page.read_text("utf-8")))
    spans = re.findall(r"`([^`]+)`", text)
    unrun = [line for block in blocks(page) if block.mark for line in block.text.splitlines()]
    return [
        shlex.split(span.replace("\\|", "|"), comments=True)
        for span in [*spans, *unrun]
        if re.match(rf"{program}\b", span.replace("\n", " "))
    ]


def test_what_is_to_be_installed_can_be() -> None:
    """Each `pip install` in passing names a dist and an extra that there is."""
    found = [words for page in PAGES for words in commands_of(page, "pip install")]
    assert len(found) > 10
    for words in found:
        what = [word for word in words[2:] if not word.startswith("-")]
        theirs_own = [one for one in what if one.partition("[")[0] in {ACME, "."}]
        assert [trouble(one) for one in what if one not in theirs_own and trouble(one)] == [], words


def test_what_cannot_be_installed_is_found() -> None:
    """An unknown dist, a missing extra, a folder that is not there."""
    assert trouble("ellmental-embeddings-openai[tokens]") is None
    assert trouble("./plugins/azure") is None
    assert "no extra" in str(trouble("ellmental-embeddings[tokens]"))
    assert "no dist of ours" in str(trouble("ellmental-embeddings-opnai"))
    assert "no such folder" in str(trouble("./plugins/opnai"))
    assert "numpy" in theirs()


def misused(words: list[str]) -> str | None:
    """What is wrong with an `ellmental ...` in passing: the command, or an option."""
    group = make_group()
    command = group.get_command(click.Context(group), words[1]) if len(words) > 1 else None
    if len(words) < 2 or words[1] in {"...", *OF_SAMPLES} or words[1].startswith("-"):
        return None
    if command is None:
        return f"no command {words[1]}"
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
    given = {word.split("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)}
    return f"no option {given - known}" if given - known - {"--help", "--debug"} else None


def test_commands_in_passing_are_commands() -> None:
    """Each `ellmental ...` in the prose is a command that there is, with options that it has."""
    found = [(name(page), words) for page in PAGES for words in commands_of(page, "ellmental")]
    assert len(found) > 50
    assert [(page, words, misused(words)) for page, words in found if misused(words)] == []
    assert misused(["ellmental", "embeds", "x"]) == "no command embeds"
    assert "--outt" in str(misused(["ellmental", "embed", "x", "--outt", "y"]))


def unknown(words: list[str]) -> str | None:
    """What is wrong with a command of this repository: its script, or an option."""
    scripts = [word for word in words if word.startswith(("tests/", ".ci/"))]
    for script in scripts:
        path = ROOT / script
        if not path.exists():
            return f"{script} is not there"
        source = path.read_text("utf-8") if path.is_file() else _all(path)
        options = [word for word in words if word.startswith("--")]
        if missing := [option for option in options if f'"{option}"' not in source]:
            return f"{script} has no {missing}"
    return None


def _all(folder: Path) -> str:
    assert (folder / "__main__.py").is_file(), folder
    return "\n".join(path.read_text("utf-8") for path in folder.glob("*.py"))


def test_commands_of_this_repository_are_there() -> None:
    """Measurements and long tests are not run here, but their scripts and options are there."""
    found = [
        (name(page), words)
        for page in PAGES
        for words in commands_of(page, "(python3?|pytest)")
        if any(word.startswith(("tests/", ".ci/")) for word in words)
    ]
    assert len(found) > 10
    assert [(page, words, unknown(words)) for page, words in found if unknown(words)] == []
    assert unknown(["python", "tests/benchmarks/nothing.py"])
    assert unknown(["python", "tests/run.py", "--no-such-option"])


@pytest.mark.parametrize(
    ("text", "treatment"),
    [
        ("```python\nx\n```", ["run"]),
        ("```python\nx\n```\n\nIt prints:\n\n```text\nx\n```", ["run", "compared"]),
        ("```text\nx\n```", [None]),
        ("```\nx\n```", [None]),
        ("```rust\nx\n```", [None]),
        ("`a.txt`:\n\n```text\nx\n```", ["a file"]),
        ("<!-- not run: a picture -->\n\n```text\nx\n```", ["a picture"]),
        ("<!-- not run: a picture -->\n\n```python\nx\n```", [None]),
        ("<!-- not run: no wish to -->\n\n```text\nx\n```", [None]),
        ("<!-- not run: in tests/nowhere.py -->\n\n```sh\nx\n```", [None]),
        ("<!-- not run: in tests/run.py -->\n\n```sh\nx\n```", ["in tests/run.py"]),
        ("- a list\n\n  ```sh\n  x\n  ```", ["run"]),
    ],
)
def test_what_escapes_is_seen(text: str, treatment: list[str | None]) -> None:
    """A block with no language, an unknown one, or an excuse that is none of ours."""
    assert [block.treatment for block in blocks_of(text)] == treatment
    assert all(REASONS.values())


# The index


def test_every_page_is_in_the_index() -> None:
    """A page that no index names is not found."""
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages if f"({page})" not in index} == {"README.md"}
