"""``ellmental eval``: its figures are scipy's and scikit-learn's, whatever format data have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ellmental_embeddings_jobs.scores import ndcg, recall, spearman

if TYPE_CHECKING:
    from tests.jobs.conftest import Run

# Computed once with scipy 1.17's spearmanr and scikit-learn 1.9's ndcg_score.
SPEARMAN = 0.8461538461538463
NDCG = {1: 0.0, 3: 0.3974895222916884, 5: 0.4474626251230429, 10: 0.6454158483827362}

DOCUMENTS = {"a": "red apple", "b": "green apple pie", "c": "blue sky", "d": "yellow sun"}
QUERIES = {"1": "apple pie", "2": "sky", "3": "sun apple"}
RELEVANT: dict[str, dict[str, int]] = {"1": {"b": 2, "a": 1}, "2": {"c": 1}, "3": {"b": 1}}


def write_collection(path: str, *, graded: bool = True) -> None:
    """The documents and queries as JSON Lines of both kinds."""
    rows: list[dict[str, Any]] = [
        {"kind": "document", "id": name, "text": text} for name, text in DOCUMENTS.items()
    ]
    for name, text in QUERIES.items():
        relevant = RELEVANT[name] if graded else list(RELEVANT[name])
        rows.append({"kind": "query", "id": name, "text": text, "relevant": relevant})
    Path(path).write_text("\n".join(map(json.dumps, rows)))


def write_beir(folder: str) -> None:
    """The same in BEIR's layout."""
    Path(folder, "qrels").mkdir(parents=True)
    Path(folder, "corpus.jsonl").write_text(
        "\n".join(
            json.dumps({"_id": name, "title": text.split()[0], "text": text.split(" ", 1)[1]})
            for name, text in DOCUMENTS.items()
        )
    )
    Path(folder, "queries.jsonl").write_text(
        "\n".join(json.dumps({"_id": name, "text": text}) for name, text in QUERIES.items())
    )
    lines = ["query-id\tcorpus-id\tscore", "1\td\t0"]
    for query, grades in RELEVANT.items():
        lines += [f"{query}\t{document}\t{grade}" for document, grade in grades.items()]
    Path(folder, "qrels", "test.tsv").write_text("\n".join(lines) + "\n")


def results_of(ellmental: Run, *arguments: object) -> list[dict[str, Any]]:
    """What ``eval --json`` says."""
    ran = ellmental("eval", *arguments, "--json")
    assert ran.code == 0, ran.err
    results: list[dict[str, Any]] = json.loads(ran.out)["results"]
    return results


# The formulas


def test_spearman_is_scipys() -> None:
    """Ties share the mean of their ranks; the order alone counts; no spread is no number."""
    one, other = [0.1, 0.4, 0.4, 0.9, -0.3, 0.4, 0.8], [1, 2, 3, 5, 0, 2, 2]
    assert spearman(np.array(one), np.array(other)) == pytest.approx(SPEARMAN, abs=1e-12)
    assert spearman(np.exp(one), np.array(other)) == pytest.approx(SPEARMAN, abs=1e-12)
    assert spearman(np.arange(9), -np.arange(9)) == pytest.approx(-1)
    assert np.isnan(spearman(np.ones(4), np.arange(4)))


@pytest.mark.parametrize(("k", "expected"), NDCG.items())
def test_ndcg_is_scikit_learns(k: int, expected: float) -> None:
    """Graded relevance, cut off at several depths."""
    grades = dict(zip("bdfh", [3.0, 1.0, 2.0, 1.0], strict=True))
    assert ndcg("abcdefgh", grades, k) == pytest.approx(expected, abs=1e-12)


def test_the_best_ranking_has_ndcg_1_and_recall_counts_what_is_there() -> None:
    """Also where fewer documents were found than are relevant, or fewer than k."""
    grades = {"a": 3.0, "b": 1.0, "c": 1.0}
    assert ndcg(["a", "c", "b"], grades, 10) == pytest.approx(1)
    assert ndcg([], grades, 10) == 0
    assert recall(["x", "a", "b"], grades, 2) == pytest.approx(1 / 3)
    assert recall(["x", "a", "b"], grades, 10) == pytest.approx(2 / 3)


# The command


def test_pairs_are_scored_in_every_format(ellmental: Run) -> None:
    """CSV, TSV and JSON Lines of the same pairs give the same figure, which is the right one."""
    pairs = [("a b c d", "a b c x", 4), ("a b", "c d", 0), ("e f", "e g", 3.0), ("h", "h", 5)]
    head = ("text_a", "text_b", "score")
    Path("p.csv").write_text("\n".join(",".join(map(str, row)) for row in [head, *pairs]))
    Path("p.tsv").write_text("\n".join("\t".join(map(str, row)) for row in [head, *pairs]))
    Path("p.jsonl").write_text("\n".join(json.dumps(dict(zip(head, row))) for row in pairs))  # noqa: B905
    for name in ("p.csv", "p.tsv", "p.jsonl"):
        [result] = results_of(ellmental, name)
        assert result["pairs"] == 4
        assert result["scores"]["Spearman"] == pytest.approx(1)


@pytest.mark.parametrize("kind", ["graded", "plain", "beir"])
def test_retrieval_is_scored_in_every_format(ellmental: Run, kind: str) -> None:
    """The documents that share words with a query are found; the figures follow by hand."""
    if kind == "beir":
        write_beir("data")
    else:
        write_collection("data.jsonl", graded=kind == "graded")
    [result] = results_of(ellmental, "data" if kind == "beir" else "data.jsonl", "-k", "2")
    # Query 3 finds "yellow sun" and "red apple" (one shared word of two), not the pie.
    assert result["scores"]["nDCG@2"] == pytest.approx(2 / 3)
    assert result["scores"]["recall@2"] == pytest.approx(2 / 3)
    assert result["scores"]["recall@1"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert (result["queries"], result["documents"], result["failed"]) == (3, 4, 0)


def test_two_generators_stand_side_by_side(ellmental: Run) -> None:
    """Each has its row, with its model; LOCAL is a real one."""
    write_collection("data.jsonl")
    ran = ellmental("eval", "data.jsonl", "-g", "SCRIPTED", "-g", "LOCAL", "-k", "3")
    assert ran.code == 0
    head, one, other = ran.out.splitlines()
    assert head.split()[:3] == ["nDCG@3", "recall@3", "recall@1"]
    assert one.startswith("SCRIPTED (words)")
    assert other.startswith("LOCAL (all-MiniLM-L6-v2)")
    scripted, local = results_of(ellmental, "data.jsonl", "-g", "SCRIPTED", "-g", "LOCAL")
    assert scripted["space"] != local["space"]
    assert local["scores"]["recall@10"] == 1


def test_texts_without_a_vector_are_told(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """They count against the generator, and the reason is said."""
    monkeypatch.setitem(DOCUMENTS, "c", "REFUSE sky")
    write_collection("data.jsonl")
    ran = ellmental("eval", "data.jsonl")
    assert ran.code == 0
    assert "SCRIPTED: 1 text without a vector" in ran.err
    assert "the service does not like it" in ran.err
    [result] = results_of(ellmental, "data.jsonl")
    assert result["failed"] == 1
    assert result["scores"]["recall@10"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("d.jsonl", '{"text": "x"}', "d.jsonl has the columns text. Known: a .jsonl, .csv or .tsv"),
        ("d.jsonl", "", "d.jsonl is empty"),
        ("d.jsonl", "{", "d.jsonl:1 is no JSON"),
        ("d.jsonl", "[1]", "d.jsonl:1: a JSON object is needed"),
        ("d.txt", "x", "d.txt is not read"),
        ("d.csv", "text_a,text_b,score\nx,y,much", "d.csv:2: 'much' is no number"),
        ("d.csv", "text_a,text_b,score\nx,y,nan", "d.csv:2: 'nan' is no number"),
        (
            "d.csv",
            "text_a,text_b,score\nx,,1",
            "d.csv: no pair has both texts: each has a blank cell",
        ),
        ("d.csv", "text_a,text_b,score\nx", "d.csv:2: text_b is missing"),
        ("d.jsonl", '{"kind": "query", "id": 1, "text": " "}', "d.jsonl:1: text is blank"),
        ("d.csv", 'text_a,text_b,score\n"x,y,1', "d.csv is no table"),
        ("d.jsonl", '{"kind": "poem", "id": 1, "text": "x"}', 'd.jsonl:1: "kind" must be'),
        ("d.jsonl", '{"kind": "query", "id": 1, "text": "x"}', "no query has a relevant document"),
        (
            "d.jsonl",
            '{"kind": "query", "id": 1, "text": "x", "relevant": [7]}',
            "query '1' names the document '7', which is not there",
        ),
        (
            "d.jsonl",
            '{"kind": "query", "id": 1, "text": "x"}\n{"kind": "query", "id": "1", "text": "y"}',
            "d.jsonl:2: the id '1' is there twice",
        ),
    ],
)
def test_bad_data_is_named_with_its_line(
    ellmental: Run, name: str, content: str, said: str
) -> None:
    """Nothing is embedded, nothing is guessed."""
    Path(name).write_text(content)
    ran = ellmental("eval", name)
    assert (ran.code, ran.out) == (4, "")
    assert said in ran.err


def test_a_blank_document_is_one_that_is_not_found(ellmental: Run) -> None:
    """A corpus with a document that was lost (Cranfield has two) is scored, and it is told."""
    Path("d.jsonl").write_text(
        '{"kind": "document", "id": 1, "text": "red"}\n{"kind": "document", "id": 2, "text": ""}\n'
        '{"kind": "query", "id": 1, "text": "red", "relevant": [1]}\n'
    )
    ran = ellmental("eval", "d.jsonl", "--json")
    assert ran.code == 0, ran.err
    (result,) = json.loads(ran.out)["results"]
    assert result["failed"] == 1
    assert result["scores"]["recall@1"] == 1


def test_a_pair_with_a_blank_cell_is_left_out(ellmental: Run) -> None:
    """The other pairs are scored, and it is told."""
    pairs = "a b,a c,1\na b,,5\n ,c,5\nx,y,0\na b,a b,3\n"
    Path("p.csv").write_text("text_a,text_b,score\n" + pairs)
    ran = ellmental("eval", "p.csv")
    assert ran.code == 0
    assert "2 texts without a vector (its pair is left out" in ran.err
    [result] = results_of(ellmental, "p.csv")
    assert (result["pairs"], result["failed"]) == (3, 2)
    assert result["scores"]["Spearman"] == pytest.approx(1)


def test_a_dataset_is_no_labelled_data(ellmental: Run) -> None:
    """It is recognised as what embed wrote, and what eval wants is said."""
    Path("a.txt").write_text("one\n")
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    ran = ellmental("eval", "out")
    assert ran.code == 4
    assert "out is a dataset, as `ellmental embed` writes it" in ran.err
    assert "text_a, text_b and score" in ran.err


def test_data_that_are_not_utf8_or_not_there(ellmental: Run) -> None:
    """Wrong encodings and missing files of a folder are said as such."""
    Path("d.csv").write_bytes(b"text_a,text_b,score\n\xff,y,1\n")
    assert "d.csv is not UTF-8" in ellmental("eval", "d.csv").err
    Path("beir").mkdir()
    assert "beir/corpus.jsonl cannot be read" in ellmental("eval", "beir").err
    ran = ellmental("eval", "none.csv")
    assert (ran.code, "none.csv does not exist. Known: " in ran.err) == (4, True)


def test_what_cannot_be_correlated(ellmental: Run) -> None:
    """Labels without an order are refused unsent; no vector at all gives no number."""
    Path("d.csv").write_text("text_a,text_b,score\na,b,3\nc,d,3.0\n")
    ran = ellmental("eval", "d.csv")
    assert (ran.code, "d.csv: every pair has the score 3." in ran.err) == (4, True)
    Path("d.csv").write_text("text_a,text_b,score\nREFUSE,b,3\nREFUSE,d,1\n")
    (result,) = json.loads(ellmental("eval", "d.csv", "--json").out)["results"]
    assert (result["scores"], result["pairs"]) == ({"Spearman": None}, 0)
