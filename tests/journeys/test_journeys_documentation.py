"""Every example in the documentation works, and prints what the page says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from documentation import PAGES, ROOT, Block, blocks, same, transcript
from reader import FOREIGN, Reader
from reader_services import Services

from ellmental_embeddings import installed_generators

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

OTHERS = {"TIKTOKEN_CACHE_DIR", "STRATUS_TOKEN", "STRATUS_URL", "STRATUS_PROJECT", "TOPICS_MODEL"}
"""Variables that a page may set and no dist of ours reads."""


def name(page: Path) -> str:
    """A page's name in test ids."""
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    """OpenAI, Azure and the Hub, on this machine."""
    with Services() as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(block.treatment in {"run", "parsed"} for block in blocks(page))],
    ids=name,
)
def test_page(
    page: Path, tmp_path: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Following the page from top to bottom works."""
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(variable)
    reader, section = Reader(tmp_path, services), 0
    for block in blocks(page):
        place = f"{name(page)}:{block.line}"
        if block.file:
            reader.write(block.file, block.text)
        if block.mark or block.file:
            continue
        if block.section != section:
            reader.open_shell()
            section = block.section
        if block.language == "python":
            run_script(reader, block, place)
        elif block.language == "console":
            run_transcript(reader, block, place)
        elif block.language == "sh":
            run_commands(reader, block, place)


def run_script(reader: Reader, block: Block, place: str) -> None:
    """A python block runs, and prints what stands below it."""
    ran = reader.python(block.text)
    assert ran.returncode == 0, f"{place}\n{ran.stderr}"
    if block.prints is not None:
        assert same(block.prints, ran.stdout), f"{place} printed\n{ran.stdout}"


def run_transcript(reader: Reader, block: Block, place: str) -> None:
    """Each command of a console block prints what stands below it."""
    steps = transcript(block.text)
    assert steps, f"{place}: a console block without a command"
    for command, shown in steps:
        ran = reader.shell(command)
        assert same(shown, ran.stdout), f"{place}\n$ {command}\n{ran.stdout}"


def run_commands(reader: Reader, block: Block, place: str) -> None:
    """A block for copying succeeds, and what it exports are settings with values that can be."""
    ran = reader.commands(block.text)
    assert ran.returncode == 0, f"{place}\n{ran.stdout}"
    assert not wrong(reader.variables()), f"{place}: {wrong(reader.variables())}"


def wrong(variables: Mapping[str, str]) -> list[str]:
    """What is wrong with these variables, as they and the folder's ``.env`` stand."""
    with pytest.MonkeyPatch.context() as patched:
        for variable, value in variables.items():
            patched.setenv(variable, value)
        found = installed_generators()
    known = OTHERS | {row.name for status in found for row in status.variables}
    chosen = (variables.get("EMBEDDING_GENERATOR"), variables.get("OPENAI_TYPE", "openai"))
    return [f"{variable} is no setting" for variable in variables if variable not in known] + [
        status.reason
        for status in found
        if (status.name, (status.variant or ("", "openai"))[1]) == chosen
        and status.reason
        and "(from the environment)" in status.reason
    ]


def test_settings_that_cannot_be_are_found() -> None:
    """A misspelt variable and an impossible value are told of; a missing one may follow later."""
    good = {"EMBEDDING_GENERATOR": "OPENAI", "OPENAI_MODEL": "a-model"}
    assert wrong(good | {"OPENAI_BASE_URL": "http://localhost:1/v1"}) == []
    assert wrong(good | {"OPENAI_MODELL": "x"}) == ["OPENAI_MODELL is no setting"]
    assert len(wrong(good | {"BATCH_SIZE": "many"})) == 1


def test_what_is_shown_must_be_what_is_printed() -> None:
    """The comparison can fail: in a word, in a line more, in a line less."""
    assert same("a   b\n...\nz 5 ...", "a b\nmuch\nmore\nz 5 seconds")
    assert same("", "\n")
    assert not same("a b", "a c")
    assert not same("a b", "a b\nc")
    assert not same("a b\nc", "a b")
