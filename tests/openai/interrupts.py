"""``ellmental vector -`` in a process of its own, against the stand-in, and Ctrl-C at some moment.

``test_fault_interrupts.py`` runs some dozens, ``tests/benchmarks/cancelling.py`` as many as are
asked for.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from fault_cells import DIMENSIONS, MODEL, expected, texts_of
from openai_server import KEY

if TYPE_CHECKING:
    from openai_server import OpenAIServer

__all__ = ["Interrupted", "interrupt"]

TEXTS = texts_of(400)
RIGHT = expected(TEXTS)

# What a script starts in the background is born deaf to Ctrl-C. It says when it can hear: what
# Python does before that is not this program's.
PROGRAM = """
import os, signal
from ellmental_embeddings.cli.process import run
signal.signal(signal.SIGINT, signal.default_int_handler)
os.write(2, b"ready\\n")
run()
"""

_VARIABLES = {
    "EMBEDDING_GENERATOR": "OPENAI",
    "OPENAI_API_KEY": KEY,
    "OPENAI_MODEL": MODEL,
    "EMBEDDING_DIMENSIONS": str(DIMENSIONS),
    "BATCH_SIZE": "10",
    "EMBEDDING_MAX_CONCURRENCY": "4",
    "PYTHONWARNINGS": "always::ResourceWarning,always::RuntimeWarning",
}

_QUIET = ("generator: ", "note: ")
"""What an undisturbed run says, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """What came of one process.

    Attributes:
        code: its exit code.
        said: what it wrote on stderr beside what an undisturbed run does.
        rows: vectors that it printed.
        wrong: lines that are not the vectors of the first texts, in order.
        seconds: from when it could hear Ctrl-C to its end.
    """

    code: int
    said: str
    rows: int
    wrong: int
    seconds: float

    @property
    def clean(self) -> bool:
        """Nothing wrong printed; and either it was done, or it says in one word that it is not."""
        if self.code == 0:
            return not self.said and self.wrong == 0 and self.rows == len(TEXTS)
        return (self.code, self.said.strip(), self.wrong) == (130, "Interrupted.", 0)


def interrupt(server: OpenAIServer, after: float | None) -> Interrupted:
    """Run the command, and interrupt it so many seconds after it has begun; None lets it end."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,  # a pipe that is full would stop it
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "vector", "-"],
            env={**os.environ, **_VARIABLES, "OPENAI_BASE_URL": server.url},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        ) as program,
    ):
        try:
            assert program.stderr is not None
            assert program.stderr.readline() == "ready\n"
            began = time.monotonic()
            _feed(program)
            if after is not None:
                time.sleep(after)
                program.send_signal(signal.SIGINT)
            errors = program.communicate(timeout=60)[1]
        finally:
            program.kill()
        seconds = time.monotonic() - began
        out.seek(0)
        lines = out.read().splitlines()
    said = [line for line in errors.splitlines(keepends=True) if not line.startswith(_QUIET)]
    return Interrupted(
        code=program.returncode,
        said="".join(said),
        rows=len(lines),
        wrong=sum(not _is_right(line, row) for row, line in enumerate(lines)),
        seconds=seconds,
    )


def _feed(program: subprocess.Popen[str]) -> None:
    """All texts at once: they are fewer than a pipe holds."""
    assert program.stdin is not None
    program.stdin.write("\n".join(TEXTS))
    program.stdin.close()
    program.stdin = None


def _is_right(line: str, row: int) -> bool:
    try:
        return np.array_equal(np.array(json.loads(line), dtype=np.float32), RIGHT[row])
    except ValueError:
        return False
