"""The job of ``ellmental embed``: read, split, embed, put away; in one pass, bounded in memory."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .document import Blank, Failure
from .errors import FilesError
from .naming import counted
from .pieces import pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ellmental_embeddings import EmbeddingGenerator, Embeddings

    from .dataset import DatasetWriter
    from .document import Document, Piece
    from .interrupts import Interrupts
    from .progress import Progress
    from .sources import Source
    from .splitting import Splitter

__all__ = ["Job", "Tally"]

_SHOWN = 5


@dataclass(slots=True)
class Tally:
    """What a job has done so far.

    Attributes:
        documents: documents that were read.
        split: those of them that were too long for one piece.
        rows: pieces with a vector.
        failed: rows of the input, and pieces, without one.
        blank: blank lines that were passed over.
        done: bytes of input that were read.
        first_failures: the first few failures, for people.
    """

    documents: int = 0
    split: int = 0
    rows: int = 0
    failed: int = 0
    blank: int = 0
    done: int = 0
    first_failures: list[Failure] = field(default_factory=list)


@dataclass(slots=True)
class Job:
    """Embeds all documents of some sources into a dataset.

    Attributes:
        sources: what to read, already checked.
        generator: what makes the vectors.
        splitter: cuts what is too long.
        writer: takes the rows.
        progress: is told how far it is.
        interrupts: holds Ctrl-C back while rows are put away.
        tally: what was done.
    """

    sources: Sequence[Source]
    generator: EmbeddingGenerator
    splitter: Splitter
    writer: DatasetWriter
    progress: Progress
    interrupts: Interrupts
    tally: Tally = field(default_factory=Tally)
    _pending: deque[Piece] = field(default_factory=deque)

    def run(self) -> None:
        """Do all of it. Rows that fail alone are noted; anything else ends the job.

        Whatever ends it: the rows that are finished by then are kept, and the dataset says
        that it is incomplete, and why.

        Raises:
            FilesError: a file cannot be read or written any more, or there is no text at all.
            EmbeddingError: the service as a whole cannot be used.
            KeyboardInterrupt: Ctrl-C.
        """
        try:
            for result in self.generator.stream(self._texts(), on_error="keep"):
                with self.interrupts.shield(), self._writing():
                    self._put(result)
            self._require_text()
            with self.interrupts.shield(), self._writing():
                self.writer.finish()
                self._keep_counts()
        except BaseException as error:
            self._stop(error)
            raise
        finally:
            self.progress.clear()

    def _require_text(self) -> None:
        if not self.tally.rows and not self.tally.failed:
            raise FilesError("there is no text in the input: every line is blank.")

    def _texts(self) -> Iterator[str]:
        """Every piece's text, in order; the piece itself waits for its vector."""
        for source in self.sources:
            for item in self._items(source):
                if isinstance(item, Blank):
                    self.tally.blank += 1
                    self.tally.done += item.size
                elif isinstance(item, Failure):
                    self._fail(item)
                    self.tally.done += item.size
                else:
                    yield from self._pieces(item)

    def _items(self, source: Source) -> Iterator[Document | Failure | Blank]:
        try:
            yield from source.read()
        except OSError as error:
            problem = error.strerror or error
            raise FilesError(f"{source.name} cannot be read any more: {problem}") from None

    def _pieces(self, document: Document) -> Iterator[str]:
        self.tally.documents += 1
        before, length = self.tally.done, len(document.text)
        for piece in pieces_of(document, self.splitter):
            self.tally.split += piece.number == 1
            self.tally.done = before + document.size * piece.end // length
            self._pending.append(piece)
            yield piece.text
        self.tally.done = before + document.size

    def _put(self, result: Embeddings) -> None:
        """Put away a result of the oldest pieces that wait."""
        pieces = [self._pending.popleft() for _ in range(len(result))]
        failed = result.failed
        for position, error in failed.items():
            self._fail(_failure(pieces[position], str(error)))
        if failed:
            kept = [position for position in range(len(pieces)) if position not in failed]
            pieces = [pieces[position] for position in kept]
            vectors = result.vectors[kept]
        else:
            vectors = result.vectors
        if pieces:
            self.writer.add(pieces, vectors, result.space)
        self.tally.rows += len(pieces)
        self._keep_counts()
        self.progress.show(self.tally.done, self.tally.rows, self.tally.failed)

    def _keep_counts(self) -> None:
        self.writer.manifest.documents = self.tally.documents
        self.writer.manifest.blank = self.tally.blank

    def _fail(self, failure: Failure) -> None:
        with self.interrupts.shield(), self._writing():
            self.writer.fail(failure)
        self.tally.failed += 1
        if len(self.tally.first_failures) < _SHOWN:
            self.tally.first_failures.append(failure)
            self.progress.say(f"failed: {failure.place}: {failure.reason}")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            out = self.writer.out.as_posix()
            raise FilesError(f"{out} cannot be written: {error.strerror or error}") from None

    def _stop(self, error: BaseException) -> None:
        with self.interrupts.shield():
            self._put_rest(error)
            kept = self.writer.stop(_reason(error))
            folder, out = self.writer.folder.as_posix(), self.writer.out.as_posix()
            said = "no row was finished, nothing is kept."
            if kept:
                said = f"{counted(kept, 'row')} kept in {folder}, which is incomplete."
            self.progress.say(f"Stopped: {said}")
            if folder != out:
                self.progress.say(f"{out} is as it was.")

    def _put_rest(self, error: BaseException) -> None:
        """Take what was finished when the stream broke off: the core hands it out in the error."""
        result: Embeddings | None = getattr(error, "result", None)
        if result is None or len(result) > len(self._pending):
            return
        pieces = [self._pending.popleft() for _ in range(len(result))]
        kept = [position for position in range(len(pieces)) if position not in result.failed]
        if kept:
            try:
                self.writer.add(
                    [pieces[position] for position in kept], result.vectors[kept], result.space
                )
            except OSError:  # stop() will say how many rows are on disk
                return
            self.tally.rows += len(kept)


def _failure(piece: Piece, reason: str) -> Failure:
    document = piece.document
    return Failure(
        id=document.id,
        source=document.source,
        line=piece.line,
        reason=reason,
        piece=piece.number,
        start=piece.start,
        end=piece.end,
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return getattr(error, "message", None) or str(error) or type(error).__name__
