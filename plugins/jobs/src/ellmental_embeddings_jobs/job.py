"""The job of ``ellmental embed``: read, split, embed, put away; in one pass, bounded in memory."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .document import Blank, Failure
from .errors import FilesError
from .interrupts import ReadingStopped
from .keys import text_key
from .kinds import kind_of, require_text
from .pieces import pieces_of
from .reading import patient_items
from .reorder import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ellmental_embeddings import CompletedBatch, Completions, EmbeddingGenerator

    from .document import Document, Item
    from .interrupts import Interrupts
    from .sources import Source
    from .splitting import Splitter
    from .store import Store
    from .watching import Watcher

__all__ = ["Job", "Tally"]

_MOST_WAITING = 50_000
"""Rows read beyond the first unsettled one: those known already are not counted by the core."""

_PATIENCE = 60.0
"""Seconds that requests in flight are waited for when the job is to end early."""


@dataclass(slots=True)
class Tally:
    """What a job has done so far.

    Attributes:
        documents: documents that were read.
        split: those of them that were too long for one piece.
        rows: pieces with a vector, also those that wait for one before them.
        known: those of them whose vector was there before, and was not asked for.
        failed: rows of the input, and pieces, without one.
        blank: blank lines that were passed over.
        done: bytes of input that are done with.
        texts: texts that were embedded now.
        tokens: tokens the service counted for them; None where it does not say.
        kinds: how many of ``failed`` are of which kind.
    """

    documents: int = 0
    split: int = 0
    rows: int = 0
    known: int = 0
    failed: int = 0
    blank: int = 0
    done: int = 0
    texts: int = 0
    tokens: int | None = 0
    kinds: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Job:
    """Embeds all documents of some sources into a store.

    Attributes:
        sources: what to read, already checked.
        generator: what makes the vectors.
        splitter: cuts what is too long.
        store: takes the rows.
        watcher: is told how far it is.
        interrupts: what Ctrl-C does.
        tally: what was done.
        vanished: rows of before that the input has no more, and where some of them came from.
    """

    sources: Sequence[Source]
    generator: EmbeddingGenerator
    splitter: Splitter
    store: Store
    watcher: Watcher
    interrupts: Interrupts
    tally: Tally = field(default_factory=Tally)
    vanished: tuple[int, list[str]] = (0, [])
    _read: int = 0
    _told: int = 0  # failures

    def run(self) -> None:
        """Do all of it. Rows that fail alone are noted; anything else ends the job.

        Whatever ends it: all that is finished by then, and what was in flight, is kept, and
        the same job goes on from there.

        Raises:
            FilesError: a file cannot be read or written any more, or no row of the input has a
                text.
            EmbeddingError: the service as a whole cannot be used.
            KeyboardInterrupt, SystemExit: a signal.
        """
        completed = self.generator.as_completed(self._texts())
        self.interrupts.run_out_by(lambda: completed.stop(_PATIENCE))
        try:
            for batch in completed:
                with self.interrupts.shield(), self._writing():
                    self._put(batch)
            if self.interrupts.stopped_by is not None:
                self.interrupts.end()
            require_text(self.tally)
            with self.interrupts.shield(), self._writing():
                self._advance()
                self._note_counts()
                self.vanished = self.store.finish()
        except ReadingStopped:
            self._stop(completed, "interrupted")
            self.interrupts.end()
        except BaseException as error:
            self._stop(completed, _reason(error))
            raise

    def _texts(self) -> Iterator[str | None]:
        """Every text that is to be sent, in order; None where it must wait for others first."""
        for source in self.sources:
            for item in self._items(source):
                if self.interrupts.stopped_by is not None:
                    return
                if item is None:
                    yield None
                    continue
                if isinstance(item, Blank):
                    self.tally.blank += 1
                    self._read += item.size
                elif isinstance(item, Failure):
                    self._read += item.size
                    self.store.order.add(Entry(size=item.size, failure=item))
                else:
                    yield from self._pieces(item)
                if self.store.order.is_next_settled:
                    self._advance()
                while len(self.store.order) > _MOST_WAITING:
                    yield None
        self._advance()

    def _items(self, source: Source) -> Iterator[Item | None]:
        """What a source yields, and None where it has nothing yet."""
        items = iter(patient_items(source.read()) if source.once else source.read())
        while True:
            self.interrupts.reading = True
            try:
                item = next(items)
            except StopIteration:
                return
            except OSError as error:
                problem = error.strerror or error
                raise FilesError(f"{source.name} cannot be read any more: {problem}") from None
            finally:
                self.interrupts.reading = False
            yield item

    def _pieces(self, document: Document) -> Iterator[str]:
        self.tally.documents += 1
        before, length = self._read, len(document.text)
        for piece in pieces_of(document, self.splitter):
            self.tally.split += piece.number == 1
            start, self._read = self._read, before + document.size * piece.end // length
            if self.store.has_row(piece):
                continue
            entry = Entry(size=self._read - start, piece=piece, key=text_key(piece.text))
            with self._writing():
                known = self.store.recall(entry)
            if not known:
                self.store.order.send(entry)
                yield piece.text
        self._read = before + document.size

    def _put(self, batch: CompletedBatch) -> None:
        """Store a finished batch, then write whatever rows' turn it is."""
        positions, result = batch
        entries = [self.store.order.take_sent(position) for position in positions.tolist()]
        for row, error in result.failed.items():
            self.store.fail(entries[row], str(error))
        good = [row for row in range(len(entries)) if row not in result.failed]
        if good:
            vectors = result.vectors if len(good) == len(entries) else result.vectors[good]
            self.store.commit([entries[row] for row in good], vectors, result.space)
        self.tally.texts += len(good)
        if self.tally.tokens is not None:
            tokens = result.usage.tokens
            self.tally.tokens = None if tokens is None else self.tally.tokens + tokens
        self._advance()

    def _advance(self) -> None:
        with self._writing():
            for entry in self.store.advance():
                if entry.failure is not None:
                    self._told += 1
                    self.tally.kinds[kind_of(entry.failure)] += 1
                    self.watcher.failed(entry.failure, self._told)
        # One row that takes long holds those behind it up; finished they are all the same.
        order = self.store.order
        self.tally.done = self._read - order.outstanding
        self.tally.failed = self._told + order.failed
        self.tally.rows, self.tally.known = self.store.rows + order.rows, self.store.known
        self.watcher.progress(self.tally)

    def _note_counts(self) -> None:
        manifest = self.store.target.manifest
        manifest.documents, manifest.blank = self.tally.documents, self.tally.blank

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            out = self.store.target.out.as_posix()
            raise FilesError(f"{out} cannot be written: {error.strerror or error}") from None

    def _stop(self, completed: Completions, reason: str) -> None:
        """Keep what is finished, and what is in flight, within bounds."""
        with self.interrupts.shield():
            completed.stop(_PATIENCE)
        try:
            # Where the disk is full a batch may still find room, and a second signal ends this.
            with suppress(Exception):
                for batch in completed:
                    with suppress(OSError, FilesError), self.interrupts.shield():
                        self._put(batch)
        finally:
            with self.interrupts.shield():
                completed.close()
                with suppress(FilesError):
                    self._advance()
                self._note_counts()
                self.store.stop(reason)


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "interrupted"
    return getattr(error, "message", None) or str(error) or type(error).__name__
