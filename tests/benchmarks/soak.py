"""Minutes of embedding through faults: do memory, open files or threads grow?

    python tests/benchmarks/soak.py [--minutes 10] [--rest 0] [--share 0.05]

A stand-in for OpenAI in a process of its own plays every fault of the fault matrix for a share of
the requests. Here one generator embeds ever new texts, in turn through ``embed``, ``aembed``,
``stream`` and ``astream``; some calls are cancelled in the middle. Every vector is compared with
the server's function, and the bill with the list of broken answers. Once a second it is looked
at how much memory, how many files, threads and tasks this process holds. After a fifth of the
time, for warming up, they must be flat: the slope is Theil and Sen's, the median of the slopes
between any two samples, so that single peaks do not count. Ends with 1 where something grows, or
is lost. Needs ellmental-embeddings-openai, and Linux's /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import sys
import threading
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "openai"))

from fault_cells import DIMENSIONS, MODEL, WAYS
from server_control import ServerProcess
from server_vectors import vector_of

from ellmental_embeddings import Embeddings, load_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ellmental_embeddings import EmbeddingGenerator

TEXTS_A_CALL = 2_000
MOST_GROWTH = {"memory, MB": 0.5, "files": 0.2, "threads": 0.2, "tasks": 0.2}
"""Growth a minute that is still called flat: half a megabyte a minute would be the whole of an
hour's matrix of 20,000 vectors; of the others, not one more in five minutes."""


@dataclass(slots=True)
class Found:
    """What was embedded so far.

    Attributes:
        rows: rows that were right.
        wrong: rows that were not.
        lost: rows without a vector, in calls that were not cancelled.
        calls, cancelled: calls, and how many of them were cancelled.
        beyond: texts paid for beyond what was broken, in calls that were not cancelled.
        faults: requests with a fault.
        requests: requests.
    """

    rows: int = 0
    wrong: int = 0
    lost: int = 0
    calls: int = 0
    cancelled: int = 0
    beyond: int = 0
    faults: int = 0
    requests: int = 0

    def compare(self, result: Embeddings, texts: Sequence[str]) -> None:
        """Count what came for these texts."""
        # Not remembered, as `expected` would: that would grow.
        expected = np.stack([vector_of(MODEL, text, DIMENSIONS) for text in texts])
        right = (result.vectors == expected).all(axis=1)
        self.rows += int(right.sum())
        self.wrong += len(texts) - int(right.sum()) - len(result.failed)
        self.lost += len(result.failed)


def main() -> int:
    """Soak, print the samples and the slopes; 0 where all is flat and nothing is lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rest", type=float, default=0.0, help="seconds between calls")
    parser.add_argument("--share", type=float, default=0.05, help="of the requests that fail")
    given = parser.parse_args()
    logging.getLogger("ellmental_embeddings").setLevel(logging.ERROR)
    samples: list[dict[str, float]] = []
    found = Found()
    with ServerProcess() as server:
        server.fail_some(given.share, list(WAYS.values()))
        settings: dict[str, Any] = {
            "OPENAI_BASE_URL": server.url,
            "OPENAI_API_KEY": server.key,
            "OPENAI_MODEL": MODEL,
            "EMBEDDING_DIMENSIONS": DIMENSIONS,
            "EMBEDDING_TIMEOUT": 3,
        }
        with load_generator("OPENAI", **settings) as generator:
            began = time.monotonic()
            until = began + given.minutes * 60
            ended = threading.Event()
            sampling = threading.Thread(
                target=sample, args=(generator, samples, began, ended), daemon=True
            )
            sampling.start()
            soak(generator, server, found, until=until, rest=given.rest)
            ended.set()
            sampling.join(5)
    return told(samples, found)


def soak(
    generator: EmbeddingGenerator,
    server: ServerProcess,
    found: Found,
    *,
    until: float,
    rest: float,
) -> None:
    """Call after call, each in another way, with texts that were never there before."""
    draw = random.Random(1)
    ways: list[Callable[[EmbeddingGenerator, list[str], Found], None]] = [
        embed,
        aembed,
        stream,
        astream,
    ]
    while time.monotonic() < until:
        texts = [f"call {found.calls}, text {row}" for row in range(TEXTS_A_CALL)]
        if draw.random() < 0.2:
            asyncio.run(cancelled(generator, texts, draw.random() * 0.3))
            found.cancelled += 1
            account = server.settle()
        else:
            ways[found.calls % len(ways)](generator, texts, found)
            account = server.settle()
            found.beyond += account.beyond + account.unread
        found.calls += 1
        found.faults += account.faults
        found.requests += account.requests
        time.sleep(rest)


def embed(generator: EmbeddingGenerator, texts: list[str], found: Found) -> None:
    """One call."""
    found.compare(generator.embed(texts, on_error="keep"), texts)


def aembed(generator: EmbeddingGenerator, texts: list[str], found: Found) -> None:
    """One call from a loop of its own."""
    found.compare(asyncio.run(generator.aembed(texts, on_error="keep")), texts)


def stream(generator: EmbeddingGenerator, texts: list[str], found: Found) -> None:
    """One stream."""
    at = 0
    for part in generator.stream(iter(texts), on_error="keep"):
        found.compare(part, texts[at : at + len(part)])
        at += len(part)


def astream(generator: EmbeddingGenerator, texts: list[str], found: Found) -> None:
    """One stream on a loop of its own."""

    async def read() -> None:
        at = 0
        async for part in generator.astream(texts, on_error="keep"):
            found.compare(part, texts[at : at + len(part)])
            at += len(part)

    asyncio.run(read())


async def cancelled(generator: EmbeddingGenerator, texts: list[str], after: float) -> None:
    """A call that is cancelled."""
    task = asyncio.create_task(generator.aembed(texts, on_error="keep"))
    await asyncio.wait([task], timeout=after)
    task.cancel()
    await asyncio.wait([task])


def sample(
    generator: EmbeddingGenerator,
    samples: list[dict[str, float]],
    began: float,
    ended: threading.Event,
) -> None:
    """Once a second, what this process holds."""
    page = os.sysconf("SC_PAGE_SIZE")
    while not ended.wait(1.0):
        resident = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        samples.append(
            {
                "minutes": (time.monotonic() - began) / 60,
                "memory, MB": resident * page / 1e6,
                "files": len(list(Path("/proc/self/fd").iterdir())),
                "threads": threading.active_count(),
                "tasks": len(asyncio.all_tasks(generator._host.loop.loop)),
            }
        )


def slope(samples: Sequence[dict[str, float]], what: str) -> float:
    """Theil and Sen's slope, a minute, over at most 300 samples."""
    thinned = samples[:: len(samples) // 300 + 1]
    return median(
        (later[what] - earlier[what]) / (later["minutes"] - earlier["minutes"])
        for earlier, later in combinations(thinned, 2)
    )


def told(samples: Sequence[dict[str, float]], found: Found) -> int:
    """Print a table; 0 where all is as it should be."""
    last = samples[-1]["minutes"]
    warm = [one for one in samples if one["minutes"] > last / 5]
    tenths = [warm[len(warm) * step // 9 - (step == 9)] for step in range(10)]
    print("| minute | " + " | ".join(f"{one['minutes']:.1f}" for one in tenths) + " | a minute |")
    print("|---|" + "---:|" * 11)
    grows = False
    for what, most in MOST_GROWTH.items():
        growth = slope(warm, what)
        grows |= growth > most
        numbers = " | ".join(f"{one[what]:.0f}" for one in tenths)
        print(f"| {what} | {numbers} | {growth:+.3f}{' GROWS' if growth > most else ''} |")
    print(
        f"\n{last:.1f} minutes, {found.calls:,} calls ({found.cancelled:,} cancelled), "
        f"{found.requests:,} requests ({found.faults:,} with a fault), {found.rows:,} rows right, "
        f"{found.wrong} wrong, {found.lost} lost, {found.beyond} paid beyond."
    )
    return 1 if grows or found.wrong or found.lost or found.beyond else 0


if __name__ == "__main__":
    sys.exit(main())
