"""A service that speaks OpenAI's protocol and goes wrong in one way; it notes what is asked."""

from __future__ import annotations

import base64
import json
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["WAIT_S", "Service", "number_of", "serving"]

WAIT_S = 3
"""What Retry-After asks for."""

_LATENCY_S = 0.05
WIDTH = 16
"""Numbers of a vector: the first one tells the text, so that a row in a wrong place is seen."""


@dataclass
class Service:
    """What goes wrong, and what was asked.

    Attributes:
        fault: ``order``, ``missing``, ``bad text``, ``500``, ``quota``, ``wait`` (the first request
            is refused with Retry-After), or ``none``.
        requests: (seconds, texts) of each request, in order.
        most: requests that were in flight at a time, at most.
    """

    fault: str
    requests: list[tuple[float, int]] = field(default_factory=list)
    most: int = 0
    _in_flight: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, body and headers."""
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        with self._lock:
            first = not self.requests
            self.requests.append((time.monotonic(), len(texts)))
            self._in_flight += 1
            self.most = max(self.most, self._in_flight)
        time.sleep(_LATENCY_S)
        with self._lock:
            self._in_flight -= 1
        return self._said(texts, body.get("encoding_format", "float"), first=first)

    def _said(
        self, texts: list[str], encoding: str, *, first: bool
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        refusals: dict[str, tuple[int, str, str, dict[str, str]]] = {
            "500": (500, "The server had an error", "server_error", {}),
            "quota": (429, "You exceeded your current quota", "insufficient_quota", {}),
        }
        if first:
            refusals["wait"] = (429, "Rate limit reached", "rate", {"retry-after": str(WAIT_S)})
        if any("refused" in text for text in texts):
            refusals["bad text"] = (400, "'$.input' is invalid.", "invalid_request_error", {})
        if self.fault in refusals:
            status, words, kind, headers = refusals[self.fault]
            return status, {"error": {"message": words, "type": kind, "code": kind}}, headers
        data = [
            {"object": "embedding", "index": place, "embedding": vector(text, encoding)}
            for place, text in enumerate(texts)
        ]
        if self.fault == "missing" and len(data) > 1:
            del data[len(data) // 2]
        if self.fault == "order":
            data.reverse()
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return 200, {"object": "list", "model": "m", "data": data, "usage": usage}, {}


def number_of(text: str) -> float:
    """The number that a text ends in."""
    return float(text.rpartition(" ")[2])


def vector(text: str, encoding: str) -> Any:
    """As asked for: floats, or base64."""
    numbers = [number_of(text), *[0.0] * (WIDTH - 1)]
    if encoding != "base64":
        return numbers
    return base64.b64encode(struct.pack(f"<{WIDTH}f", *numbers)).decode()


@contextmanager
def serving(fault: str) -> Iterator[tuple[Service, str]]:
    """The service on a free port of this machine, and its base URL."""
    service = Service(fault)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            status, body, headers = service.answer(json.loads(self.rfile.read(length)))
            content = json.dumps(body).encode()
            self.send_response(status)
            sent = {"content-type": "application/json", "content-length": str(len(content))}
            for name, value in (sent | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 1_024

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing of clients that leave before they have heard all."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield service, f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
