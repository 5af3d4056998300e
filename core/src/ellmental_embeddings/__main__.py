"""``python -m ellmental_embeddings``: the command line, where ``ellmental`` is not on the PATH."""

from __future__ import annotations

from .cli.process import run

if __name__ == "__main__":
    run()
