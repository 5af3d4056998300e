"""The documentation is built without a doubt, and is read without a network."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from documentation import ROOT
from site_pages import Page, build, loaded_by_styles

if TYPE_CHECKING:
    from pathlib import Path

DOCS = ROOT / "docs"
ROOMS = ["Tutorial", "How-to", "Reference", "Explanation"]
COMMENT = re.compile(r"/\*.*?\*/|^\s*//.*?$", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, built with every warning an error."""
    into = tmp_path_factory.mktemp("site")
    ran = build(DOCS, into)
    assert ran.returncode == 0, ran.stderr
    return into


def test_every_page_is_there_and_in_the_navigation(site: Path) -> None:
    """The navigation, which the empty page of the search has too, leads to each in its room."""
    pages = {path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")}
    assert len(pages) > 40
    navigation = Page(site / "search.html")
    assert pages <= {"README.html", *navigation.linked}
    assert all((site / page).is_file() for page in pages)
    assert (site / "index.html").read_bytes() == (site / "README.html").read_bytes()
    captions = [caption.partition(":")[0] for caption in navigation.captions]
    assert list(dict.fromkeys(captions)) == ROOMS


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    """No style, script, font or image is on another host, and each is a file of the site."""
    pages = sorted(site.rglob("*.html"))
    for path in pages:
        loaded = Page(path).loaded
        assert loaded, f"{path.name} has no style: what it loads was not found"
        missing = [one for one in loaded if not (path.parent / local(one)).is_file()]
        assert missing == [], path


def test_styles_and_scripts_load_nothing_from_elsewhere(site: Path) -> None:
    """Style sheets name files of the site alone; no script knows an address of the web."""
    styles, scripts = sorted(site.rglob("*.css")), sorted(site.rglob("*.js"))
    assert styles
    assert scripts
    for path in styles:
        loaded = loaded_by_styles(path.read_text("utf-8"))
        assert [one for one in loaded if not (path.parent / local(one)).is_file()] == [], path
    for path in scripts:
        if path.name != "searchindex.js":  # data: words and titles
            code = COMMENT.sub("", path.read_text("utf-8"))
            assert re.findall(r"https?:\S*", code.replace("http://www.w3.org/", "")) == [], path


def test_search_knows_every_page(site: Path) -> None:
    """The index of the search is a script beside the pages, so that it works from a folder."""
    index = (site / "searchindex.js").read_text("utf-8")
    assert index.startswith("Search.setIndex(")
    for path in DOCS.rglob("*.md"):
        assert f'"{path.relative_to(DOCS).with_suffix("").as_posix()}"' in index
    names = {local(address).rpartition("/")[2] for address in Page(site / "search.html").loaded}
    assert {"searchindex.js", "searchtools.js", "language_data.js"} <= names


def test_what_is_loaded_is_found(tmp_path: Path) -> None:
    """The search for what a page loads can fail: styles, scripts, images, in any form."""
    page = tmp_path / "page.html"
    page.write_text(
        '<link rel="preconnect" href="//a"><link rel="next" href="n.html"><img src=b srcset="c 2x">'
        "<style>@import 'd'; @font-face { src: url(https://e/f.woff) }</style>"
        '<p style="background: url(\'g\')"><script src="h"></script><a href="https://z">z</a>',
        "utf-8",
    )
    assert Page(page).loaded == ["//a", "b", "c 2x", "d", "https://e/f.woff", "g", "h"]


def test_doubts_fail_the_build(tmp_path: Path) -> None:
    """A dead link, a heading that is not there and a page in no list are each named."""
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(DOCS / "conf.py", docs)
    (docs / "README.md").write_text("# All\n\n## Tutorial\n\n- [One](one.md)\n", "utf-8")
    one = docs / "one.md"
    one.write_text("# One\n\n[up](README.md#tutorial)\n", "utf-8")
    ran = build(docs, tmp_path / "good")
    assert ran.returncode == 0, ran.stderr
    one.write_text("# One\n\n[a](gone.md) [b](README.md#gone) [c](#gone-too)\n", "utf-8")
    (docs / "orphan.md").write_text("# Orphan\n", "utf-8")
    ran = build(docs, tmp_path / "bad")
    assert ran.returncode == 1
    doubts = [line for line in ran.stderr.splitlines() if "WARNING" in line]
    for word in ("'gone.md'", "'gone'", "'gone-too'", "orphan.md"):
        assert any(word in line for line in doubts), f"{word} is not in\n{ran.stderr}"
    assert len(doubts) == 4


def local(address: str) -> str:
    """The path of an address of this site; that of another host leads to no file of it."""
    parts = urlsplit(address)
    return f"{parts.scheme}:/{parts.netloc}{parts.path}" if parts.netloc else parts.path
