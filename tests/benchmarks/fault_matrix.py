"""Every way in which requests fail, at three shares: is a vector wrong, lost or paid twice?

    python tests/benchmarks/fault_matrix.py [--texts 100000] [--only NaN,hang]

The stand-in for OpenAI runs in a process of its own and plays the faults; the generator OPENAI
embeds through its real SDK. Every vector is compared with the server's function, and the
server's bill with its list of broken answers. 20,000 texts a cell, 1.2 million in all, take some
five minutes on two cores; ``--texts 100000`` takes five times as long. Writes
docs/explanation/fault-matrix.md, and ends with 1 where a cell is not whole. Needs
ellmental-embeddings-openai.
"""

from __future__ import annotations

import argparse
import logging
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "openai"))

from fault_cells import MIXTURE, SHARES, WAYS, expected, run_cell, texts_of  # noqa: E402
from server_control import ServerProcess  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fault_cells import Cell

PAGE = ROOT / "docs" / "explanation" / "fault-matrix.md"

HEAD = (
    "| what fails | requests | met a fault | broken | paid in broken answers "
    "| wrong rows | lost rows | paid beyond | seconds |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
)

ABOUT = """# Fault matrix

Does a vector get lost, doubled or misplaced when a service misbehaves? One command tries:

<!-- not run: takes minutes -->
```sh
python tests/benchmarks/fault_matrix.py                    # 20,000 texts a cell: five minutes
python tests/benchmarks/fault_matrix.py --texts 100000     # 100,000: some twenty
```

A server in a process of its own stands in for OpenAI. It plays a fault for a share of all
requests, keeps a bill of every text it embedded, and a list of the answers it broke. The
generator OPENAI embeds {texts:,} different texts a cell through the real client over real
connections, {batch} texts a request. Then every vector is compared with the server's function,
bit for bit, and the bill with the list, text by text.

- **met a fault**: requests that were answered otherwise than well. Repetitions meet faults, too.
- **broken**: answers that no client could use; indices in another order are no such answer.
- **paid in broken answers**: texts that were embedded, and whose answer was broken.
- **paid beyond**: texts that were paid for more often than once, and once for each broken answer.

The waits are those of users: half a second and longer after an answer that names none.
EMBEDDING_TIMEOUT is 2 seconds where requests hang. Which requests fail follows from their
texts, so that a second run meets the same faults.

"""


def main() -> int:
    """Run the cells, print each as it ends, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--texts", type=int, default=20_000, help="texts a cell")
    parser.add_argument("--only", help="ways, with commas between; no page is written then")
    given = parser.parse_args()
    logging.getLogger("ellmental_embeddings").setLevel(logging.ERROR)
    ways = given.only.split(",") if given.only else [*WAYS, MIXTURE]
    began = time.monotonic()
    cells = []
    print(HEAD, flush=True)
    for cell in run(ways, given.texts):
        cells.append(cell)
        print(row(cell), flush=True)
    text = summary(cells, time.monotonic() - began)
    print(f"\n{text}")
    if not given.only:
        table = "\n".join([HEAD, *map(row, cells)])
        PAGE.write_text(ABOUT.format(texts=given.texts, batch=50) + f"{table}\n\n{text}\n", "utf-8")
    return 0 if all(cell.whole for cell in cells) else 1


def run(ways: Sequence[str], number: int) -> Iterator[Cell]:
    """All cells, one after another, against one server."""
    texts = texts_of(number)
    right = expected(texts)
    with ServerProcess() as server:
        run_cell(server, "500", 0.0, texts, right)  # the server makes its vectors once
        for way in ways:
            for share in SHARES:
                yield run_cell(server, way, share, texts, right)


def row(cell: Cell) -> str:
    """A cell as a row of the table."""
    account = cell.account
    numbers = (
        account.requests,
        account.faults,
        account.broken,
        account.spoilt,
        cell.wrong,
        cell.lost,
        account.beyond + account.unread,
    )
    fields = [f"{cell.way}, {cell.share:.0%}", *(f"{number:,}" for number in numbers)]
    end = f"{cell.seconds:.1f}" if cell.whole else f"{cell.seconds:.1f} NOT WHOLE"
    return f"| {' | '.join(fields)} | {end} |"


def summary(cells: Sequence[Cell], seconds: float) -> str:
    """What it came to, and on what it ran."""
    whole = sum(cell.whole for cell in cells)
    texts = sum(cell.texts for cell in cells)
    versions = ", ".join(
        f"{dist} {version(dist)}"
        for dist in ("ellmental-embeddings", "ellmental-embeddings-openai", "openai", "aiohttp")
    )
    return (
        f"{whole} of {len(cells)} cells whole; {texts:,} texts, "
        f"{sum(cell.account.requests for cell in cells):,} requests, "
        f"{sum(cell.account.faults for cell in cells):,} of them with a fault, "
        f"in {seconds:.0f} s.\n"
        f"Python {platform.python_version()}, {versions}, numpy {version('numpy')}, "
        f"{platform.system()} {platform.machine()}."
    )


if __name__ == "__main__":
    sys.exit(main())
