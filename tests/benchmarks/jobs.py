"""`ellmental embed` beside llm's `embed-multi`: rows a second, memory, bytes on disk.

    python3 tests/benchmarks/jobs.py                   200,000 rows, a few minutes
    python3 tests/benchmarks/jobs.py --rows 20000
    python3 tests/benchmarks/jobs.py --write           and into docs/explanation/job-store.md

Both read the same CSV file and embed it over the same loopback server, which costs next to
nothing (jobs_server.py): what is measured is the tools. Then `ellmental embed` embeds a labelled
corpus (the paragraphs and questions of XQuAD, in tests/local) with LOCAL. llm is installed into an
environment of its own, which is kept in .venv-benchmark-llm; --without-llm leaves it out. Needs an
environment with all dists (tests/run.py makes one), and Linux or macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
XQUAD = ROOT / "tests" / "local" / "data" / "xquad-en.jsonl"
LLM = ROOT / ".venv-benchmark-llm"
PAGE = ROOT / "docs" / "explanation" / "job-store.md"
BEGIN, END = "<!-- jobs: begin -->", "<!-- jobs: end -->"
DIMENSIONS = 512
ELLMENTAL = [sys.executable, "-m", "ellmental_embeddings"]


@dataclass
class Measured:
    """What one run took."""

    name: str
    rows: int
    seconds: float
    cpu: float
    peak: float
    disk: int

    def line(self) -> str:
        """A row of the table."""
        return (
            f"| {self.name} | {self.rows:,} | {self.rows / self.seconds:,.0f} | "
            f"{self.cpu / self.rows * 1e6:,.0f} | {self.peak:,.0f} MB | {self.disk / 1e6:,.1f} MB |"
        )


def measured(name: str, rows: int, command: list[str], disk: Path, **variables: str) -> Measured:
    """Run a command to its end and measure it."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode != 0:
        raise SystemExit(f"{name} failed:\n{said.decode()}")
    scale = 1 if sys.platform == "darwin" else 1024
    return Measured(
        name=name,
        rows=rows,
        seconds=time.monotonic() - began,
        cpu=used.ru_utime + used.ru_stime,
        peak=used.ru_maxrss * scale / 1e6,
        disk=sum(path.stat().st_size for path in disk.glob("**/*") if path.is_file()),
    )


def write_input(path: Path, rows: int) -> None:
    """Rows of some thirty words, all different, as CSV with an id."""
    with path.open("w") as stream:
        stream.write("id,text\n")
        for number in range(rows):
            words = " ".join(f"word{(number * 31 + place * 17) % 5003}" for place in range(30))
            stream.write(f"row-{number},document {number}: {words}\n")


def llm_command() -> str:
    """The path of llm, installed into an environment of its own."""
    command = LLM / "bin" / "llm"
    if not command.exists():
        venv.create(LLM, with_pip=True)
        subprocess.run(
            [LLM / "bin" / "python", "-m", "pip", "install", "-q", "llm>=0.20"], check=True
        )
    return str(command)


def over_loopback(rows: int, *, with_llm: bool) -> list[Measured]:
    """Both tools on the same rows."""
    server = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("jobs_server.py"), str(DIMENSIONS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    address = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
    service = {"OPENAI_BASE_URL": address, "OPENAI_API_KEY": "sk-made-up-for-the-benchmark"}
    settings = {
        "EMBEDDING_GENERATOR": "OPENAI",
        "OPENAI_MODEL": "text-embedding-3-small",
        "EMBEDDING_DIMENSIONS": str(DIMENSIONS),
        "BATCH_SIZE": "100",
    }
    found = []
    try:
        with tempfile.TemporaryDirectory(prefix="ellmental-benchmark-") as place:
            folder = Path(place)
            write_input(folder / "rows.csv", rows)
            for name, store in (
                ("ellmental embed", "float32"),
                ("with --store float16", "float16"),
                ("with --store int8", "int8"),
                ("the last one again, finished", "int8"),
            ):
                out = folder / store
                command = [*ELLMENTAL, "embed", str(folder / "rows.csv"), "--id", "id"]
                command += ["-o", str(out), "--store", store]
                found.append(measured(name, rows, command, out, **settings, **service))
            if with_llm:
                base = folder / "llm"
                base.mkdir()
                command = [
                    llm_command(),
                    *("embed-multi", "rows", str(folder / "rows.csv"), "--format", "csv"),
                    *("-m", f"3-small-{DIMENSIONS}", "--store", "--batch-size", "100"),
                    *("-d", str(base / "rows.db")),
                ]
                found.append(
                    measured("llm embed-multi", rows, command, base, LLM_USER_PATH=place, **service)
                )
    finally:
        server.communicate("")
    return found


def with_local() -> Measured:
    """The labelled corpus with the built-in model."""
    with tempfile.TemporaryDirectory(prefix="ellmental-benchmark-") as name:
        folder = Path(name)
        lines = [json.loads(line) for line in XQUAD.read_text("utf-8").splitlines()]
        texts = list(dict.fromkeys(line["text"] for line in lines if "text" in line))
        (folder / "xquad.jsonl").write_text("".join(f"{json.dumps(text)}\n" for text in texts))
        command = [*ELLMENTAL, "embed", str(folder / "xquad.jsonl"), "-o", str(folder / "out")]
        return measured(
            "XQuAD with LOCAL",
            len(texts),
            command,
            folder / "out",
            EMBEDDING_GENERATOR="LOCAL",
        )


def table(found: list[Measured], *, with_llm: bool) -> str:
    """All that was measured, and with what."""
    lines = [
        "| | rows | rows/s | CPU us/row | peak memory | on disk |",
        "|---|---|---|---|---|---|",
        *(one.line() for one in found),
        "",
        f"{DIMENSIONS} dimensions over loopback, 384 with LOCAL. {made_with(with_llm=with_llm)}",
    ]
    return "\n".join(lines)


def made_with(*, with_llm: bool) -> str:
    """Versions and machine; no names."""
    versions = {"pyarrow": version("pyarrow"), "numpy": version("numpy")}
    if with_llm:
        asked = [
            str(LLM / "bin" / "python"),
            "-c",
            "import importlib.metadata as m; print(m.version('llm'))",
        ]
        ran = subprocess.run(asked, capture_output=True, text=True, check=True)
        versions = {"llm": ran.stdout.strip(), **versions}
    said = ", ".join(f"{name} {number}" for name, number in versions.items())
    return (
        f"{said}, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}."
    )


def write(text: str) -> None:
    """The table into its place in the page."""
    before, begin, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE.name} has no place for the table: {BEGIN} and {END}")
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def main() -> int:
    """Run everything, print the table, and write it where that was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--without-llm", action="store_true")
    parser.add_argument("--write", action="store_true", help=f"the table into {PAGE.name}")
    given = parser.parse_args()
    with_llm = not given.without_llm
    found = [*over_loopback(given.rows, with_llm=with_llm), with_local()]
    text = table(found, with_llm=with_llm)
    print(text)
    if given.write:
        write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
