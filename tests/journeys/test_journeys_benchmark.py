"""The benchmark beside the peers still runs; what it measures here is noise."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

PEERS = Path(__file__).parents[1] / "benchmarks" / "peers"
CLIENTS = {"ours": "ours", "floor": "floor"}


@pytest.mark.parametrize("kind", ["all", "single", "stream"])
@pytest.mark.parametrize("client", ["ours", "floor"])
def test_a_client_gets_the_servers_vectors(client: str, kind: str) -> None:
    """Our adapter and the floor's pass the check that their times depend on."""
    if kind == "stream" and client != "ours":
        pytest.skip("only this product streams")
    texts, batch, width = 300, 20, 64
    serve = [sys.executable, str(PEERS / "fast_server.py"), str(width), "1", "-1"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        numbers = map(str, (texts, batch, width, 8))
        command = [sys.executable, str(PEERS / "client.py"), CLIENTS[client], url, kind, *numbers]
        ran = subprocess.run(
            [*command, "-"], capture_output=True, text=True, timeout=100, check=False
        )
        server.terminate()
    assert ran.stdout.startswith("RESULT {"), ran.stderr


def test_a_wrong_vector_is_noticed() -> None:
    """One row in another's place, or one number changed: no time is believed."""
    spec = importlib.util.spec_from_file_location("numbered", PEERS / "numbered.py")
    assert spec is not None
    assert spec.loader is not None
    numbered = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(numbered)
    rows = numbered.prepared_rows(8)[[number % numbered.ROWS for number in range(300)]]
    rows[:, 0] = range(300)
    numbered.check(rows, 300, 8)
    swapped = rows.copy()
    swapped[[3, 254]] = swapped[[254, 3]]  # the same prepared row: only the number tells
    with pytest.raises(SystemExit, match="text 3 "):
        numbered.check(swapped, 300, 8)
    changed = rows.copy()
    changed[299, 7] *= 1.001
    with pytest.raises(SystemExit, match="text 299 "):
        numbered.check(changed, 300, 8)
    with pytest.raises(SystemExit, match="299 vectors"):
        numbered.check(rows[:-1], 300, 8)


def test_the_failures_of_the_comparison_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of answers out of order the SDK's rows are wrong, and ours are not."""
    monkeypatch.syspath_prepend(str(PEERS))
    failing, failures = import_module("failing_service"), import_module("failures")
    monkeypatch.setattr(failures, "environment", lambda _: sys.executable)
    numbers = [failing.number_of(text) for text in failures.TEXTS]
    assert failures.run("openai", "order", failures.TEXTS)[0]["rows"] != numbers
    assert failures.run("ours", "order", failures.TEXTS)[0]["rows"] == numbers
