"""The project's stand-in for OpenAI, Azure OpenAI and the servers that imitate them.

In a test::

    with OpenAIServer() as server:
        server.script.next("rate_limited", after=1, how="date")
        load_generator("OPENAI", OPENAI_BASE_URL=server.url, OPENAI_API_KEY=server.key, ...)
        assert not server.bill.paid_twice()

As a process, with one line of JSON on stdout that says where it is::

    python openai_server.py --port 0 --profile vllm

A test in another process scripts it over ``/-/fail`` and reads ``/-/bill`` (server_control.py).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from server_answers import good_answer
from server_bill import Bill, Seen
from server_checks import Asked, House, Refused, ask
from server_control import control
from server_http import Request, Response, read_request, whole
from server_pace import RateLimit
from server_profiles import AZURE, PROFILES, Profile
from server_script import Script
from server_tokens import CLIENT_SECRET, IDENTITY_HEADER, TokenOffice
from server_vectors import vectors_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from server_faults import Fault

__all__ = ["KEY", "MODELS", "OpenAIServer"]

KEY = "sk-W9fQ2xLr7TzKp4Ve8NbYc3HdGm6Ju1"
MODELS = (
    "text-embedding-3-small",
    "text-embedding-3-large",
    "text-embedding-ada-002",
    "standin-embed",
)
DEPLOYMENTS = {"my-deployment": "text-embedding-3-small", "old-ada": "text-embedding-ada-002"}


class OpenAIServer:
    """The stand-in, in a thread of its own from ``with`` to its end.

    Args:
        profile: whom to imitate beside Azure; a name of server_profiles.PROFILES, or a Profile.
        key: the only key it takes; None takes any or none.
        models: models it has.
        deployments: Azure deployments and their models.
        items, tokens_per_text, tokens: other limits than the profile's, on Azure's paths, too.
        rpm, tpm, window: requests and tokens it takes per window of seconds.
        refuses: arguments of the body it does not know.
        latency: seconds before each answer.
        port: 0 is any free one.
        tls: serves https, for token requests of azure-identity.

    Attributes:
        bill: the requests that came and the texts that were paid for.
        script: what is to go wrong.
        tokens: the office that issues Entra ID tokens.
        in_flight: requests for embeddings that are being answered now.
        most_in_flight: the most there were of them at one time.
    """

    def __init__(
        self,
        profile: str | Profile = "openai",
        *,
        key: str | None = KEY,
        models: tuple[str, ...] = MODELS,
        deployments: Mapping[str, str] = DEPLOYMENTS,
        items: int | None = None,
        tokens_per_text: int | None = None,
        tokens: int | None = None,
        rpm: int | None = None,
        tpm: int | None = None,
        window: float = 60.0,
        refuses: tuple[str, ...] = (),
        latency: float = 0.0,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        limits = {"items": items, "tokens_per_text": tokens_per_text, "tokens": tokens}
        changed = {name: value for name, value in limits.items() if value is not None}
        imitated = PROFILES[profile] if isinstance(profile, str) else profile
        self.key = key or "any"
        self.tokens = TokenOffice()
        self.house = House(
            profile=replace(imitated, **changed),  # type: ignore[arg-type]
            azure=replace(AZURE, **changed),  # type: ignore[arg-type]
            key=key,
            tokens=self.tokens,
            models=models,
            deployments=deployments,
            refuses=refuses,
        )
        self.bill = Bill()
        self.script = Script()
        self.rate = RateLimit(rpm, tpm, window)
        self.latency = latency
        self.port = port
        self.most_in_flight = 0
        self.in_flight = 0
        self._tls = tls
        self._connections: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="openai-server", daemon=True)

    @property
    def origin(self) -> str:
        """Scheme, host and port; also AZURE_OPENAI_ENDPOINT."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """OPENAI_BASE_URL: with /v1, unless the imitated server has none."""
        return self.origin + self.house.profile.path.removesuffix("/embeddings")

    def identity_variables(self) -> dict[str, str]:
        """Environment variables that make this the App Service's managed identity."""
        return {
            "IDENTITY_ENDPOINT": f"{self.origin}/msi/token",
            "IDENTITY_HEADER": IDENTITY_HEADER,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        }

    def imds_variables(self) -> dict[str, str]:
        """Environment variables that make this a virtual machine's managed identity."""
        return {
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": self.origin,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        }

    def environment_variables(self, certificate: Path) -> dict[str, str]:
        """Environment variables for azure-identity's client credentials; needs ``tls``.

        Args:
            certificate: the file that server_tls.make_certificate wrote.
        """
        return {
            "AZURE_AUTHORITY_HOST": self.origin,
            "AZURE_TENANT_ID": "adfs",
            "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000001",
            "AZURE_CLIENT_SECRET": CLIENT_SECRET,
            "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
            "REQUESTS_CA_BUNDLE": str(certificate),
            "SSL_CERT_FILE": str(certificate),
        }

    def forget(self) -> None:
        """As new: nothing seen, nothing to go wrong."""
        self.bill.forget()
        self.script.forget()

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the stand-in did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    # From here on everything runs on the server's own loop.

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(
            self._connected, "127.0.0.1", self.port, ssl=self._tls, backlog=512
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for _ in range(5):  # one accepted just now is to be known, and so closed, too
            await asyncio.sleep(0)
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (request := await read_request(reader, writer)) is not None:
                if not await self._answer(request, reader, writer):
                    break
                if request.headers.get("connection", "").lower() == "close":
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError, OSError):
                await writer.wait_closed()

    async def _answer(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if request.path.startswith("/-/"):
            return await whole(reader, writer, control(self, request))
        if (said := self.tokens.answer(request)) is not None:
            return await whole(reader, writer, said)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._embed(request, reader, writer)
        finally:
            self.in_flight -= 1

    async def _embed(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        body = _body_of(request)
        texts = _texts_of(body)
        fault, asked, response = self._decided(request, texts)
        response = replace(response, headers=self._headers(request, response))
        paid = texts if asked is not None else ()
        usable = fault is None or not fault.broken
        self.bill.charge(paid)
        self.bill.waste(() if usable else paid)
        silent = fault is not None and fault.name.startswith(("reset", "hang"))
        host, port = writer.get_extra_info("peername")[:2]
        self.bill.note(
            Seen(
                at=time.monotonic(),
                method=request.method,
                path=request.path,
                query=request.query,
                headers=request.headers,
                body=body,
                texts=texts,
                status=0 if silent else response.status,
                fault=fault.name if fault else None,
                peer=f"{host}:{port}",
                billed=bool(paid),
                broken=not usable,
            )
        )
        deliver = fault.deliver if fault else whole
        try:
            await asyncio.sleep(self.latency + (fault.delay if fault else 0.0))
            if reader.at_eof():
                raise ConnectionResetError
            return await deliver(reader, writer, response)
        except (ConnectionError, asyncio.CancelledError):
            self.bill.waste(paid if usable else ())
            raise

    def _decided(
        self, request: Request, texts: tuple[str, ...]
    ) -> tuple[Fault | None, Asked | None, Response]:
        """The fault to be played, what is embedded (None: nothing), and the answer."""
        fault = self.script.take(texts)
        if fault is not None and fault.instead is not None:
            return fault, None, fault.instead()
        try:
            asked = ask(self.house, request)
            return fault, asked, self._embedded(asked, fault)
        except Refused as refused:
            if fault is not None:
                self.script.put_back(fault)
            return None, None, refused.response

    def _embedded(self, asked: Asked, fault: Fault | None) -> Response:
        now = time.monotonic()
        if (wait := self.rate.wait(asked.tokens, now)) > 0:
            refusal, headers = self.rate.refusal(wait, now)
            said = asked.profile.style(refusal)
            raise Refused(replace(said, headers={**said.headers, **headers}))
        self.rate.spend(asked.tokens, now)
        vectors = vectors_of(asked.model, asked.texts, asked.dimensions)
        answer = good_answer(asked.says, vectors, asked.tokens, base64_asked=asked.base64)
        if asked.profile.echoes_encoding:
            for row in answer["data"]:
                row["encoding_format"] = "base64" if asked.base64 else "float"
        spoiled: object = fault.change(answer) if fault and fault.change else answer
        spelled = fault.spell(spoiled) if fault and fault.spell else json.dumps(spoiled).encode()
        response = Response(200, spelled, {"content-type": "application/json"})
        return fault.wrap(response) if fault and fault.wrap else response

    def _headers(self, request: Request, response: Response) -> dict[str, str]:
        number = hashlib.sha256(request.body + str(len(self.bill.requests)).encode()).hexdigest()
        added = {"x-request-id": f"req_{number[:16]}"}
        if response.status == 200:
            added |= {
                "openai-organization": "org-standin",
                "openai-processing-ms": "12",
                "openai-version": "2020-10-01",
                **self.rate.headers(time.monotonic()),
            }
        return {**added, **response.headers}


def _body_of(request: Request) -> dict[str, object] | None:
    try:
        body = json.loads(request.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _texts_of(body: dict[str, object] | None) -> tuple[str, ...]:
    given = (body or {}).get("input")
    if isinstance(given, str):
        return (given,)
    return tuple(map(str, given)) if isinstance(given, list) else ()


def main() -> int:
    """Serve as a process until its stdin ends or a signal comes."""
    parser = argparse.ArgumentParser(description="Stand-in for OpenAI and Azure OpenAI.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="openai")
    parser.add_argument("--key", default=KEY)
    parser.add_argument("--rpm", type=int)
    parser.add_argument("--tpm", type=int)
    parser.add_argument("--window", type=float, default=60.0)
    parser.add_argument("--latency", type=float, default=0.0)
    given = parser.parse_args()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with OpenAIServer(
        given.profile,
        key=given.key,
        port=given.port,
        rpm=given.rpm,
        tpm=given.tpm,
        window=given.window,
        latency=given.latency,
    ) as server:
        said = {"port": server.port, "url": server.url, "origin": server.origin, "key": server.key}
        print(json.dumps(said), flush=True)
        with suppress(KeyboardInterrupt):
            ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
