"""Which way through the SDK costs what: CPU of the client per text, with and without TLS.

    python tests/benchmarks/openai_transport.py [--texts 20000] [--batch 50] [--runs 3]

A process of its own answers every request with a prepared body at once, so that it costs the
client nothing but the wire. Each way runs in a process of its own; the least of the runs counts.
Needs ellmental-embeddings-openai, and cryptography (azure-identity brings it) for TLS.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import resource
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WIDTH = 1536
IN_FLIGHT = 64
WAYS = (
    "plugin",
    "post aiohttp scan",
    "post httpx2 scan",
    "raw aiohttp scan",
    "post aiohttp json",
    "create aiohttp",
    "create httpx2",
)


def body(texts: int) -> bytes:
    """A good answer of so many texts, as OpenAI spells it."""
    import numpy as np

    vectors = np.random.default_rng(7).normal(size=(texts, WIDTH)).astype("<f4")
    rows = [
        {"object": "embedding", "index": place, "embedding": base64.b64encode(row).decode()}
        for place, row in enumerate(vectors)
    ]
    usage = {"prompt_tokens": texts, "total_tokens": texts}
    answer = {"object": "list", "data": rows, "model": "m", "usage": usage}
    return json.dumps(answer, indent=2).encode()


class Prepared(asyncio.Protocol):
    """Answers each request with the same bytes, as soon as it is whole."""

    answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        """Count bytes until a request is whole."""
        self.received += data
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(rest) >= length:
            self.received = rest[length:]
            self.transport.write(self.answer)


async def serve(texts: int, certificate: str) -> None:
    """Serve until the process is ended; says its port first."""
    content = body(texts)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}"
    Prepared.answer = head.encode() + b"\r\n\r\n" + content
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, Path(certificate).with_name("standin-key.pem"))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Prepared, "127.0.0.1", 0, ssl=context, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def way_of(name: str, url: str) -> Callable[[list[str]], Awaitable[object]]:
    """One way of asking for a batch, its answer decoded to a matrix."""
    import httpx2
    import numpy as np

    import openai
    from ellmental_embeddings_openai.answer import read_answer
    from ellmental_embeddings_openai.request import Form

    kind, http, *decoding = name.split()
    pool = openai.DefaultAioHttpClient() if http == "aiohttp" else openai.DefaultAsyncHttpx2Client()
    client = openai.AsyncOpenAI(api_key="k", base_url=url, max_retries=0, http_client=pool)
    form = Form(model="m", dimensions=None, encoding="base64")

    async def post(texts: list[str]) -> object:
        content = form.body(tuple(texts))
        answer = await client.post("/embeddings", cast_to=httpx2.Response, content=content)
        if decoding == ["scan"]:
            return read_answer(answer.content, len(texts))
        rows = json.loads(answer.content)["data"]
        return np.stack([np.frombuffer(base64.b64decode(r["embedding"]), "<f4") for r in rows])

    async def raw(texts: list[str]) -> object:
        asked: Any = client.embeddings.with_raw_response
        answer = await asked.create(model="m", input=texts, encoding_format="base64")
        return read_answer(answer.content, len(texts))

    async def create(texts: list[str]) -> object:
        answer = await client.embeddings.create(model="m", input=texts)
        return np.array([row.embedding for row in answer.data], dtype=np.float32)

    return {"post": post, "raw": raw, "create": create}[kind]


async def drive(ask: Callable[[list[str]], Awaitable[object]], batches: list[list[str]]) -> None:
    """Send all batches, so many in flight."""
    waiting = iter(batches)

    async def work() -> None:
        for batch in waiting:
            await ask(batch)

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


def measure(name: str, url: str, number: int, batch: int) -> None:
    """Run one way in this process; print CPU per text in us, wall seconds, peak MiB."""
    texts = [f"text {place:08d} " + "x" * 46 for place in range(number)]
    batches = [texts[start : start + batch] for start in range(0, number, batch)]
    if name == "plugin":
        from ellmental_embeddings import load_generator

        with load_generator(
            "OPENAI", OPENAI_BASE_URL=url, OPENAI_MODEL="m", BATCH_SIZE=batch
        ) as generator:
            generator.embed(texts[:batch])
            began, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
            generator.embed(texts)
    else:
        ask = way_of(name, url)
        began, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        asyncio.run(drive(ask, batches))
    ended = resource.getrusage(resource.RUSAGE_SELF)
    cpu = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    print(cpu / number * 1e6, time.perf_counter() - wall, ended.ru_maxrss / 1024, flush=True)


def main() -> None:
    """Measure all ways, or be one of the processes that take part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--part", nargs="*", default=[], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part[:1] == ["serve"]:
        asyncio.run(serve(int(given.part[1]), given.part[2]))
    elif given.part:
        measure(given.part[0], given.part[1], given.texts, given.batch)
    else:
        compare(given.texts, given.batch, given.runs)


def compare(texts: int, batch: int, runs: int) -> None:
    """Start the server and each way in turn; print a table."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "openai"))
    from server_tls import make_certificate

    folder = Path(tempfile.mkdtemp())
    _, certificate = make_certificate(folder)
    sizes = ["--texts", str(texts), "--batch", str(batch)]
    print(f"{texts} texts, batch {batch}, {WIDTH} dimensions; least of {runs} runs")
    print(f"{'way':20} {'us CPU/text':>12} {'with TLS':>10} {'wall s':>8} {'peak MiB':>9}")
    for name in WAYS:
        found = []
        for file in ("", str(certificate)):
            command = [sys.executable, __file__, "--part", "serve", str(batch), file]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
                assert server.stdout is not None
                scheme = "https" if file else "http"
                url = f"{scheme}://127.0.0.1:{server.stdout.readline().strip()}/v1"
                try:
                    results = [run([*sizes, "--part", name, url], file) for _ in range(runs)]
                finally:
                    server.terminate()
                found.append([min(column) for column in zip(*results, strict=True)])
        plain, secure = found
        print(f"{name:20} {plain[0]:12.0f} {secure[0]:10.0f} {plain[1]:8.2f} {plain[2]:9.0f}")


def run(arguments: list[str], certificate: str) -> list[float]:
    """One run in a process of its own."""
    environment = {**os.environ, **({"SSL_CERT_FILE": certificate} if certificate else {})}
    command = [sys.executable, __file__, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return [float(number) for number in ran.stdout.split()]


if __name__ == "__main__":
    main()
