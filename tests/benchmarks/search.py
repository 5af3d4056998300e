"""Searching a million vectors: the first search, the second, and the memory they take.

    python3 tests/benchmarks/search.py [--rows 1000000] [--dimensions 384] [--folder FOLDER]

Writes a dataset of random unit vectors (1.4 GB for a million; another 1.5 GB on first search),
searches it in processes of their own, and removes it. Needs ellmental-embeddings-jobs.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PART = 65_536
GROUP = 16_384


def make(folder: Path, rows: int, width: int) -> None:
    """A dataset as ``ellmental embed`` writes them."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    from ellmental_embeddings import Space

    chance = np.random.default_rng(7)
    about = {
        "format": 1,
        "generator": "RANDOM",
        "space": Space(model="random", dimensions=width, normalised=True).to_dict(),
    }
    metadata = {b"ellmental": json.dumps(about).encode()}
    for number, start in enumerate(range(0, rows, PART)):
        path = folder / f"part-{number:05d}.parquet"
        writer = None
        for first in range(start, min(start + PART, rows), GROUP):
            count = min(first + GROUP, start + PART, rows) - first
            vectors = chance.standard_normal((count, width), dtype=np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            places = np.arange(first, first + count)
            columns = {
                "id": pa.array([f"row {place}" for place in places]),
                "text": pa.array([f"the text of row {place}" for place in places]),
                "source": pa.array(["random.txt"] * count),
                "line": pa.array(places),
                "piece": pa.array(np.zeros(count, dtype=np.int32)),
                "start": pa.array(np.zeros(count, dtype=np.int64)),
                "end": pa.array(np.full(count, 20)),
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), width),
            }
            table = pa.table(columns).replace_schema_metadata(metadata)
            if writer is None:
                writer = parquet.ParquetWriter(
                    path,
                    table.schema,
                    compression="zstd",
                    use_dictionary=["source"],
                    column_encoding={"vector.list.element": "BYTE_STREAM_SPLIT"},
                    write_statistics=["id", "source", "line"],
                )
            writer.write_table(table)
        assert writer is not None
        writer.close()


def search(folder: Path) -> None:
    """One search, as the command does it, without the generator; prints what it took."""
    import numpy as np

    from ellmental_embeddings_jobs.dataset import open_dataset
    from ellmental_embeddings_jobs.nearest import nearest
    from ellmental_embeddings_jobs.search_file import UnitVectors

    dataset = open_dataset(folder)
    question = np.random.default_rng(1).standard_normal(dataset.space.dimensions or 0)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    vectors = UnitVectors(dataset)
    hits = nearest(vectors.blocks(), question.astype(np.float32), 10)
    answered = time.perf_counter() - began
    vectors.publish()
    ended = resource.getrusage(resource.RUSAGE_SELF)
    said = {
        "answered": answered,
        "ended": time.perf_counter() - began,
        "cpu": ended.ru_utime + ended.ru_stime - before.ru_utime - before.ru_stime,
        "peak": ended.ru_maxrss / 1024,
        "anonymous": _anonymous(),
        "hits": [(hit.row, round(hit.score, 5)) for hit in hits],
    }
    print(json.dumps(said))


def _anonymous() -> float:
    """MiB of memory of the process's own, without mapped files; NaN where nobody says."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def main() -> None:
    """Make the dataset and search it three times; or be one of the searches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.search is not None:
        search(given.search)
        return
    folder = Path(tempfile.mkdtemp(prefix="ellmental-search-", dir=given.folder))
    try:
        began = time.perf_counter()
        make(folder, given.rows, given.dimensions)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
        seconds = time.perf_counter() - began
        print(
            f"{given.rows:,} rows of {given.dimensions}: {size:,.0f} MiB, made in {seconds:.0f} s"
        )
        found = []
        for name in ("first", "second", "third"):
            command = [sys.executable, __file__, "--search", str(folder)]
            ran = subprocess.run(command, capture_output=True, text=True, check=True)
            said = json.loads(ran.stdout)
            found.append(said["hits"])
            print(
                f"{name:6} search: answered after {said['answered']:5.2f} s, ended after "
                f"{said['ended']:5.2f} s, {said['cpu']:5.2f} s CPU; peak {said['peak']:,.0f} MiB, "
                f"of its own {said['anonymous']:,.0f} MiB"
            )
        print(f"the same ten rows each time: {all(hits == found[0] for hits in found)}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
