"""``ellmental search``: the nearest rows, of the same space alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

if TYPE_CHECKING:
    from tests.jobs.conftest import Run

TEXTS = ["red apple", "green apple pie", "blue sky", "yellow sun", "grey sea"]


@pytest.fixture
def dataset(ellmental: Run) -> str:
    """A small dataset, in the folder ``out``."""
    Path("a.txt").write_text("\n".join(TEXTS))
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    return "out"


def test_prints_scores_places_and_texts(ellmental: Run, dataset: str) -> None:
    """The nearest rows come first, each with rank, score, place and text, on stdout."""
    ran = ellmental("search", dataset, "red apple", "-k", "2")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "1  1.0000  a.txt:1",
        "    red apple",
        "2  0.4082  a.txt:2",
        "    green apple pie",
    ]
    assert "generator: SCRIPTED" in ran.err


def test_json_holds_whole_rows(ellmental: Run, dataset: str) -> None:
    """--json gives the rows' columns and the scores, for programs."""
    found = json.loads(ellmental("search", dataset, "blue sky", "-k", "1", "--json").out)
    (result,) = found["results"]
    assert result["score"] == pytest.approx(1)
    assert {key: value for key, value in result.items() if key != "score"} == {
        "rank": 1,
        "id": "a.txt:3",
        "text": "blue sky",
        "source": "a.txt",
        "line": 3,
        "piece": 0,
        "start": 0,
        "end": 8,
    }
    assert found["rows"] == 5
    assert found["incomplete"] is False


def test_k_over_the_rows_gives_all(ellmental: Run, dataset: str) -> None:
    """Asking for more rows than there are is no error."""
    found = json.loads(ellmental("search", dataset, "sun", "-k", "999999999999", "--json").out)
    assert [result["rank"] for result in found["results"]] == [1, 2, 3, 4, 5]
    assert sorted(result["text"] for result in found["results"]) == sorted(TEXTS)


def test_long_texts_are_shortened_for_people_alone(ellmental: Run) -> None:
    """A long text is a few lines on the screen, and whole in JSON; controls are not printed."""
    Path("a.jsonl").write_text(json.dumps("apple \x1b[31m" + "word " * 500) + "\n")
    ellmental("embed", "a.jsonl", "-o", "out")
    shown = ellmental("search", "out", "apple").out
    assert len(shown.splitlines()) == 4
    assert shown.endswith(" ...\n")
    assert "\x1b" not in shown
    found = json.loads(ellmental("search", "out", "apple", "--json").out)
    assert found["results"][0]["text"] == "apple \x1b[31m" + "word " * 500


def test_another_model_is_refused(
    ellmental: Run, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors of another model are not compared: the message names both, and what differs."""
    monkeypatch.setenv("SCRIPTED_MODEL", "other")
    ran = ellmental("search", dataset, "apple")
    assert ran.code == 1
    assert ran.out == ""
    assert "made by SCRIPTED, model words" in ran.err
    assert "asked with SCRIPTED, model other" in ran.err


@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        ("EMBEDDING_QUERY_INSTRUCTION=query: ", "Unset EMBEDDING_QUERY_INSTRUCTION"),
        ("EMBEDDING_OVERLONG=truncate", "Set EMBEDDING_OVERLONG=error"),
        ("SCRIPTED_WIDTH=8", "EMBEDDING_DIMENSIONS=256"),
        ("SCRIPTED_MODEL=other", "Set SCRIPTED_MODEL to what gives words; or embed"),
    ],
)
@pytest.mark.parametrize("width_known", ["true", "false"])
def test_another_space_is_refused_with_the_remedy(
    ellmental: Run,
    dataset: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    setting: str,
    remedy: str,
    width_known: str,
) -> None:
    """Whatever setting makes the spaces differ, the message says which and how to set it."""
    monkeypatch.setenv(*setting.split("=", 1))
    monkeypatch.setenv("SCRIPTED_WIDTH_KNOWN", width_known)
    ran = ellmental("search", dataset, "apple")
    assert ran.code == 1
    assert remedy in ran.err


def test_what_only_answers_tell_is_not_refused_before_one(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model and a width that are set do not mean that all of the space is known."""
    monkeypatch.setenv("SCRIPTED_LEARNS", "true")
    Path("a.txt").write_text("\n".join(TEXTS))
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    assert ellmental("search", "out", "red apple", "-k", "1").out.startswith("1  1.0000")
    monkeypatch.setenv("SCRIPTED_LEARNS", "false")
    assert "normalised: False in the dataset, None now" in ellmental("search", "out", "red").err


def test_space_is_compared_before_anything_is_sent_or_read(
    ellmental: Run, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal costs no request and reads no vector: here both would fail otherwise."""
    monkeypatch.setenv("SCRIPTED_MODEL", "other")
    monkeypatch.setenv("SCRIPTED_STOP_AFTER", "0")
    path = Path(dataset, "part-00000.parquet")
    group = parquet.ParquetFile(path).metadata.row_group(0)
    vector = group.column(group.num_columns - 1)
    content = bytearray(path.read_bytes())
    start, end = vector.data_page_offset, vector.data_page_offset + vector.total_compressed_size
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    ran = ellmental("search", dataset, "apple")
    assert "another space" in ran.err
    monkeypatch.delenv("SCRIPTED_MODEL")
    monkeypatch.delenv("SCRIPTED_STOP_AFTER")
    assert ellmental("search", dataset, "apple").code == 4


@pytest.mark.parametrize("question", ["", "  ", "\udcff"])
def test_question_that_is_no_text(ellmental: Run, dataset: str, question: str) -> None:
    """A blank question, or one of bytes that are no text, is wrong usage."""
    ran = ellmental("search", dataset, question)
    assert ran.code == 2
    assert "the question: " in ran.err


@pytest.mark.parametrize("k", ["0", "-1", "x"])
def test_k_has_to_be_a_number_from_1(ellmental: Run, dataset: str, k: str) -> None:
    """Nonsense for -k is wrong usage."""
    assert ellmental("search", dataset, "apple", "-k", k).code == 2


def _no_dataset(kind: str) -> None:
    Path("d").mkdir()
    match kind:
        case "text":
            Path("d/part-00000.parquet").write_text("no parquet")
        case "foreign":
            parquet.write_table(pa.table({"text": ["x"]}), "d/part-00000.parquet")
        case "newer":
            metadata = {"ellmental": json.dumps({"format": 99, "generator": "X", "space": {}})}
            table = pa.table({"text": ["x"]}).replace_schema_metadata(metadata)
            parquet.write_table(table, "d/part-00000.parquet")
        case "manifest":
            Path("d/_manifest.json").write_text("{")
        case _:
            assert kind == "empty"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("empty", "d is no dataset"),
        ("text", "d/part-00000.parquet cannot be read as Parquet"),
        ("foreign", "says nothing about its embedding space"),
        ("newer", "pip install -U ellmental-embeddings-jobs"),
        ("manifest", "d/_manifest.json cannot be read"),
    ],
)
def test_folder_that_is_no_dataset(ellmental: Run, kind: str, said: str) -> None:
    """Whatever stands where the dataset should be, it is said what is wrong with it."""
    _no_dataset(kind)
    ran = ellmental("search", "d", "apple")
    assert ran.code == 4
    assert said in ran.err


def test_dataset_that_is_not_there(ellmental: Run, dataset: str) -> None:
    """A missing folder names the command that makes it; a file is not a folder."""
    assert "gone does not exist. Make it: ellmental embed" in ellmental("search", "gone", "q").err
    ran = ellmental("search", f"{dataset}/part-00000.parquet", "q")
    assert ran.code == 4
    assert "name the folder" in ran.err


def test_dataset_without_rows(ellmental: Run) -> None:
    """A dataset whose every row failed has nothing to search."""
    Path("a.txt").write_text("REFUSE\n")
    ellmental("embed", "a.txt", "-o", "out")
    ran = ellmental("search", "out", "q")
    assert ran.code == 4
    assert "out has no rows to search" in ran.err


def test_lost_part_is_noticed(ellmental: Run, dataset: str) -> None:
    """A complete dataset that lacks a part is damaged, not smaller."""
    part = Path(dataset, "part-00000.parquet")
    part.rename(part.with_name("part-00001.parquet"))
    ran = ellmental("search", dataset, "q")
    assert ran.code == 4
    assert "out is damaged: part-00000.parquet should have 5 rows and is missing" in ran.err


def test_parts_of_two_datasets_are_refused(
    ellmental: Run, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of another space that were put beside the dataset's are noticed."""
    monkeypatch.setenv("SCRIPTED_MODEL", "other")
    ellmental("embed", "a.txt", "-o", "out2")
    Path("out2/part-00000.parquet").rename(f"{dataset}/part-00001.parquet")
    ran = ellmental("search", dataset, "q")
    assert ran.code == 4
    assert "parts of two datasets are mixed" in ran.err


@pytest.mark.parametrize("how", ["stopped", "killed", "no manifest"])
def test_incomplete_dataset_is_searched_with_a_warning(
    ellmental: Run, dataset: str, how: str
) -> None:
    """What is there can be found, and both faces say that it is not all."""
    path = Path(dataset, "_manifest.json")
    stored = json.loads(path.read_text())
    reason = "interrupted" if how == "stopped" else None
    path.write_text(json.dumps({**stored, "complete": False, "reason": reason}))
    if how == "no manifest":
        path.unlink()
    ran = ellmental("search", dataset, "apple", "--json")
    assert ran.code == 0
    assert "warning: out is incomplete" in ran.err
    assert json.loads(ran.out)["incomplete"] is True


def test_dataset_that_is_replaced_while_it_is_searched(
    ellmental: Run, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores of the old rows are never shown beside texts of the new ones."""
    from ellmental_embeddings_jobs import nearest, searching

    search = nearest.nearest

    def replaced_then(*arguments: Any) -> Any:
        Path("a.txt").write_text("\n".join(reversed(TEXTS)))
        ellmental("embed", "a.txt", "-o", "out")
        return search(*arguments)

    monkeypatch.setattr(searching, "nearest", replaced_then)
    ran = ellmental("search", dataset, "red apple")
    assert (ran.code, ran.out) == (4, "")
    assert "out was changed while it was read. Run this again." in ran.err


def test_control_characters_of_ids_are_not_the_terminals(ellmental: Run) -> None:
    """An id that would clear the screen is shown, and clears nothing."""
    Path("a.jsonl").write_text(json.dumps({"text": "one", "id": "\x1b[2J"}))
    ellmental("embed", "a.jsonl", "--id", "id", "-o", "out")
    assert ellmental("search", "out", "one").out == "1  1.0000  a.jsonl:1  id \ufffd[2J\n    one\n"


def test_finds_rows_across_parts_and_row_groups(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row is found and shown with its own text wherever it is stored."""
    from ellmental_embeddings_jobs.dataset import reader, writer

    monkeypatch.setattr(writer, "ROWS_PER_GROUP", 100)
    monkeypatch.setattr(writer, "ROWS_PER_PART", 800)
    monkeypatch.setattr(reader, "_BATCH_BYTES", 256 * 4 * 33)
    Path("a.txt").write_text(
        "".join(f"filler{number % 7}\n" for number in range(3000)) + "needle\n"
    )
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    assert len(list(Path("out").glob("part-*.parquet"))) == 4
    found = json.loads(ellmental("search", "out", "needle", "-k", "1", "--json").out)["results"]
    assert [(result["text"], result["line"]) for result in found] == [("needle", 3001)]
    numbers = [2999, 0, 3000, 799, 800, 150, 0]
    lines = [row["line"] for row in reader.open_dataset(Path("out")).rows_at(numbers)]
    assert lines == [number + 1 for number in numbers]
