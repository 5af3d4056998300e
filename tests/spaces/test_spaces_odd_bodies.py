"""Bodies that no server should send end in an error that says so, never in a traceback."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from stand_in import Answer, StandIn, reply, sse
from stand_in_gradio import StandInGradio, completed, config

from ellmental_embeddings import (
    BadReply,
    ConfigurationError,
    EmbeddingError,
    PluginError,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Load


def _fails(load: Load, url: str, **settings: Any) -> EmbeddingError:
    """How one text fails, by itself or with its call; no fault of the plugin in any case."""
    with pytest.raises(EmbeddingError) as caught:
        load(url, EMBEDDING_DEADLINE=0.4, **settings).embed(["one"])
    failure: EmbeddingError = caught.value
    if failure.result is not None and failure.result.failed:
        failure = failure.result.failed[0]
    assert not isinstance(failure, PluginError), failure
    return failure


@pytest.mark.parametrize("body", [b"null", b"[]", b'"x"', b"{", b"", b"12", b'{"error"', b"\xff"])
@pytest.mark.parametrize("status", [200, 500])
def test_odd_answers_to_a_direct_call(
    status: int, body: bytes, server: StandIn, load: Load
) -> None:
    """What comes in place of an object, with either status, is told as what it is."""
    server.on("GET /config", reply(config("ws", "")))
    server.on("POST /run/predict", reply(body, status))
    assert isinstance(_fails(load, server.url), BadReply | Unavailable)


@pytest.mark.parametrize("event", [b"null", b"[]", b"nonsense", b"", b"{", b"\xff\xfe", b'"x"'])
def test_odd_events(event: bytes, gradio: StandInGradio, load: Load) -> None:
    """An event that is no message is told, or passed over until the stream ends."""
    gradio.streams = [sse(b"data: " + event + b"\n\n") for _ in range(9)]
    assert isinstance(_fails(load, gradio.url), BadReply | Unavailable)


HUGE = b"[[" + b"9" * 400 + b", 1]]"
DEEP = b"[" * 500 + b"1" + b"]" * 500
DEEPER = b"[" * 100_000 + b"1" + b"]" * 100_000
DEEP_OBJECT = b'{"a":' * 500 + b"1" + b"}" * 500


@pytest.mark.parametrize("value", [HUGE, DEEP, DEEPER, DEEP_OBJECT, b"[[NaN]]", b"[[1e999]]"])
def test_numbers_and_nests_beyond_all_measure(
    value: bytes, gradio: StandInGradio, load: Load
) -> None:
    """Integers of 400 digits and 500 levels of brackets are bad answers, not faults in here."""
    message = json.dumps(completed("VALUE")).encode().replace(b'"VALUE"', value)
    gradio.streams = [sse(b"data: " + message + b"\n\n")] * 3
    assert isinstance(_fails(load, gradio.url), BadReply)


def test_a_deep_nest_beside_good_vectors(gradio: StandInGradio, load: Load) -> None:
    """Five hundred levels of brackets elsewhere in the answer are a bad answer as well."""
    message = json.dumps({**completed([[1.0]]), "more": "DEEP"}).encode().replace(b'"DEEP"', DEEP)
    gradio.streams = [sse(b"data: " + message + b"\n\n")] * 4
    assert isinstance(_fails(load, gradio.url), BadReply)


@pytest.mark.parametrize(
    "target", ["http://x:99999/", "http://[", "//[::1", "http://", "https://a:b/", "a://b"]
)
@pytest.mark.parametrize("route", ["GET /config", "POST /gradio_api/queue/join"])
def test_redirects_to_nowhere(route: str, target: str, gradio: StandInGradio, load: Load) -> None:
    """A Location that is no address is told as a redirect that was not followed."""
    gradio.on(route, Answer(307, headers={"location": target}))
    assert isinstance(_fails(load, gradio.url), ConfigurationError)


@pytest.mark.parametrize("content", [[], None, {"dependencies": 1}, {"version": 3}, "x", 1.5])
def test_odd_configs(content: object, server: StandIn, load: Load) -> None:
    """What is no config of a Gradio is no Gradio."""
    server.on("GET /config", reply(content))
    assert "Tried: GET /config" in str(_fails(load, server.url))


@pytest.mark.parametrize(
    "dependency",
    [
        {"api_name": "predict", "inputs": 1},
        {"api_name": "predict", "inputs": {"a": 1}},
        {"api_name": "predict", "inputs": [[1]]},
        {"api_name": "predict", "inputs": [1], "types": []},
        {"api_name": "predict", "inputs": [1], "id": "x"},
        {"api_name": ["predict"], "inputs": [1]},
        None,
    ],
)
def test_odd_dependencies(dependency: object, server: StandIn, load: Load) -> None:
    """An endpoint whose description makes no sense is told, not stumbled over."""
    server.on("GET /config", reply({**config(), "dependencies": [dependency]}))
    _fails(load, server.url)


@contextmanager
def _speaking(answer: bytes) -> Iterator[str]:
    """A port that answers every connection with these bytes."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def serve() -> None:
            try:
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(65_536)
                        connection.sendall(answer)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def test_http_to_a_server_of_https_is_told(load: Load) -> None:
    """A server that answers http:// with a TLS alert is told as one that wants https://."""
    with _speaking(b"\x15\x03\x01\x00\x02\x02\x0a") as url:
        failure = _fails(load, url)
    assert f"write {url.replace('http', 'https')}" in str(failure)
    assert isinstance(failure, ConfigurationError)


def test_http_to_a_proxy_of_https_is_told(server: StandIn, load: Load) -> None:
    """An nginx answers http:// on its https port with a page that says so, which is passed on."""
    page = b"<title>400 The plain HTTP request was sent to HTTPS port</title>"
    server.on("GET /config", Answer(400, "text/html", [page]))
    failure = _fails(load, server.url)
    assert f"write {server.url.replace('http', 'https')}" in str(failure)
