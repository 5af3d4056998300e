"""A new process to its first vector: what the SDK's import costs, and what can be done about it.

    python tests/benchmarks/openai_start.py [--runs 6]

Each way runs in a process of its own, on one core where that can be had, against a server that
answers with a prepared body; the least of the runs counts. Needs ellmental-embeddings-openai, and
cryptography (azure-identity brings it) for TLS.
"""

from __future__ import annotations

import argparse
import os
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "openai"))

from server_tls import make_certificate

if TYPE_CHECKING:
    from collections.abc import Mapping

_BEGIN = "import sys, time; url = sys.argv[1]\n"
_END = "\nassert len(vector) == 1536; print(time.process_time() * 1000, flush=True)"
_PLAIN = """
import sys
import openai
vector = openai.OpenAI(api_key="k", base_url=url).embeddings.create(model="m", input=["a"])
vector = vector.data[0].embedding
"""
_PLUGIN = """
from ellmental_embeddings import load_generator
generator = load_generator("OPENAI", OPENAI_BASE_URL=url, OPENAI_MODEL="m")
vector = generator.embed(["a"]).vectors[0]
"""
_FLOOR = """
import asyncio, aiohttp, base64, json, numpy
async def ask():
    asked = {"model": "m", "input": ["a"], "encoding_format": "base64"}
    async with aiohttp.ClientSession() as session:
        async with session.post(url + "/embeddings", json=asked) as answer:
            return json.loads(await answer.read())["data"][0]["embedding"]
vector = numpy.frombuffer(base64.b64decode(asyncio.run(ask())), "<f4")
"""
_THROUGH_THE_SDK = {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
"""A proxy that is for others: the plugin leaves every request to the SDK."""

WAYS: dict[str, tuple[str, Mapping[str, str]]] = {
    "the plain SDK, no aiohttp there": ('sys.modules["aiohttp"] = None' + _PLAIN, {}),
    "the plain SDK, with its extra": (_PLAIN, {}),
    "the plugin, through the SDK": (_PLUGIN, _THROUGH_THE_SDK),
    "the plugin": (_PLUGIN, {}),
    "aiohttp by hand": (_FLOOR, {}),
}


def main() -> None:
    """Measure all ways in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=6)
    runs = parser.parse_args().runs
    folder = Path(tempfile.mkdtemp())
    _, certificate = make_certificate(folder)
    trusted = folder / "trusted.pem"
    usual = Path(ssl.get_default_verify_paths().openssl_cafile)
    trusted.write_bytes((usual.read_bytes() if usual.exists() else b"") + certificate.read_bytes())
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for file in ("", str(certificate)):
        server = Path(__file__).with_name("openai_transport.py")
        command = [sys.executable, str(server), "--part", "serve", "1", file]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            port = running.stdout.readline().strip()
            url = f"http{'s' if file else ''}://127.0.0.1:{port}/v1"
            try:
                taken = [{name: run(name, url, trusted) for name in WAYS} for _ in range(runs)]
            finally:
                running.terminate()
        for name in WAYS:
            found[name].append(min(one[name] for one in taken))
    print(f"CPU to the first vector, ms; least of {runs} runs\n{'':34} {'http':>6} {'https':>6}")
    for name, (plain, secure) in found.items():
        print(f"{name:34} {plain:6.0f} {secure:6.0f}")


def run(name: str, url: str, trusted: Path) -> float:
    """One run in a process of its own: milliseconds of CPU, from its start."""
    program, variables = WAYS[name]
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    ran = subprocess.run(
        [sys.executable, "-c", _BEGIN + program + _END, url],
        env={**kept, "SSL_CERT_FILE": str(trusted), **variables},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(ran.stdout)


if __name__ == "__main__":
    main()
