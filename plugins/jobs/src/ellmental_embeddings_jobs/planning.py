"""``ellmental plan``, behind its options: reads what ``embed`` would read, and sends nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ellmental_embeddings import Estimate, load_generator

from .asked import Asked, open_input, splitter_for
from .distinct import Distinct
from .document import Blank, Document
from .errors import FilesError
from .naming import counted
from .pieces import pieces_of
from .prices import Price, price_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ellmental_embeddings import EmbeddingGenerator

    from .sources import Source
    from .splitting import Splitter

__all__ = ["Planned", "run_plan"]

_SHOWN = 5
_TYPICAL = 4
"""Bytes a token in English text: only said as a guess beside the bound, never counted with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What the user asked for.

    Attributes:
        asked: what is read, and how.
        generator: its name, or None for what the settings say.
        price: dollars for a million tokens, or None for what the table says.
        as_json: print it as JSON on stdout.
    """

    asked: Asked
    generator: str | None
    price: float | None
    as_json: bool


class _Reading:
    """The texts that ``embed`` would embed, counted on their way."""

    def __init__(self, sources: Sequence[Source], splitter: Splitter, distinct: Distinct) -> None:
        self._sources = sources
        self._splitter = splitter
        self._distinct = distinct
        self.documents = self.split = self.blank = self.failed = 0

    def texts(self) -> Iterator[str]:
        for source in self._sources:
            try:
                yield from self._texts_of(source)
            except OSError as error:
                problem = error.strerror or error
                raise FilesError(f"{source.name} cannot be read any more: {problem}") from None

    def _texts_of(self, source: Source) -> Iterator[str]:
        for item in source.read():
            if isinstance(item, Blank):
                self.blank += 1
            elif not isinstance(item, Document):
                self.failed += 1
                if self.failed <= _SHOWN:
                    click.echo(f"cannot be embedded: {item.place}: {item.reason}", err=True)
            else:
                self.documents += 1
                for piece in pieces_of(item, self._splitter):
                    self.split += piece.number == 1
                    self._distinct.add(piece.text)
                    yield piece.text


def run_plan(asked: Planned) -> None:
    """Print what embedding the sources would take.

    Raises:
        FilesError: the input cannot be used.
        EmbeddingError: there is no generator, or it cannot plan.
    """
    sources = open_input(asked.asked)
    with load_generator(asked.generator) as generator, Distinct() as distinct:
        click.echo(f"generator: {generator.summary}", err=True)
        for note in sources.notes:
            click.echo(f"note: {note}", err=True)
        splitter = splitter_for(generator, asked.asked)
        reading = _Reading(sources, splitter, distinct)
        estimate = generator.estimate(reading.texts())
        price = price_of(generator.name, generator.space.model, asked.price)
        plan = _plan(generator, reading, estimate, distinct.count(), price)
    if asked.as_json:
        click.echo(json.dumps(plan))
        return
    for line in _lines(plan, price):
        click.echo(line)


def _plan(
    generator: EmbeddingGenerator,
    reading: _Reading,
    estimate: Estimate,
    distinct: int,
    price: Price | None,
) -> dict[str, Any]:
    settings = generator.settings
    return {
        "generator": generator.name,
        "space": generator.space.to_dict(),
        "documents": reading.documents,
        "split": reading.split,
        "blank": reading.blank,
        "unusable": reading.failed,
        "texts": estimate.texts,
        "distinct": distinct,
        "sent": estimate.unique - (estimate.cached or 0),
        "cached": estimate.cached if settings.embedding_cache else None,
        "overlong": estimate.overlong,
        "refused": estimate.failed,
        "requests": estimate.requests,
        "tokens": estimate.tokens,
        "tokens_exact": estimate.exact,
        "dollars": None if price is None else price.of(estimate.tokens),
        "dollars_per_million": None if price is None else price.per_million,
        "price_source": None if price is None else price.source,
        "seconds": _seconds(estimate, settings.embedding_rpm, settings.embedding_tpm),
        "rpm": settings.embedding_rpm,
        "tpm": settings.embedding_tpm,
    }


def _seconds(estimate: Estimate, rpm: int | None, tpm: int | None) -> float | None:
    """The least seconds that the limits allow, or None where none is set."""
    minutes = []
    if rpm is not None:
        minutes.append(estimate.requests / rpm)
    if tpm is not None:
        minutes.append(estimate.tokens / tpm)
    return max(minutes) * 60 if minutes else None


def _lines(plan: dict[str, Any], price: Price | None) -> list[str]:
    blank = f", {counted(plan['blank'], 'blank line')} passed over" if plan["blank"] else ""
    unusable = f", {plan['unusable']:,} cannot be embedded" if plan["unusable"] else ""
    split = f", {plan['split']:,} of them split" if plan["split"] else ""
    rows = [
        ("documents", f"{plan['documents']:,}{split}{blank}{unusable}"),
        ("texts", f"{plan['texts']:,}, {plan['distinct']:,} of them different"),
        ("to be sent", _sent(plan)),
        ("over-long", _overlong(plan)),
        ("requests", f"{plan['requests']:,}"),
        ("tokens", _tokens(plan)),
        ("price", _price(plan, price)),
        ("time", _time(plan)),
    ]
    return [f"{name:11} {value}" for name, value in rows]


def _sent(plan: dict[str, Any]) -> str:
    if plan["cached"] is not None:
        return f"{plan['sent']:,}, {plan['cached']:,} are in the cache"
    again = plan["sent"] + plan["refused"] - plan["distinct"]
    if again <= 0:
        return f"{plan['sent']:,}"
    return (
        f"{plan['sent']:,}, {again:,} of them again: identical texts far apart are sent once "
        "only with EMBEDDING_CACHE"
    )


def _overlong(plan: dict[str, Any]) -> str:
    policy = plan["space"]["overlong"]
    said = {"error": "they fail", "truncate": "they are cut", "average": "means of their pieces"}
    over = f"{plan['overlong']:,}"
    return f"{over} (EMBEDDING_OVERLONG={policy}: {said[policy]})" if plan["overlong"] else over


def _tokens(plan: dict[str, Any]) -> str:
    if plan["tokens_exact"]:
        return f"{plan['tokens']:,} (counted)"
    guess = plan["tokens"] // _TYPICAL
    return f"at most {plan['tokens']:,} (a bound; English has about {guess:,})"


def _price(plan: dict[str, Any], price: Price | None) -> str:
    if price is None:
        return "not known for this model: say it with --price DOLLARS_PER_MILLION_TOKENS"
    if not price.per_million:
        return f"nothing ({price.source})"
    dollars = plan["dollars"]
    spelled = f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.4f}"
    most = "" if plan["tokens_exact"] else "at most "
    return f"{most}{spelled} at ${price.per_million:g} a million tokens ({price.source})"


def _time(plan: dict[str, Any]) -> str:
    if plan["seconds"] is None:
        return (
            "not known: neither EMBEDDING_RPM nor EMBEDDING_TPM is set, and a service tells its "
            "limits only in answers"
        )
    limits = [
        f"{name}={plan[field]:,}"
        for name, field in (("EMBEDDING_RPM", "rpm"), ("EMBEDDING_TPM", "tpm"))
        if plan[field] is not None
    ]
    return f"at least {_spoken(plan['seconds'])} ({', '.join(limits)})"


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
