"""Kill a real job at random moments, go on with the same command, and look at the bill.

A process of the command line embeds through the real OPENAI plugin from the billing stand-in
(tests/openai). It is killed with SIGKILL at random moments - while it starts, sends, writes the
journal, rolls a part, or goes on from an earlier kill - and started again, until it ends by
itself; then its dataset is compared with the input, row by row, and its vectors with the right
ones. Needs an environment with all dists (tests/run.py makes one).

Bound: a kill can cost the texts in flight, EMBEDDING_MAX_CONCURRENCY times BATCH_SIZE, and not
one more. It is checked after every kill, against what is on disk.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pyarrow import parquet
from server_vectors import vectors_of

from ellmental_embeddings_jobs.journal.segment import read_segment
from ellmental_embeddings_jobs.keys import text_key

if TYPE_CHECKING:
    from server_control import ServerProcess

__all__ = ["Campaign", "Job"]

MODEL = "text-embedding-3-small"
SIZE = 16
CONCURRENCY = 8
WIDTH = 24

_SECONDS = 1.0
"""Longest life of a process before its kill, from its start or from its first vectors."""
_WHILE_IT_SENDS = 0.85
"""Share of the processes that are let start; the others are killed while they do."""

# Small parts, so that kills meet their rolling as well.
PROGRAM = """
from ellmental_embeddings_jobs.dataset import writer
writer.ROWS_PER_GROUP, writer.ROWS_PER_PART = 150, 600
from ellmental_embeddings.cli.main import main
main()
"""


@dataclass
class Job:
    """One input, one output, and the command that makes the one from the other."""

    server: ServerProcess
    folder: Path
    texts: list[str]
    lost: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.input.write_text("".join(f"{text}\n" for text in self.texts))

    @property
    def input(self) -> Path:
        """A document a line."""
        return self.folder / "in.txt"

    @property
    def out(self) -> Path:
        """The dataset."""
        return self.folder / "out"

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start the command as a process."""
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "embed", "in.txt", "-o", "out", *options],
            cwd=self.folder,
            env={
                **os.environ,
                "EMBEDDING_GENERATOR": "OPENAI",
                "OPENAI_BASE_URL": self.server.url,
                "OPENAI_API_KEY": self.server.key,
                "OPENAI_MODEL": MODEL,
                "EMBEDDING_DIMENSIONS": str(WIDTH),
                "BATCH_SIZE": str(SIZE),
                "EMBEDDING_MAX_CONCURRENCY": str(CONCURRENCY),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def paid(self) -> Counter[str]:
        """How often each text was billed."""
        return Counter(self.server.bill()["paid"])

    def on_disk(self) -> set[bytes]:
        """Keys of the texts whose vectors no kill can take away any more."""
        found: set[bytes] = set()
        for part in self.out.glob("**/*.parquet"):
            found.update(
                map(text_key, parquet.read_table(part, columns=["text"])["text"].to_pylist())
            )
        for segment in self.out.glob("_journal/*.arrow"):
            for keys, _ in read_segment(segment):
                found.update(keys)
        return found

    def note_kill(self) -> int:
        """Texts that this kill has cost: billed, and not on disk."""
        unaccounted = self.paid().total() - len(self.on_disk())
        cost = unaccounted - sum(self.lost)
        self.lost.append(cost)
        return cost

    def check(self) -> None:
        """The dataset is the input, row by row; nothing else is left; the bill is explained.

        Raises:
            AssertionError: saying what is wrong.
        """
        table = parquet.read_table(self.out)
        assert table["text"].to_pylist() == self.texts, "rows lost, doubled or moved"
        vectors = np.stack(table["vector"].to_numpy())
        right = vectors_of(MODEL, self.texts, WIDTH)
        assert np.allclose(vectors, right, atol=1e-6), "a vector on another text's row"
        assert json.loads((self.out / "_manifest.json").read_text())["complete"] is True
        strange = {path.name for path in self.out.iterdir()} - {"_manifest.json"}
        assert all(name.startswith("part-") for name in strange), f"left behind: {strange}"
        twice = self.paid().total() - len(self.texts)
        assert twice == sum(self.lost), f"{twice} billed twice, {sum(self.lost)} lost to kills"


@dataclass
class Campaign:
    """Many kills, over as many jobs as that takes."""

    kills: int
    seed: int
    texts: int = 4000
    lost: list[int] = field(default_factory=list)
    jobs: int = 0
    ended: int = 0

    def run(self, server: ServerProcess) -> None:
        """Kill and go on.

        Raises:
            AssertionError: a row is lost, or a kill has cost more than the bound.
        """
        chance = random.Random(self.seed)
        while len(self.lost) < self.kills:
            with tempfile.TemporaryDirectory(prefix="ellmental-kill-") as folder:
                texts = [f"job {self.jobs}, text {number}" for number in range(self.texts)]
                server.forget()
                self._one(Job(server, Path(folder), texts), chance)
                self.jobs += 1

    def _one(self, job: Job, chance: random.Random) -> None:
        while len(self.lost) < self.kills:
            process = job.start("--json")
            if chance.random() < _WHILE_IT_SENDS:
                _wait_until_it_sends(process)
            try:
                _, err = process.communicate(timeout=chance.uniform(0.0, _SECONDS))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                time.sleep(0.15)  # what was in the sockets has reached the bill by then
                self._note(job.note_kill())
            else:
                assert process.returncode == 0, err
                self.ended += 1
                break
        else:
            process = job.start()
            _, err = process.communicate(timeout=300)
            assert process.returncode == 0, err
        job.check()

    def _note(self, cost: int) -> None:
        self.lost.append(cost)
        assert 0 <= cost <= CONCURRENCY * SIZE, (
            f"kill {len(self.lost)} cost {cost} texts, the bound is {CONCURRENCY * SIZE}"
        )

    def summary(self) -> str:
        """What it came to, in a few lines."""
        costly = sum(cost > 0 for cost in self.lost)
        return (
            f"{len(self.lost)} kills over {self.jobs} jobs of {self.texts:,} texts "
            f"({self.ended} ended before a kill came): every row there once, in order, with its "
            f"own vector\n"
            f"texts billed twice: {sum(self.lost):,} in all, "
            f"{sum(self.lost) / max(len(self.lost), 1):.1f} a kill, {max(self.lost)} at most; "
            f"{costly} kills cost anything\n"
            f"bound: {CONCURRENCY} requests in flight x {SIZE} texts = {CONCURRENCY * SIZE} a kill"
        )


def _wait_until_it_sends(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("embedded"):
            return
