"""``ellmental search``, behind its options: the space is compared before any vector is read."""

from __future__ import annotations

import json
import shutil
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ellmental_embeddings import SpaceMismatch, installed_generators, load_generator

from .agreement import SAID_BY_SERVICE
from .dataset.fingerprint import fingerprint
from .journaled import open_to_look_at, warn_incomplete
from .nearest import nearest
from .search_file import UnitVectors
from .sources.base import reason_against
from .values import for_json
from .wanted import rows_where

if TYPE_CHECKING:
    from pathlib import Path

    from ellmental_embeddings import EmbeddingGenerator, Space

    from .dataset import Dataset

__all__ = ["run_search"]

_LINES = 3

# A field of the space -> the variable that decides it, the same for every generator.
_VARIABLES = {
    "dimensions": "EMBEDDING_DIMENSIONS",
    "document_instruction": "EMBEDDING_DOCUMENT_INSTRUCTION",
    "query_instruction": "EMBEDDING_QUERY_INSTRUCTION",
    "overlong": "EMBEDDING_OVERLONG",
}


def run_search(
    out: Path, question: str, *, k: int, where: str | None, generator: str | None, as_json: bool
) -> None:
    """Print the rows of a dataset that are nearest to a question.

    Raises:
        FilesError: OUT is missing, damaged, no dataset, or was replaced meanwhile.
        SpaceMismatch: its vectors are of another space than the generator's.
        EmbeddingError: there is no generator, or its service cannot be used.
    """
    reason = reason_against(question)
    if reason is not None:
        raise click.UsageError(f"the question: {reason}")
    dataset = open_to_look_at(out)
    before = fingerprint(dataset)
    wanted = None if where is None else rows_where(dataset, where)
    with load_generator(generator) as loaded:
        click.echo(f"generator: {loaded.summary}", err=True)
        # Before the question is paid for, by what is known before the first answer.
        _require_same(dataset, loaded, _supposed(loaded.space, dataset.space))
        asked = loaded.embed([question], role="query")
        _require_same(dataset, loaded, asked.space)
    warn_incomplete(dataset, "can be found")
    vectors = UnitVectors(dataset)
    try:
        hits = nearest(vectors.blocks(), asked.vectors[0], k, wanted)
        rows = dataset.rows_at([hit.row for hit in hits])
        dataset.require_unchanged(before)
        results = [
            {"rank": rank, "score": hit.score, **row}
            for rank, (hit, row) in enumerate(zip(hits, rows, strict=True), 1)
        ]
        matching = dataset.rows if wanted is None else int(wanted.sum())
        _print(question, dataset, asked.space, results, matching, as_json=as_json)
        vectors.publish()
    finally:
        vectors.discard()
    if vectors.problem is not None:
        click.echo(
            f"note: {out.as_posix()} takes no search file ({vectors.problem}): the next search "
            "reads all parts again",
            err=True,
        )


def _print(
    question: str,
    dataset: Dataset,
    space: Space,
    results: list[dict[str, Any]],
    matching: int,
    *,
    as_json: bool,
) -> None:
    if as_json:
        found = {
            "question": question,
            "space": space.id,
            "rows": dataset.rows,
            "matching": matching,
            "incomplete": dataset.incomplete is not None,
            "results": results,
        }
        click.echo(json.dumps(for_json(found), allow_nan=False))
        return
    if not results:
        click.echo(f"no row fulfils --where, of {dataset.rows:,}", err=True)
    for result in results:
        click.echo(_for_people(result))


def _supposed(known: Space, stored: Space) -> Space:
    """The space where what only answers tell is as in the dataset."""
    told = {name: getattr(stored, name) for name in SAID_BY_SERVICE if getattr(known, name) is None}
    return replace(known, **told)


def _require_same(dataset: Dataset, generator: EmbeddingGenerator, space: Space) -> None:
    try:
        dataset.space.require_same(space)
    except SpaceMismatch:
        raise SpaceMismatch(_about_mismatch(dataset, generator.name, space)) from None


def _about_mismatch(dataset: Dataset, name: str, space: Space) -> str:
    theirs = dataset.space
    chosen, _, variant = dataset.generator.partition(" (")
    lines = [
        f"{dataset.folder.as_posix()} holds vectors of another space than this question's:",
        f"  made by {dataset.generator}, model {theirs.model or 'not named'}",
        f"  asked with {name}, model {space.model or 'not named'}",
    ]
    wanted = []
    if chosen != name.partition(" (")[0]:
        wanted.append(f"set EMBEDDING_GENERATOR={chosen}")
    if variant and dataset.generator != name:
        wanted.append(f"set {variant.rstrip(')')}")
    for field, stored in theirs.to_dict().items():
        now = getattr(space, field)
        if stored == now or field == "id":
            continue
        lines.append(f"  {field}: {stored!r} in the dataset, {now!r} now")
        another = dataset.generator != name or theirs.model != space.model
        if field in _VARIABLES and not (field == "dimensions" and another):
            name_of = _VARIABLES[field]
            wanted.append(f"unset {name_of}" if stored is None else f"set {name_of}={stored}")
    if theirs.model is not None and theirs.model != space.model:
        wanted += _about_model(dataset.generator, theirs.model, same=dataset.generator == name)
    remedy = f"{', '.join(wanted)}; or embed" if wanted else "embed"
    remedy = remedy[0].upper() + remedy[1:]
    return "\n".join([*lines, f"{remedy} the sources again with the generator you have now."])


def _about_model(label: str, model: str, *, same: bool) -> list[str]:
    """How to choose a model: by the variable that names it, where its generator has one."""
    variable = f"{label.partition(' (')[0]}_MODEL"
    variables = next((one.variables for one in installed_generators() if one.label == label), ())
    known = next((one for one in variables if one.name == variable), None)
    if known is not None and known.required:
        return [f"set {variable}={model}"]
    if not same:  # its default may be just that
        return []
    return [f"set {variable} to what gives {model}" if known else f"set the model to {model}"]


def _for_people(result: dict[str, Any]) -> str:
    width = max(min(shutil.get_terminal_size().columns, 100), 40)
    shown = _printable(" ".join(str(result["text"]).split())[: width * (_LINES + 1)])
    lines = textwrap.wrap(
        shown, width - 4, max_lines=_LINES, placeholder=" ...", break_on_hyphens=False
    )
    place = f"{result['source']}:{result['line']}"
    if result["piece"]:
        place += f" (piece {result['piece']})"
    derived = result["id"] in (result["source"], f"{result['source']}:{result['line']}")
    own = "" if derived else f"  id {result['id']}"
    head = f"{result['rank']}  {result['score']:.4f}  {place}{own}"
    return "\n".join([_printable(head), *(f"    {line}" for line in lines)])


def _printable(text: str) -> str:
    """Control characters of texts and ids are none of the terminal's business."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
