"""Reads the documentation's pages, and knows what becomes of each fenced block on them.

    python tests/journeys/documentation.py      lists them all

- ``python`` is a script; a ``text`` block close below it is what it prints.
- ``console`` is a transcript: lines after ``$`` are run in a clean shell, what follows is printed.
  ``...`` stands for any text; runs of blanks count as one.
- ``sh`` is for copying: it is run, and must succeed. The blocks under one heading share a shell,
  and its scripts see what was exported.
- ``ini`` is an ``.env`` file, ``toml``, ``json`` and ``yaml`` are what they are called: all are
  parsed, and an ``.env`` file is shown to the settings.
- A block under a paragraph that begins with a file name in backticks is that file.
- ``<!-- not run: REASON -->`` above a block keeps it from being run; the reasons are few.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "core" / "README.md",
    *sorted(ROOT.glob("plugins/*/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

DONE_WITH = {
    "python": "run",
    "console": "run",
    "sh": "run",
    "ini": "parsed",
    "toml": "parsed",
    "json": "parsed",
    "yaml": "parsed",
}
"""What becomes of a block in these languages."""

REASONS = {
    "a picture": {"text"},
    "measured": {"text"},
    "takes minutes": {"sh"},
    "publishes": {"sh"},
}
"""Why a block may stand unrun, and which languages may say so. What a command of this repository
printed after minutes is ``measured``; a command that ``takes minutes`` is known by its options;
one that ``publishes`` would put something on PyPI or GitHub."""

_ELSEWHERE = re.compile(r"in (tests/\S+\.py)")

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})([^\n]*)\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^`([\w./-]*\.\w+)`")
_MARK = re.compile(r"<!-- not run: (.+?) -->\s*$")
_CLOSE_BELOW = 40
"""Characters that may stand between a script and what it prints."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: the first word behind the fence.
        text: what is in it.
        line: its first line on the page, from 1.
        file: the file that it is, or None.
        prints: what stands close below a script, or None.
        printed: whether it is what the script above it prints.
        mark: why it is not run, or None.
        section: how many headings stand above it.
    """

    language: str
    text: str
    line: int
    file: str | None = None
    prints: str | None = None
    printed: bool = False
    mark: str | None = None
    section: int = 0

    @property
    def treatment(self) -> str | None:
        """What becomes of it: run, parsed, a file, compared, the reason why not; None: nothing."""
        if self.mark is not None:
            return self.mark if self._may_say_so() else None
        if self.file is not None:
            return "a file"
        if self.printed:
            return "compared"
        return DONE_WITH.get(self.language)

    def _may_say_so(self) -> bool:
        mark = self.mark or ""
        named = _ELSEWHERE.fullmatch(mark)
        if named:
            return (ROOT / named[1]).is_file()
        return self.language in REASONS.get(mark, ())


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    return blocks_of(page.read_text(encoding="utf-8"))


def blocks_of(text: str) -> list[Block]:
    """All fenced blocks of a text."""
    result: list[Block] = []
    end = 0
    for match in _FENCE.finditer(text):
        above = text[: match.start()].rstrip()
        mark = _MARK.search(above)
        named = _FILE.match(above.rpartition("\n\n")[2])
        language = (match[3].split() or [""])[0]
        script = bool(result) and result[-1].language == "python" and result[-1].file is None
        printed = language == "text" and script and match.start() - end < _CLOSE_BELOW
        text_of_it = textwrap.dedent(match[4]) if match[1] else match[4]
        if printed:
            result[-1] = replace(result[-1], prints=text_of_it)
        result.append(
            Block(
                language,
                text_of_it,
                text[: match.start()].count("\n") + 2,
                file=named[1] if named else None,
                printed=printed,
                mark=mark[1] if mark else None,
                section=sum(line.startswith("#") for line in lines_outside(above)),
            )
        )
        end = match.end()
    return result


def without_generated(text: str) -> str:
    """A page without what is made from the code."""
    return re.sub(r"<!-- from the code: .*?<!-- end -->", "", text, flags=re.DOTALL)


def lines_outside(text: str) -> list[str]:
    """A page's lines that are in no fenced block."""
    return _FENCE.sub("", text).splitlines()


def transcript(text: str) -> list[tuple[str, str]]:
    """A console block as pairs of command and output."""
    steps: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], ""))
        elif steps:
            steps[-1] = (steps[-1][0], steps[-1][1] + line + "\n")
    return steps


def same(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed."""
    parts = [re.escape(part.strip(" ")) for part in _folded(shown).split("...")]
    pattern = ".*".join(parts)
    return re.fullmatch(pattern, _folded(printed), re.DOTALL) is not None


def _folded(text: str) -> str:
    return "\n".join(re.sub(r"\s+", " ", line).strip() for line in text.strip().splitlines())


def main() -> None:
    """Print a line for each block, and how many there are of each kind."""
    counted: Counter[tuple[str, str | None]] = Counter()
    for page in PAGES:
        for block in blocks(page):
            place = f"{page.relative_to(ROOT).as_posix()}:{block.line}"
            print(f"{place:55} {block.language:8} {block.treatment}")
            counted[block.language, block.treatment] += 1
    print()
    for (language, treatment), number in sorted(counted.items(), key=str):
        print(f"{number:4} {language:8} {treatment}")


if __name__ == "__main__":
    main()
