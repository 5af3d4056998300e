"""The kit's server does what it is told to, seen by a client that hides nothing."""

from __future__ import annotations

import http.client
import json
import math
import socket
import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from ellmental_embeddings.testing import (
    FAULTS,
    Answer,
    Fault,
    FaultServer,
    Request,
    Row,
    asked_to_wait,
    status,
    vector_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TEXTS = ["one", "two", "three"]


class Protocol:
    """A protocol as an author would write it down."""

    def texts_of(self, request: Request) -> Sequence[str] | None:
        """``in`` of /embed."""
        return request.json["in"] if request.path == "/embed" else None

    def reply(self, request: Request, rows: Sequence[Row]) -> object:
        """Rows with their places."""
        return [[row.index, row.vector] for row in rows]

    def error(self, status: int, message: str) -> object:
        """A message."""
        return {"said": message}

    def other(self, request: Request) -> object:
        """Its health, and nothing else."""
        return {"fine": True} if request.path == "/health" else None


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A server with a key that it repeats."""
    with FaultServer(Protocol(), ["the-key"]) as running:
        yield running


def ask(server: FaultServer, path: str = "/embed", *, timeout: float = 10) -> tuple[int, Any, Any]:
    """Status, headers and body of one request."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        connection.request("POST", path, json.dumps({"in": TEXTS}))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def rows(server: FaultServer) -> list[Any]:
    """The rows of a reply."""
    found: list[Any] = json.loads(ask(server)[2])
    return found


def test_good_reply_has_the_vector_of_each_text(server: FaultServer) -> None:
    """What comes is ``vector_of`` each text, of length 1, exact in float32."""
    found = rows(server)
    assert found == [
        [index, list(vector_of(text, server.width))] for index, text in enumerate(TEXTS)
    ]
    assert all(math.isclose(math.hypot(*vector), 1, rel_tol=1e-6) for _, vector in found)
    assert list(server.asked[0]) == TEXTS


def test_told_texts_have_vectors_of_their_own() -> None:
    """An instruction beside a text makes another vector, and no concatenation of the two."""
    assert len({vector_of(item, 8) for item in ("ab", ("a", "b"), ("", "ab"), ("b", "a"))}) == 4


def test_other_requests_are_answered_and_not_counted(server: FaultServer) -> None:
    """What wants no embeddings meets no fault."""
    server.always(FAULTS["status 503"])
    assert ask(server, "/health")[0] == 200
    assert ask(server, "/unknown")[0] == 404
    assert server.asked == []
    assert [request.path for request in server.requests] == ["/health", "/unknown"]


def test_next_faults_come_once_and_lasting_ones_until_they_are_lifted(server: FaultServer) -> None:
    """A script of faults is followed in order; the lasting one fills the rest."""
    server.next(status(500), status(429))
    server.always(status(503))
    assert [ask(server)[0] for _ in range(4)] == [500, 429, 503, 503]
    server.always(None)
    assert ask(server)[0] == 200


def test_refusal_repeats_the_key(server: FaultServer) -> None:
    """Services repeat keys; so does the author's error, where the fault's message has it."""
    server.next(FAULTS["status 401"])
    code, _, body = ask(server)
    assert code == 401
    assert json.loads(body) == {"said": "Incorrect API key provided: the-key"}


@pytest.mark.parametrize(
    ("form", "header", "seconds"),
    [
        ("seconds", "retry-after", 8.0),
        ("float", "retry-after", 7.5),
        ("milliseconds", "retry-after-ms", 7500.0),
    ],
)
def test_wait_is_said_in_numbers(
    server: FaultServer, form: Any, header: str, seconds: float
) -> None:
    """Seconds are rounded up, fractions and milliseconds are exact."""
    server.next(asked_to_wait(form, 7.5))
    code, headers, _ = ask(server)
    assert code == 429
    assert float(headers[header]) == seconds


def test_wait_is_said_as_a_date_or_not_at_all(server: FaultServer) -> None:
    """The date is HTTP's, in GMT; without a form there is no header."""
    server.next(asked_to_wait("date", 100), asked_to_wait("none", 100))
    said = ask(server)[1]["retry-after"]
    assert said.endswith(" GMT")
    assert 90 < (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds() <= 100
    assert not [name for name in ask(server)[1] if name.lower().startswith("retry")]


def test_rows_go_wrong_as_their_names_say(server: FaultServer) -> None:
    """Each fault of the rows is what it is called, and leaves the others as they are."""
    good = rows(server)

    def bad(name: str) -> list[Any]:
        server.next(FAULTS[name])
        return rows(server)

    shuffled = bad("rows shuffled")
    assert shuffled != good
    assert sorted(shuffled) == sorted(good)
    assert [row[0] for row in bad("one index twice")] == [0, 0, 0]
    assert [row[0] for row in bad("indices counted from 1")] == [1, 2, 3]
    assert bad("one row short") == good[:2]
    assert bad("one row long")[:3] == good
    assert math.isnan(bad("NaN")[2][1][0])
    assert math.isinf(bad("infinity")[2][1][0])
    assert [len(row[1]) for row in bad("rows of two widths")] == [16, 16, 15]
    assert [row[1] for row in bad("rows without numbers")] == [[], [], []]


def test_bodies_go_wrong_as_their_names_say(server: FaultServer) -> None:
    """A cut body has its right length and is no JSON; a page says that it is one."""
    server.next(*(FAULTS[name] for name in ("body cut off", "body empty", "a web page")))
    with pytest.raises(ValueError, match="line 1"):
        json.loads(ask(server)[2])
    assert ask(server)[2] == b""
    code, headers, body = ask(server)
    assert (code, headers.get_content_type()) == (200, "text/html")
    assert b"<html>" in body


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("reset before the answer", ConnectionError),
        ("reset in the body", (ConnectionError, http.client.IncompleteRead)),
        ("closed in the body", http.client.IncompleteRead),
        ("no answer", TimeoutError),
    ],
)
def test_connections_break_as_their_names_say(server: FaultServer, name: str, error: Any) -> None:
    """What the client's socket sees is what is promised."""
    server.next(FAULTS[name])
    with pytest.raises(error):
        ask(server, timeout=0.3)
    assert ask(server)[0] == 200


def test_drip_keeps_within_every_timeout_of_its_own(server: FaultServer) -> None:
    """Bytes come one by one: no read times out, though the whole would take minutes."""
    server.next(FAULTS["slow drip"])
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps({"in": TEXTS}).encode()
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(b"POST /embed HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        assert [client.recv(100) for _ in range(5)] == [b"H", b"T", b"T", b"P", b"/"]


def test_chunked_requests_are_read(server: FaultServer) -> None:
    """Clients that do not know their length beforehand are understood."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port))
    parts = iter([b'{"in": ["o', b'ne"]}'])
    connection.request("POST", "/embed", body=parts, encode_chunked=True)
    assert len(json.loads(connection.getresponse().read())) == 1
    connection.close()


def test_held_requests_are_answered_together(server: FaultServer) -> None:
    """The first waits for the second, so that overlapping can be told from taking turns."""
    server.hold = 2
    threads = [threading.Thread(target=ask, args=(server,), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert server.together == 2


def test_author_may_make_a_fault_and_an_answer_of_his_own(server: FaultServer) -> None:
    """Faults are made of the same few things as those of the kit."""

    class Teapot(Protocol):
        def error(self, status: int, message: str) -> object:
            return Answer(content=b"short and stout", kind="text/tea")

    server.speaks = Teapot()
    server.next(Fault(name="tea", status=418, headers={"x-pot": "brown"}))
    code, headers, body = ask(server)
    assert (code, headers["content-type"], headers["x-pot"]) == (418, "text/tea", "brown")
    assert body == b"short and stout"


def test_mistake_of_the_protocol_is_kept_for_the_author(server: FaultServer) -> None:
    """What texts_of raises reaches neither the log nor the client as a crash."""

    class Mistaken(Protocol):
        def texts_of(self, request: Request) -> Sequence[str] | None:
            raise KeyError("texts")

    server.speaks = Mistaken()
    assert ask(server)[0] == 404
    assert repr(server.trouble) == "KeyError('texts')"


def test_stopped_server_refuses_connections(server: FaultServer) -> None:
    """Nobody listens after ``stop``; stopping again does nothing."""
    server.stop()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        ask(server)
