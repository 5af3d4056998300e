"""``ellmental map``: one file, no network, every row a point; looked at in a real browser."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ellmental_embeddings_jobs.layout import laid_out
from ellmental_embeddings_jobs.nearest import unit
from ellmental_embeddings_jobs.picture import Points, drawn

if TYPE_CHECKING:
    from tests.jobs.conftest import Run

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = "needle </script><script>document.title='broken'</script> <b>&amp;"


@pytest.fixture
def out(ellmental: Run) -> Path:
    """A small dataset with one text that would break a careless page."""
    lines = [f"word{number % 3} filler {number}" for number in range(29)]
    Path("a.txt").write_text("\n".join([*lines, HOSTILE]) + "\n")
    Path("b.txt").write_text("other words\n")
    assert ellmental("embed", "a.txt", "b.txt", "-o", "out").code == 0
    return Path("out")


def seen(page: str, *, search: str = "") -> str:
    """The page as a real browser without any network has it after its scripts have run."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    command = [
        *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--user-data-dir=" + str(Path("profile").resolve()), "--virtual-time-budget=8000"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom"),
        Path(page).resolve().as_uri() + (f"#{search}" if search else ""),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


# In a browser


def test_a_browser_shows_every_row_and_finds_texts(ellmental: Run, out: Path) -> None:
    """31 points stand in the page, coloured and named by source; the search box counts."""
    ran = ellmental("map", out, "--color", "source", "--no-open")
    assert (ran.code, ran.out) == (0, "")
    assert "31 rows: out.html" in ran.err
    page = seen("out.html")
    body = page[page.index("</head>") :]
    assert len(re.findall(r'<path class="point ', body)) == 31
    assert re.search(r"<output[^>]*>31 rows</output>", body)
    assert "out: 31 rows, words" in body
    assert {"a.txt", "b.txt"} <= set(re.findall(r">([ab]\.txt)</text>", body))
    page = seen("out.html", search="word1")
    assert re.search(r"<output[^>]*>10 of 31 rows</output>", page)


def test_a_text_that_looks_like_markup_stays_a_text(ellmental: Run, out: Path) -> None:
    """It is found by the search box, and has run nothing."""
    ellmental("map", out, "--no-open")
    page = seen("out.html", search="%3C%2Fscript%3E%3Cscript%3E")
    assert re.search(r"<output[^>]*>1 of 31 rows</output>", page)
    title = re.search(r"<title>(.*?)</title>", page)
    assert title is not None
    assert html.unescape(title[1]) == "out: 31 rows, words"


# Without one


def test_the_file_holds_all_that_it_needs(ellmental: Run, out: Path) -> None:
    """No script, style or picture is fetched from anywhere; hostile texts cannot end the script."""
    ellmental("map", out, "-o", "map.html", "--no-open")
    page = Path("map.html").read_text("utf-8")
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=", page) == []
    assert len(page) > 1_000_000
    assert "document.title='broken'</script>" not in page
    assert page.count("</script>") == page.count("<script")
    assert "word1 filler 1" in page


def test_it_opens_a_browser_unless_told_not_to(
    ellmental: Run, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file's address is what is opened; where nothing can open it, that is said."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)  # returns None: failed
    ran = ellmental("map", out)
    assert opened == [Path("out.html").resolve().as_uri()]
    assert "no browser was found here" in ran.err
    ellmental("map", out, "--no-open")
    assert len(opened) == 1


def test_only_rows_that_are_wanted_and_no_more_than_the_limit(ellmental: Run, out: Path) -> None:
    """A condition, a limit, both: the same rows each time."""
    ran = ellmental("map", out, "--no-open", "--where", "line <= 5 AND source = 'a.txt'")
    assert "5 rows of 31: out.html" in ran.err
    ran = ellmental("map", out, "--no-open", "--limit", "7")
    assert "7 rows of 31: out.html" in ran.err
    first = Path("out.html").read_text("utf-8")
    ellmental("map", out, "--no-open", "--limit", "7")
    texts = re.findall(r"filler \d+", first)
    assert texts
    assert re.findall(r"filler \d+", Path("out.html").read_text("utf-8")) == texts


def test_what_cannot_be_drawn_is_said(
    ellmental: Run, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns and rows that are not there, a file of somebody else, packages that are missing."""
    ran = ellmental("map", out, "--no-open", "--color", "lang")
    assert ran.code == 2
    assert "there is no column 'lang'. Columns: id, text," in ran.err
    assert ellmental("map", out, "--no-open", "--where", "line = 0").code == 2
    Path("mine.html").write_text("<p>mine</p>")
    ran = ellmental("map", out, "-o", "mine.html", "--no-open")
    assert ran.code == 4
    assert "mine.html is there, and `ellmental map` did not write it" in ran.err
    assert Path("mine.html").read_text() == "<p>mine</p>"
    assert ellmental("map", "gone").code == 4
    manifest = out / "_manifest.json"
    whole = manifest.read_text()
    manifest.write_text(whole.replace('"complete": true', '"complete": false'))
    ran = ellmental("map", out, "--no-open")
    assert (ran.code, "out is incomplete" in ran.err) == (0, True)
    assert "only its 31 rows can be drawn" in ran.err
    manifest.write_text(whole)
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    ran = ellmental("map", out, "--no-open", "--layout", "umap")
    assert (ran.code, "pip install umap-learn" in ran.err) == (3, True)
    monkeypatch.setitem(__import__("sys").modules, "plotly", None)
    ran = ellmental("map", out, "--no-open")
    assert ran.code == 3
    assert "Usage" not in ran.err
    assert "pip install 'ellmental-embeddings-jobs[map]'" in ran.err


# The layout, and the colours


UMAP = """
import numpy as np
from ellmental_embeddings_jobs.layout import laid_out
vectors = np.repeat(np.eye(2, 16, dtype=np.float32), 30, axis=0)
vectors += np.random.default_rng(3).normal(0, 0.05, vectors.shape).astype(np.float32)
places = laid_out(vectors, "umap")
assert places.shape == (60, 2) and places.dtype == np.float32, places
middles = places[:30].mean(axis=0), places[30:].mean(axis=0)
spread = max(places[:30].std(axis=0).max(), places[30:].std(axis=0).max())
assert np.linalg.norm(middles[0] - middles[1]) > 2 * spread, (middles, spread)
"""


def test_the_other_layout_keeps_heaps_apart() -> None:
    """The real umap-learn, where it is installed: `python3 tests/run.py --packaging` does so."""
    if find_spec("umap") is None:
        pytest.skip("umap-learn is not installed")
    ran = subprocess.run([sys.executable, "-c", UMAP], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_browser_shows_the_other_layout(ellmental_process: Run, out: Path) -> None:
    """With umap-learn as well every row is a point of the page, and can be searched for."""
    if find_spec("umap") is None:
        pytest.skip("umap-learn is not installed")
    ran = ellmental_process("map", out, "--layout", "umap", "--no-open")
    assert ran.code == 0, ran.err
    page = seen("out.html", search="word1")
    assert len(re.findall(r'<path class="point ', page[page.index("</head>") :])) == 31
    assert re.search(r"<output[^>]*>10 of 31 rows</output>", page)


def test_the_layout_shows_the_spread_and_does_not_change() -> None:
    """Two heaps lie apart along the first axis; the same vectors give the same places."""
    random = np.random.default_rng(3)
    heaps = np.repeat(np.eye(2, 16, dtype=np.float32), 50, axis=0)
    vectors = unit(heaps + random.normal(0, 0.05, heaps.shape).astype(np.float32))
    places = laid_out(vectors, "pca")
    assert places.shape == (100, 2)
    assert (np.sign(places[:50, 0]) == np.sign(places[0, 0])).all()
    assert (np.sign(places[50:, 0]) == -np.sign(places[0, 0])).all()
    assert np.array_equal(laid_out(vectors, "pca"), places)
    assert np.var(places[:, 0]) > np.var(places[:, 1])


@pytest.mark.parametrize("shape", [(1, 8), (2, 8), (5, 1), (3, 2)])
def test_few_rows_and_few_dimensions_are_laid_out(shape: tuple[int, int]) -> None:
    """No number of rows or dimensions is too small."""
    vectors = unit(np.random.default_rng(1).normal(size=shape).astype(np.float32))
    places = laid_out(vectors, "pca")
    assert places.shape == (shape[0], 2)
    assert np.isfinite(places).all()


def test_colours_are_a_scale_for_numbers_and_names_for_the_rest() -> None:
    """More names than colours end in one group of others."""
    count = 60
    places = np.zeros((count, 2), dtype=np.float32)
    texts = ["text"] * count
    numbers = drawn(Points(places, texts, texts, "year", list(range(count))), "t")
    assert "colorbar" in numbers[numbers.rindex("Plotly.newPlot") :]
    many = drawn(Points(places, texts, texts, "lang", [f"l{n}" for n in range(count)]), "t")
    assert "(others)" in many[many.rindex("Plotly.newPlot") :]
    none = drawn(Points(places, texts, texts, None, []), "t")
    assert "colorbar" not in none[none.rindex("Plotly.newPlot") :].split("template")[0]
