"""Labelled data: pairs with a score, or queries with the documents that answer them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .dataset import Manifest
from .dataset.manifest import is_ours
from .errors import FilesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Pairs", "Retrieval", "read_labelled"]

Row = tuple[int, dict[str, Any]]
"""Where a row stands in its file, and its columns."""

_PAIR = ("text_a", "text_b", "score")
_FORMATS = (
    "Known: a .jsonl, .csv or .tsv file with the columns text_a, text_b and score; a .jsonl file "
    'of {"kind": "document" or "query", "id", "text", "relevant"}; a folder in BEIR\'s layout '
    "(corpus.jsonl, queries.jsonl, qrels/test.tsv)."
)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of texts, each with how alike they are; only the order of the scores counts."""

    one: list[str]
    other: list[str]
    scores: list[float]


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Documents, queries, and which documents answer each query.

    Attributes:
        documents: id -> text.
        queries: id -> text.
        grades: query's id -> document's id -> grade, above 0. Queries without a relevant
            document are in ``queries`` alone.
    """

    documents: dict[str, str] = field(default_factory=dict)
    queries: dict[str, str] = field(default_factory=dict)
    grades: dict[str, dict[str, float]] = field(default_factory=dict)


def read_labelled(path: Path) -> Pairs | Retrieval:
    """Read labelled data, whichever of the known kinds it is.

    Raises:
        FilesError: it cannot be read, or is of no known kind; names the file and the line.
    """
    if not path.exists():
        raise FilesError(f"{path.as_posix()} does not exist. {_FORMATS}")
    if path.is_dir() and is_ours(path) and Manifest.read(path) is not None:
        raise FilesError(
            f"{path.as_posix()} is a dataset, as `ellmental embed` writes it: vectors without "
            f"labels. `ellmental eval` embeds labelled texts itself. {_FORMATS}"
        )
    if path.is_dir():
        return _checked(_beir(path), path)
    rows = list(_rows(path))
    if not rows:
        raise FilesError(f"{path.as_posix()} is empty.")
    _, first = rows[0]
    if all(name in first for name in _PAIR):
        return _pairs(rows, path)
    if "kind" in first:
        return _checked(_collection(rows, path), path)
    raise FilesError(f"{path.as_posix()} has the columns {', '.join(first)}. {_FORMATS}")


def _pairs(rows: list[Row], path: Path) -> Pairs:
    pairs = Pairs([], [], [])
    for line, row in rows:
        # Real pair files have blank cells: such a pair is left out, as any without a vector.
        pairs.one.append(_text(row, "text_a", path, line, may_be_blank=True))
        pairs.other.append(_text(row, "text_b", path, line, may_be_blank=True))
        pairs.scores.append(_number(row.get("score"), path, line))
    if not any(map(_both, pairs.one, pairs.other)):
        raise FilesError(f"{path.as_posix()}: no pair has both texts: each has a blank cell.")
    if len(set(pairs.scores)) == 1:
        raise FilesError(
            f"{path.as_posix()}: every pair has the score {pairs.scores[0]:g}. Spearman's "
            "correlation compares two orders, and these have none."
        )
    return pairs


def _both(one: str, other: str) -> bool:
    return bool(one and other)


def _collection(rows: list[Row], path: Path) -> Retrieval:
    found = Retrieval()
    for line, row in rows:
        kind, name = row.get("kind"), str(row.get("id"))
        texts = {"document": found.documents, "query": found.queries}.get(str(kind))
        if texts is None or "id" not in row:
            raise FilesError(f'{_at(path, line)}: "kind" must be document or query, with an "id".')
        # Real corpora hold blank documents: those are not found, as any without a vector.
        text = _text(row, "text", path, line, may_be_blank=kind == "document")
        _add(texts, name, text, path, line)
        if kind == "query":
            relevant = row.get("relevant") or {}
            graded = relevant if isinstance(relevant, dict) else dict.fromkeys(relevant, 1)
            grades = {str(one): _number(grade, path, line) for one, grade in graded.items()}
            found.grades[name] = {one: grade for one, grade in grades.items() if grade > 0}
    return found


def _beir(folder: Path) -> Retrieval:
    found = Retrieval()
    for name, texts in (("corpus.jsonl", found.documents), ("queries.jsonl", found.queries)):
        path = folder / name
        for line, row in _rows(path):
            title = str(row.get("title") or "")
            text = f"{title} {row.get('text') or ''}".strip()
            _add(texts, str(row.get("_id")), text, path, line)
    path = folder / "qrels" / "test.tsv"
    for line, row in _rows(path):
        grade = _number(row.get("score"), path, line)
        if grade > 0:
            of_query = found.grades.setdefault(str(row.get("query-id")), {})
            of_query[str(row.get("corpus-id"))] = grade
    return found


def _checked(found: Retrieval, path: Path) -> Retrieval:
    """Every id that is spoken of is there, and something can be measured."""
    for query, grades in found.grades.items():
        if query not in found.queries:
            raise FilesError(f"{path.as_posix()}: there is no query {query!r}, but labels for it.")
        missing = [one for one in grades if one not in found.documents]
        if missing:
            raise FilesError(
                f"{path.as_posix()}: query {query!r} names the document {missing[0]!r}, "
                "which is not there."
            )
    if not any(found.grades.values()):
        raise FilesError(f"{path.as_posix()}: no query has a relevant document.")
    return found


def _rows(path: Path) -> Iterator[Row]:
    """The rows of a file with columns, blank lines left out.

    Raises:
        FilesError: it cannot be read; names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            if path.suffix.lower() == ".jsonl":
                for number, line in enumerate(stream, 1):
                    if line.strip():
                        yield number, _object(line, path, number)
            elif path.suffix.lower() in (".csv", ".tsv"):
                mark = "\t" if path.suffix.lower() == ".tsv" else ","
                reader = csv.DictReader(stream, delimiter=mark, strict=True)
                for row in reader:
                    yield reader.line_num, row
            else:
                raise FilesError(f"{path.as_posix()} is not read. {_FORMATS}")
    except UnicodeDecodeError as error:
        raise FilesError(f"{path.as_posix()} is not UTF-8: {error.reason}.") from None
    except csv.Error as error:
        raise FilesError(f"{path.as_posix()} is no table: {error}.") from None
    except OSError as error:
        raise FilesError(f"{path.as_posix()} cannot be read: {error.strerror}.") from None


def _object(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise FilesError(f"{_at(path, number)} is no JSON: {error}.") from None
    if not isinstance(value, dict):
        raise FilesError(f"{_at(path, number)}: a JSON object is needed.")
    return value


def _text(
    row: dict[str, Any], name: str, path: Path, line: int, *, may_be_blank: bool = False
) -> str:
    """A text; "" for a blank one, where that may be."""
    value = row.get(name)
    if not isinstance(value, str):
        problem = "is missing" if value is None else f"is no text but {value!r:.40}"
        raise FilesError(f"{_at(path, line)}: {name} {problem}.")
    if value.strip():
        return value
    if not may_be_blank:
        raise FilesError(f"{_at(path, line)}: {name} is blank.")
    return ""


def _number(value: object, path: Path, line: int) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # what is none raises
    except (TypeError, ValueError):
        number = float("nan")
    if number != number or abs(number) == float("inf"):  # noqa: PLR0124 - NaN is not itself
        raise FilesError(f"{_at(path, line)}: {value!r} is no number.")
    return number


def _add(texts: dict[str, str], name: str, text: str, path: Path, line: int) -> None:
    if name in texts:
        raise FilesError(f"{_at(path, line)}: the id {name!r} is there twice.")
    texts[name] = text


def _at(path: Path, line: int) -> str:
    return f"{path.as_posix()}:{line}"
