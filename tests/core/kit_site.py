"""Sample generators with a fault in each, installed side by side; and pytest runs over them.

python tests/core/kit_site.py            runs the whole contract over every planted fault, and
                                         prints which checks found it (some minutes)
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import ellmental_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kit_planted import Planted

__all__ = ["KitSite", "Ran"]

SAMPLES = Path(__file__).parent / "kit_samples"

_ACME_TEST = """
from ellmental_embeddings.testing import GeneratorContract


class Test{title}(GeneratorContract):
    def settings(self):
        return {{"EMBEDDING_GENERATOR": "{name}", "ACME_KEY": "a key of some length",
                "ACME_URL": self.server.url}}

    def texts_of(self, request):
        if request.path != "/embed":
            return None
        told = request.json["told"]
        return [(told, text) if told else text for text in request.json["texts"]]

    def reply(self, request, rows):
        return {{"rows": [{{"at": row.index, "numbers": row.vector}} for row in rows]}}
"""

_HASHED_TEST = """
from ellmental_embeddings.testing import GeneratorContract


class Test{title}(GeneratorContract):
    def settings(self):
        return {{"EMBEDDING_GENERATOR": "{name}"}}
"""

# No other plugin than the kit's: they would double the time that a run takes to start.
_PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=ran.xml"]
_ALONE = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "ellmental_embeddings.testing.pytest_plugin",
}

_TESTS = {"acme": _ACME_TEST, "hashed": _HASHED_TEST}


@dataclass(frozen=True)
class Ran:
    """What a run of pytest came to: its output, and the tests by outcome (without parameters)."""

    output: str
    failed: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)


class KitSite:
    """A folder with sample plugins, as pip would install them, and their contracts."""

    def __init__(self, folder: Path, *, strict: bool = True) -> None:
        self.folder = folder
        # Some faults leave sockets and coroutines behind, and are no less found for that.
        warned = "error" if strict else "ignore"
        (folder / "pytest.ini").write_text(f"[pytest]\nfilterwarnings = {warned}\n", "utf-8")

    def plant(self, fault: Planted | None, sample: str = "", called: str = "good") -> str:
        """Install a sample, with a fault or without; returns its contract's node id."""
        sample = fault.sample if fault else sample
        slug = re.sub(r"\W+", "_", fault.name if fault else called).lower()
        package = self.folder / f"kit_{sample}_{slug}"
        package.mkdir()
        for path in sorted((SAMPLES / sample).glob("*.py")):
            text = path.read_text("utf-8")
            if fault and path.name == fault.file:
                assert text.count(fault.was) == 1, f"{fault.name}: {fault.was!r} in {path}"
                text = text.replace(fault.was, fault.becomes)
            name = f"{sample}_{slug}".upper()
            text = text.replace(f'name="{sample.upper()}"', f'name="{name}"')
            compile(text, path.name, "exec")  # a fault of grammar would be found by every check
            (package / path.name).write_text(text, "utf-8")
        info = self.folder / f"{package.name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package.name}\nVersion: 1.0\n", "utf-8"
        )
        points = f"[ellmental_embeddings]\n{name} = {package.name}\n"
        (info / "entry_points.txt").write_text(points, "utf-8")
        title = "".join(word.capitalize() for word in package.name.split("_"))
        test = self.folder / f"test_{package.name}.py"
        test.write_text(_TESTS[sample].format(title=title, name=name), "utf-8")
        return f"{test.name}::Test{title}"

    def run(self, *arguments: str) -> Ran:
        """Run pytest in the folder."""
        core = Path(ellmental_embeddings.__file__).parents[1]
        kept = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
        paths = [str(self.folder), str(core), kept.get("PYTHONPATH", "")]
        ended = subprocess.run(
            [*_PYTEST, *arguments],
            cwd=self.folder,
            env={**kept, **_ALONE, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        report = self.folder / "ran.xml"
        if not report.exists():
            raise RuntimeError(ended.stdout + ended.stderr)
        cases = list(ET.parse(report).getroot().iter("testcase"))
        bad = {_id(case) for case in cases if case.find("failure") is not None}
        bad |= {_id(case) for case in cases if case.find("error") is not None}
        good = {_id(case) for case in cases if len(case) == 0 or case.find("skipped") is None}
        return Ran(ended.stdout + ended.stderr, bad, good - bad)


def _id(case: ET.Element) -> str:
    """``file.py::Class::check`` without parameters."""
    module, _, title = case.attrib["classname"].rpartition(".")
    return f"{module}.py::{title}::{case.attrib['name'].partition('[')[0]}"


def main(wanted: Iterable[str]) -> int:
    """Print for each fault which checks found it; 1 where one is not found by its own."""
    from kit_faults import FAULTS

    missed = 0
    for fault in [fault for fault in FAULTS if not wanted or any(w in fault.name for w in wanted)]:
        with tempfile.TemporaryDirectory() as folder:
            site = KitSite(Path(folder), strict=False)
            ran = site.run(site.plant(fault))
        found = sorted(test.rpartition("::")[2] for test in ran.failed)
        ok = set(fault.checks) <= set(found)
        missed += not ok
        print(f"{'caught' if ok else 'MISSED'}  {fault.sample}: {fault.name}: {', '.join(found)}")
        sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
