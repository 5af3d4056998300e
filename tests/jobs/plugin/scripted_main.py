"""``python -m scripted_main``: ``ellmental``, whether or not its script is on the PATH."""

from __future__ import annotations

from ellmental_embeddings.cli.main import main

main()
