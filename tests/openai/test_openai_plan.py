"""``ellmental plan`` with OPENAI: nothing reaches the server, and the figures are the bill's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from server_witness import SMALL

if TYPE_CHECKING:
    import pytest
    from openai_server import OpenAIServer


def test_it_sends_nothing_and_says_what_is_then_sent(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request while planning; then embed makes as many, with as many texts, as was said."""
    for name, value in (
        ("EMBEDDING_GENERATOR", "OPENAI"),
        ("OPENAI_BASE_URL", server.url),
        ("OPENAI_API_KEY", server.key),
        ("OPENAI_MODEL", SMALL),
    ):
        monkeypatch.setenv(name, value)
    Path("a.txt").write_text("".join(f"line {number % 300}\n" for number in range(330)))
    command = [sys.executable, "-m", "ellmental_embeddings"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=60, check=True
        )

    plan = json.loads(run("plan", "a.txt", "--json").stdout)
    assert server.bill.requests == []
    assert plan["tokens_exact"] is False
    assert plan["dollars_per_million"] == 0.02
    assert "November 2026" in plan["price_source"]
    people = run("plan", "a.txt")
    assert server.bill.requests == []
    assert "tokens      at most 2,290 (a bound; English has about 572)" in people.stdout
    assert "price       under $0.0001 at $0.02 a million tokens" in people.stdout
    run("embed", "a.txt", "-o", "out")
    assert plan["requests"] == len(server.bill.requests)
    assert plan["sent"] == sum(server.bill.paid.values()) == 300
