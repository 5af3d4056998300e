"""``ellmental plan``, behind its options: reads what ``embed`` would read, and sends nothing."""

from __future__ import annotations

import json
import math
from collections import Counter
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import click

from ellmental_embeddings import Estimate, load_generator

from .asked import open_input, splitter_for
from .distinct import Distinct
from .document import Blank, Document
from .errors import FilesError
from .held import Held
from .kinds import kind_of, require_text, told_kinds
from .pieces import pieces_of
from .plan_lines import plan_lines
from .prices import Price, price_of
from .target import check_output, foresee_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ellmental_embeddings import EmbeddingGenerator

    from .order import Order
    from .sources import Opened, Source
    from .splitting import Splitter

__all__ = ["run_plan"]

_SHOWN = 5
_MINUTE = 60.0


class _Reading:
    """The texts that ``embed`` would embed, counted on their way.

    Args:
        sources: what is read.
        splitter: cuts what is too long.
        held: what the output has already, or None where no output was named.
        distinct: of all texts.
        to_send: of the texts that the output has not.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        splitter: Splitter,
        held: Held | None,
        distinct: Distinct,
        to_send: Distinct,
    ) -> None:
        self._sources = sources
        self._splitter = splitter
        self.held = held
        self.distinct = distinct
        self.to_send = to_send
        self.documents = self.split = self.blank = self.failed = self.texts = 0
        self.kinds: Counter[str] = Counter()

    def texts_to_send(self) -> Iterator[str]:
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
                self.kinds[kind_of(item)] += 1
                if self.failed <= _SHOWN:
                    click.echo(f"cannot be embedded: {item.place}: {item.reason}", err=True)
            else:
                self.documents += 1
                yield from self._pieces_of(item)

    def _pieces_of(self, document: Document) -> Iterator[str]:
        for piece in pieces_of(document, self._splitter):
            self.split += piece.number == 1
            self.texts += 1
            self.distinct.add(piece.text)
            if self.held is None or not self.held.has(piece):
                self.to_send.add(piece.text)
                yield piece.text


def run_plan(order: Order, output: Path | None, *, price: float | None, as_json: bool) -> None:
    """Print what embedding the sources would take.

    Args:
        order: what would be embedded, and how.
        output: the dataset that would be written or gone on with, or None.
        price: dollars for a million tokens, or None for what the table says.
        as_json: print it as JSON on stdout.

    Raises:
        FilesError: the input cannot be used or has no text, or the output cannot be gone on with.
        EmbeddingError: there is no generator, or it cannot plan.
    """
    if output is not None:
        check_output(output, order.asked.sources, overwrite=order.overwrite)
    sources = open_input(order.asked, output)
    with load_generator(order.generator) as generator, ExitStack() as opened:
        click.echo(f"generator: {generator.summary}", err=True)
        for note in sources.notes:
            click.echo(f"note: {note}", err=True)
        splitter = splitter_for(generator, order.asked)
        held = None
        if output is not None:
            held = opened.enter_context(closing(_held(order, output, sources, generator, splitter)))
        distinct, to_send = (opened.enter_context(Distinct()) for _ in range(2))
        reading = _Reading(sources, splitter, held, distinct, to_send)
        estimate = generator.estimate(reading.texts_to_send())
        if (more := reading.failed - _SHOWN) > 0:
            kinds = told_kinds(reading.kinds)
            click.echo(f"... and {more:,} more cannot be embedded. All: {kinds}", err=True)
        require_text(reading)
        known_price = price_of(generator.name, generator.space.model, price)
        plan = _plan(generator, reading, estimate, known_price)
    if as_json:
        click.echo(json.dumps(plan))
        return
    for line in plan_lines(plan, output):
        click.echo(line)


def _held(
    order: Order, output: Path, sources: Opened, generator: EmbeddingGenerator, splitter: Splitter
) -> Held:
    kept = sources.kept_fields()
    now = order.manifest(generator, splitter.limit, kept)
    target = foresee_target(output, now, generator.space, overwrite=order.overwrite)
    names = [item.name for item in kept]
    return Held(target, kept=names, retry_failed=order.retry_failed)


def _plan(
    generator: EmbeddingGenerator, reading: _Reading, estimate: Estimate, price: Price | None
) -> dict[str, Any]:
    settings, held = generator.settings, reading.held
    rpm, tpm = settings.embedding_rpm, settings.embedding_tpm
    sent = estimate.unique - (estimate.cached or 0)
    return {
        "generator": generator.name,
        "space": generator.space.to_dict(),
        "documents": reading.documents,
        "split": reading.split,
        "blank": reading.blank,
        "unusable": reading.failed,
        "texts": reading.texts,
        "distinct": reading.distinct.count(),
        "held": held and held.vectors,
        "failed_before": held and held.failed,
        "vanished": held and held.vanished(),
        "sent": sent,
        "sent_again": max(estimate.unique + estimate.failed - reading.to_send.count(), 0),
        "cached": estimate.cached if settings.embedding_cache else None,
        "overlong": estimate.overlong,
        "refused": estimate.failed,
        "requests": estimate.requests,
        "tokens": estimate.tokens,
        "tokens_exact": estimate.exact,
        "dollars": None if price is None else price.of(estimate.tokens),
        "dollars_per_million": None if price is None else price.per_million,
        "price_source": None if price is None else price.source,
        "seconds": _seconds(estimate.requests, rpm, estimate.tokens * estimate.exact, tpm),
        "seconds_at_most": _seconds(estimate.requests, rpm, estimate.tokens, tpm),
        "rpm": rpm,
        "tpm": tpm,
    }


def _seconds(requests: int, rpm: int | None, tokens: int, tpm: int | None) -> float | None:
    """The least seconds that the limits allow, or None where none is set.

    What a minute may hold is sent at once; each further minute's share has to wait for its own.
    """
    minutes = [
        max(math.ceil(amount / limit) - 1, 0)
        for amount, limit in ((requests, rpm), (tokens, tpm))
        if limit is not None
    ]
    return max(minutes) * _MINUTE if minutes else None
