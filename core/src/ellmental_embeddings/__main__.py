"""``python -m ellmental_embeddings``: the command line, where ``ellmental`` is not on the PATH."""

from __future__ import annotations

from .cli.main import main

if __name__ == "__main__":
    main()
