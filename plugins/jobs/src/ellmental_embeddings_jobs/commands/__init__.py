"""One command, one file: its options alone, since the command line imports them at every start."""

from __future__ import annotations

from .embed import embed
from .eval import evaluate
from .export import export
from .map import draw
from .plan import plan
from .search import search

__all__ = ["COMMANDS"]

COMMANDS = (embed, evaluate, export, draw, plan, search)
"""Every command of this dist, in the order ``ellmental --help`` is asked to add them."""
