"""The README's sections for OPENAI and Azure, line by line, against the stand-in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from server_vectors import vectors_of
from server_witness import SMALL, leaked

if TYPE_CHECKING:
    from openai_server import OpenAIServer

README = Path(__file__).parents[2] / "README.md"
BIN = Path(sys.executable).parent


def section(title: str) -> str:
    """The first shell block of a section, without the installing: it is there already."""
    text = README.read_text("utf-8").split(f"### {title}")[1]
    lines = text.split("```sh\n")[1].split("```")[0].splitlines()
    assert lines[0].startswith("pip install ./core ./plugins/")
    return "\n".join(lines[1:])


@pytest.mark.parametrize("title", ["OpenAI, or a server", "Azure OpenAI"])
def test_a_section_works_as_it_stands(server: OpenAIServer, title: str) -> None:
    """Only the key and the host are the stand-in's: doctor is content, the vector is right."""
    script = section(title)
    for theirs in ("sk-...", "..."):
        script = script.replace(f"OPENAI_API_KEY={theirs}", f"OPENAI_API_KEY={server.key}")
    script = script.replace("https://NAME.openai.azure.com", server.origin)
    ran = subprocess.run(
        ["bash", "-ec", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "OPENAI_BASE_URL": server.url},
    )
    assert ran.returncode == 0, ran.stderr
    (asked,) = re.findall(r'ellmental vector "(.+)"', script)
    vector = np.array(json.loads(ran.stdout.splitlines()[-1]), np.float32)
    np.testing.assert_allclose(vector, vectors_of(SMALL, [asked], None)[0], atol=1e-6)
    assert server.bill.requests[-1].texts == (asked,)
    assert not leaked(server.key, ran.stdout, ran.stderr)
