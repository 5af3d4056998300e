"""What clients of OpenAI's protocol do when the service goes wrong: the table of the comparison.

    python3 tests/benchmarks/peers/failures.py                          all of them, printed
    python3 tests/benchmarks/peers/failures.py --write         and into docs/explanation
    python3 tests/benchmarks/peers/failures.py --clients ours,langchain

Every client runs in an environment of its own, made with the first run (a few minutes, from PyPI);
afterwards it takes three minutes. Nothing is timed that a busy machine would change.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from environments import environment
from failing_clients import CLIENTS
from failing_service import WAIT_S, Service, number_of, serving

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[2] / "docs" / "explanation" / "comparison.md"
BEGIN, END = "<!-- failures: begin -->", "<!-- failures: end -->"
TEXTS = [f"text number {number}" for number in range(100)]
MANY = 10_000
_MOST_S = 120


def main() -> None:
    """Ask all of them everything, print, and write where that was asked for."""
    parser = argparse.ArgumentParser(
        prog="failures", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", default=",".join(CLIENTS), help="ours,openai,...")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    given = parser.parse_args()
    rows = []
    wanted = given.clients.split(",")
    if unknown := [client for client in wanted if client not in CLIENTS]:
        raise SystemExit(f"unknown: {', '.join(unknown)}. There are: {', '.join(CLIENTS)}")
    for client in wanted:
        rows.append(asked(client))
        print(f"{client}: {'; '.join(rows[-1])}", file=sys.stderr, flush=True)
    text = tables(rows)
    print(text)
    if given.write:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def asked(client: str) -> list[str]:
    """A row of the table, its cells as Markdown."""
    found, _ = run(client, "order", TEXTS)
    wrong = "error" not in found and found["rows"] != [number_of(text) for text in TEXTS]
    order = "vectors on the wrong texts" if wrong else told(found, "in order")
    found, _ = run(client, "missing", TEXTS)
    came = len(found.get("rows", []))
    missing = told(
        found, "asked again: all rows" if came == len(TEXTS) else f"{came} rows of 100, no error"
    )
    bad = [*TEXTS[:30], "refused 30", *TEXTS[31:]]
    found, _ = run(client, "bad text", bad)
    kept = sum(row is not None and row == row for row in found.get("rows", []))  # noqa: PLR0124
    one_bad = "all lost" if "error" in found else f"{kept} of 100 kept"
    name = "**here**" if client == "ours" else f"{found['dist']} {found['version']}"
    _, service = run(client, "none", [f"text number {number}" for number in range(MANY)])
    largest = max(texts for _, texts in service.requests)
    attempts = [len(run(client, fault, TEXTS[:1])[1].requests) for fault in ("500", "quota")]
    return [
        name,
        order,
        missing,
        one_bad,
        f"{largest:,}",
        f"{service.most:,}",
        *map(str, attempts if client != "ours" else ["until the deadline", attempts[1]]),
        waited(client),
    ]


def waited(client: str) -> str:
    """Whether a wait that the service asked for was waited."""
    _, service = run(client, "wait", TEXTS[:1])
    if len(service.requests) < 2:
        return "not sent again"
    first, second, *_ = (when for when, _ in service.requests)
    return "yes" if second - first >= WAIT_S else f"no, after {second - first:.1f} s"


def told(found: dict[str, Any], otherwise: str) -> str:
    """An error by its name, else this."""
    return f"`{found['error']}`" if "error" in found else otherwise


def run(client: str, fault: str, texts: list[str]) -> tuple[dict[str, Any], Service]:
    """What a client returned, and what the service saw."""
    python = environment(client)
    with serving(fault) as (service, url), tempfile.TemporaryDirectory() as folder:
        variables = {
            "OPENAI_BASE_URL": url,  # llm takes its address and key from these alone
            "OPENAI_API_KEY": "sk-made-up-for-the-benchmark",
            "LLM_USER_PATH": folder,
            "EMBEDDING_DEADLINE": "10",
            "HAYSTACK_TELEMETRY_ENABLED": "False",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        ran = subprocess.run(
            [str(python), str(HERE / "failing_clients.py"), client, url],
            env=os.environ | variables,
            cwd=folder,
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            timeout=_MOST_S,
            check=False,
        )
    lines = [line for line in ran.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise SystemExit(f"{client} at {fault!r} said nothing:\n{ran.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    return found, service


def tables(rows: list[list[str]]) -> str:
    """Two of them, as Markdown: what became of vectors, and of requests."""
    vectors = ["answers out of order", "one vector an answer missing", "one refused text in 100"]
    requests = [
        f"largest request of {MANY:,} texts",
        "most in flight",
        "tries at a 500",
        "tries at a used-up quota",
        f"waits for Retry-After: {WAIT_S}",
    ]
    cut = 1 + len(vectors)
    first = markdown(["version", *vectors], [row[:cut] for row in rows])
    second = markdown(["version", *requests], [[row[0], *row[cut:]] for row in rows])
    return f"{first}\n\n{second}"


def markdown(heads: list[str], rows: list[list[str]]) -> str:
    """A table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
