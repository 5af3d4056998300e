"""Every example in the documentation works, and prints what the page says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from documentation import PAGES, ROOT, Block, Reader, blocks, same, transcript

if TYPE_CHECKING:
    from pathlib import Path

RUN = {"python", "console", "toml"}
KNOWN = RUN | {"sh", "text"}


def name(page: Path) -> str:
    """A page's name in test ids."""
    return page.relative_to(ROOT).as_posix()


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(block.language in RUN for block in blocks(page))],
    ids=name,
)
def test_page(page: Path, tmp_path: Path) -> None:
    """Following the page from top to bottom works."""
    reader = Reader(tmp_path)
    for block in blocks(page):
        place = f"{name(page)}:{block.line}"
        if block.file:
            path = tmp_path / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            run_script(reader, block, place)
        elif block.language == "console":
            run_transcript(reader, block, place)


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


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_blocks_have_a_language_that_is_known(page: Path) -> None:
    """No block escapes the tests for want of a language."""
    for block in blocks(page):
        assert block.language in KNOWN, f"{name(page)}:{block.line}"


def test_every_page_is_in_the_index() -> None:
    """A page that no index names is not found."""
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages if f"({page})" not in index} == {"README.md"}


def test_what_is_shown_must_be_what_is_printed() -> None:
    """The comparison can fail: in a word, in a line more, in a line less."""
    assert same("a   b\n...\nz 5 ...", "a b\nmuch\nmore\nz 5 seconds")
    assert same("", "\n")
    assert not same("a b", "a c")
    assert not same("a b", "a b\nc")
    assert not same("a b\nc", "a b")
