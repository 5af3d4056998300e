"""Calls ended at random moments, as many as are asked for, in every way there is.

    python tests/benchmarks/cancelling.py [--moments 10000] [--processes 100]

Moments are calls in this process: tasks cancelled, streams left, Ctrl-C, closing, with an
``async def`` backend and a plain one. Processes are `ellmental vector -` against a stand-in for
OpenAI, and a real SIGINT. After each: nothing runs on, no warning was printed, and what was
finished is there. Ends with a traceback where that does not hold. Needs
ellmental-embeddings-openai.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "core"), str(TESTS / "openai")]

from interrupts import interrupt  # noqa: E402
from moments import KINDS, Moments  # noqa: E402
from openai_server import OpenAIServer  # noqa: E402


def main() -> int:
    """Run both, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--moments", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    warnings.simplefilter("error")
    print("| end | backend | moments | before the call was over | rows finished |")
    print("|---|---|---:|---:|---:|")
    for threads in (False, True):
        for kind in KINDS:
            number = -(-given.moments // (2 * len(KINDS)))
            moments = Moments(given.seed, threads=threads)
            for _ in range(number):
                moments.run(kind)
            moments.close()
            name = "def" if threads else "async def"
            ended = moments.ended[kind]
            print(f"| {kind} | {name} | {number} | {ended} | {moments.handed:,} |", flush=True)
    return processes(given.processes, random.Random(given.seed)) if given.processes else 0


def processes(number: int, draw: random.Random) -> int:
    """Interrupt the command at random moments; 1 where one of them was not clean."""
    came: Counter[str] = Counter()
    with OpenAIServer(latency=0.01) as server:
        longest = interrupt(server, None).seconds
        for _ in range(number):
            moment = draw.random() * longest
            found = interrupt(server, moment)
            came["done" if found.code == 0 else "interrupted"] += 1
            if not found.clean:
                came["NOT CLEAN"] += 1
                print(f"after {moment:.3f} s: {found}", flush=True)
            until = time.monotonic() + 10
            while server.in_flight and time.monotonic() < until:
                time.sleep(0.01)
            came["connections left"] += server.in_flight
    print(f"\n{number} processes: {dict(came)}")
    return 1 if came["NOT CLEAN"] or came["connections left"] else 0


if __name__ == "__main__":
    sys.exit(main())
