"""Ready-made progress callbacks: tqdm for notebooks and scripts, rich for the command line."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from .progress import Progress

__all__ = ["terminal_progress", "tqdm_progress"]

_BESIDE = 22
"""Columns of a terminal for the time that is left, a short bar and the gaps."""


def tqdm_progress(**options: Any) -> Callable[[Progress], None]:
    """A callback that draws a tqdm bar: a widget in a notebook with ipywidgets, else a line.

    ``progress=True`` is the same as ``progress=tqdm_progress()``. One bar for each call that it
    is given to; it may be given to several.

    Args:
        **options: for tqdm, e.g. ``desc="catalogue"``, ``leave=False``.

    Raises:
        ConfigurationError: tqdm is not installed.
    """
    try:
        with warnings.catch_warnings():
            # In a notebook without ipywidgets tqdm warns, then draws a line of text all the same.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
    except ImportError:
        raise ConfigurationError(
            "a progress bar in notebooks and scripts needs tqdm. Install it with: "
            "pip install 'ellmental-embeddings[tqdm]'; or give progress a function of your own"
        ) from None
    bar: Any = None

    def draw(progress: Progress) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(**{"total": progress.total, "unit": " texts", **options})
        bar.update(progress.texts - bar.n)
        bar.set_postfix(_details(progress), refresh=False)
        if progress.ended:
            bar.close()
            bar = None

    return draw


def terminal_progress(
    label: str = "embedding", *, stream: TextIO | None = None
) -> Callable[[Progress], None]:
    """A callback that draws a bar with rich on stderr; draws nothing where that is no terminal.

    Args:
        label: stands before the bar.
        stream: another place than stderr.
    """
    out = sys.stderr if stream is None else stream
    if not out.isatty():
        return lambda _: None
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[details]}"),
        console=Console(file=out),
        transient=True,
    )
    beside = len(label) + _BESIDE
    task = bars.add_task(label, total=None, details="", start=True)

    def draw(progress: Progress) -> None:
        total = "" if progress.total is None else f"/{progress.total:,}"
        details = [f"{progress.texts:,}{total}", f"{progress.per_second:,.0f}/s"]
        details += [f"{value} {name}" for name, value in _details(progress).items()]
        # In a narrow terminal what matters least is left out.
        while len(details) > 1 and len(", ".join(details)) > bars.console.width - beside:
            details.pop()
        bars.update(
            task,
            completed=progress.texts,
            total=progress.total,
            details=", ".join(details),
        )
        bars.start()  # after the first numbers are there to be drawn
        if progress.ended:
            bars.stop()

    return draw


def _details(progress: Progress) -> dict[str, str]:
    details = {"in flight": f"{progress.in_flight}"} if progress.in_flight else {}
    if progress.retries:
        details["again"] = f"{progress.retries}"
    if progress.tokens:
        details["tokens"] = f"{progress.tokens:,}"
    return details
