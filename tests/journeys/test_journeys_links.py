"""Every link inside the repository leads to a file, and to a heading, that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from clean_environment import DISTS
from documentation import PAGES, ROOT
from links import dead_links, links

if TYPE_CHECKING:
    from pathlib import Path

READMES = [dist / "README.md" for dist in DISTS]
ALL = [*PAGES, *READMES, ROOT / "CHANGELOG.md", *sorted((ROOT / "tests").rglob("README.md"))]


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Files and headings that a page links to exist."""
    assert dead_links(page) == []


@pytest.mark.parametrize("readme", READMES, ids=lambda page: page.parent.name)
def test_a_package_readme_links_to_no_file(readme: Path) -> None:
    """An index of packages shows it by itself: a link to a file of the repository would be dead."""
    assert [link.address for link in links(readme) if link.inside] == []


def test_dead_links_are_found(tmp_path: Path) -> None:
    """In text, tables and images; to files, to headings of this page and of others."""
    other = tmp_path / "other.md"
    other.write_text("# Is there\n\n## `a` b, c\n\n## `a` b, c\n", "utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\n[a](other.md#is-there) [b](other.md#a-b-c-1) [c](#page) [d](https://x.org/#y)\n"
        "\n[e](gone.md) [f](other.md#gone) [g](#gone) ![h](gone.png)\n"
        "\n| x |\n|---|\n| [i](table.md) |\n\n`[j](in-code.md)`\n\n```sh\n[k](in-code.md)\n```\n",
        "utf-8",
    )
    assert [line.partition(":")[0] for line in dead_links(page)] == [
        "gone.md",
        "other.md#gone",
        "#gone",
        "gone.png",
        "table.md",
    ]
