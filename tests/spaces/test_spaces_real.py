"""Real Gradio servers from PyPI, each version in its own environment, started as on the Hub.

By default two versions: 3.50 (direct calls, WebSocket) and 6.31 (the newest queue). All of them:

    python3 tests/spaces/matrix.py
"""

from __future__ import annotations

import json
import logging
import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gradio_environments import VERSIONS, python_for
from gradio_spaces import running_space
from vectors_behind import QUOTA, fake_vector

from ellmental_embeddings import (
    AuthenticationFailed,
    ConfigurationError,
    QuotaExhausted,
    Unavailable,
    load_generator,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from conftest import Load
    from numpy.typing import NDArray

    Right = Callable[..., NDArray[np.float32]]

pytestmark = pytest.mark.slow

DEFAULT = "3.50,6.31"
CHOSEN = os.environ.get("ELLMENTAL_TEST_GRADIOS") or DEFAULT
PROTOCOLS = {
    "3.36": "protocol ws,",
    "3.50": "protocol ws,",
    "4.0": "protocol sse,",
    "4.19": "protocol sse_v2,",
    "4.44": "protocol sse_v3,",
    "5.50": "protocol sse_v3 under /gradio_api,",
    "6.31": "protocol sse_v3 under /gradio_api,",
}
TEXTS = ["hello", "wörld 漢字", "007", 'quo"ted', "two\nlines"]


@pytest.fixture(scope="module", params=CHOSEN.split(","))
def version(request: pytest.FixtureRequest) -> str:
    """A version of gradio that is under test."""
    chosen: str = request.param
    assert chosen in VERSIONS
    try:
        python_for(chosen)
    except LookupError as missing:
        pytest.skip(str(missing))
    return chosen


@pytest.fixture(scope="module")
def text_space(version: str) -> Iterator[str]:
    """A Space of the kind that SPACES_TEXT is for, that shows its errors."""
    with running_space(version, "text", SHOW_ERROR="1") as url:
        yield url


@pytest.fixture(scope="module")
def blocks_space(version: str) -> Iterator[str]:
    """A Space of several endpoints; direct calls are closed where they can be."""
    with running_space(version, "blocks", CLOSED="1") as url:
        yield url


def test_texts_become_their_vectors(
    version: str, text_space: str, load: Load, right: Right
) -> None:
    """Whatever the version, each text gets its own vector, and doctor is told the protocol."""
    generator = load(text_space, BATCH_SIZE=2)
    np.testing.assert_allclose(generator.embed(TEXTS).vectors, right(TEXTS), atol=1e-6)
    assert f"Gradio {version}" in str(generator.server)
    assert PROTOCOLS[version] in str(generator.server)


def test_one_connection_serves_one_call_after_another(
    text_space: str, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    """No batch opens a connection while another is free."""
    generator = load(text_space)
    generator.embed(["first"])
    with caplog.at_level(logging.DEBUG, "httpcore.connection"):
        for number in range(5):
            generator.embed([f"text {number}"])
    opened = [record for record in caplog.records if "connect_tcp.started" in record.getMessage()]
    assert opened == []


def test_an_app_error_costs_its_text_alone(text_space: str, load: Load) -> None:
    """gr.Error and plain exceptions are told in the app's words, on the text's own row."""
    texts = ["a", "__gr_error__", "b", "__crash__", "c"]
    result = load(text_space).embed(texts, on_error="keep")
    assert sorted(result.failed) == [1, 3]
    assert str(result.failed[1]).endswith("failed: custom failure")
    assert str(result.failed[3]).endswith("failed: secret detail")
    assert np.isfinite(result.vectors[[0, 2, 4]]).all()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("__nan__", "null"),
        ("__none__", "null"),
        ("__ragged__", "dimensions"),
        ("__strings__", "the text"),
        ("__fewer__", "no vectors"),
    ],
)
def test_what_is_no_vector_costs_its_text_alone(
    text: str, told: str, text_space: str, load: Load
) -> None:
    """Nulls, short rows, strings and missing rows come as success, and are refused."""
    result = load(text_space).embed(["a", text, "b"], on_error="keep")
    assert list(result.failed) == [1]
    assert told in str(result.failed[1])


def test_a_quota_error_ends_the_call(text_space: str, load: Load) -> None:
    """ZeroGPU's words in a real gr.Error are understood."""
    with pytest.raises(QuotaExhausted, match=QUOTA[:40].replace("(", r"\(")):
        load(text_space).embed(["a", "__quota__"])


def test_a_slow_app_is_waited_for_and_a_stuck_one_is_not(
    text_space: str, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    """A call that takes seconds has its result; one over EMBEDDING_TIMEOUT is given up."""
    load(text_space).embed(["__sleep:1.5__"])
    impatient = load(text_space, EMBEDDING_TIMEOUT=1, EMBEDDING_DEADLINE=1.2)
    with (
        caplog.at_level(logging.DEBUG, logger="ellmental_embeddings"),
        pytest.raises(Unavailable, match="no answer in 1 s"),
    ):
        impatient.embed(["__sleep:3__"])
    assert "no answer in 1 s (EMBEDDING_TIMEOUT)" in caplog.text


def test_a_large_answer_comes_whole(text_space: str, load: Load) -> None:
    """Hundreds of wide vectors come in one message of megabytes, over every protocol."""
    texts = ["__wide:512__", *map(str, range(299))]
    result = load(text_space, BATCH_SIZE=300, EMBEDDING_TIMEOUT=60).embed(texts)
    expected = np.array([fake_vector(text, width=512) for text in texts], np.float32)
    np.testing.assert_allclose(result.vectors, expected, atol=1e-6)


def test_many_calls_at_once_get_their_own_results(
    text_space: str, load: Load, right: Right
) -> None:
    """Calls that queue behind each other are not mixed up."""
    texts = [f"text {number}" for number in range(60)]
    result = load(text_space, BATCH_SIZE=4).embed(texts)
    np.testing.assert_allclose(result.vectors, right(texts), atol=1e-6)


def test_a_wait_in_a_real_queue_has_nothing_computed_twice(blocks_space: str, load: Load) -> None:
    """Six calls of one at a time take longer than EMBEDDING_TIMEOUT together, and none alone."""
    texts = [f"__sleep:0.6{number}__" for number in range(6)]
    generator = load(
        blocks_space,
        SPACES_ENDPOINT="embed_json",
        BATCH_SIZE=1,
        EMBEDDING_TIMEOUT=2.5,
        EMBEDDING_DEADLINE=120,
        EMBEDDING_MAX_CONCURRENCY=6,
    )
    result = generator.embed(texts)
    assert (result.usage.requests, result.usage.retries) == (6, 0)


def test_a_wrong_endpoint_lists_those_of_the_app(blocks_space: str, load: Load) -> None:
    """The real names are listed, without those that are hidden from the API."""
    with pytest.raises(ConfigurationError, match="/both, /embed_json, /embed_one") as caught:
        load(blocks_space).embed(["a"])
    assert "false" not in str(caught.value).lower()


@pytest.mark.parametrize("endpoint", ["embed_json", "embed_one", "stream", "two"])
def test_endpoints_of_other_components_are_served(
    endpoint: str, blocks_space: str, load: Load, right: Right
) -> None:
    """JSON, Textbox, generators and a second output work; 3.x goes through its WebSocket here."""
    texts = ["a", "b", "c"]
    result = load(blocks_space, SPACES_ENDPOINT=endpoint).embed(texts)
    np.testing.assert_allclose(result.vectors, right(texts), atol=1e-6)


def test_an_endpoint_of_two_inputs_is_refused(blocks_space: str, load: Load) -> None:
    """What the endpoint takes is read from its components' types."""
    with pytest.raises(ConfigurationError, match="takes json, textbox: one input is needed"):
        load(blocks_space, SPACES_ENDPOINT="both").embed(["a"])


def test_pairs_reach_an_instruct_space(version: str, load: Load, right: Right) -> None:
    """SPACES_INSTRUCT's rows arrive as instruction and text."""
    with running_space(version, "instruct") as url:
        generator = load(url, "SPACES_INSTRUCT", BATCH_SIZE=2, EMBEDDING_QUERY_INSTRUCTION="find")
        result = generator.embed(TEXTS, role="query")
        np.testing.assert_allclose(result.vectors, right(TEXTS, "find"), atol=1e-6)


@pytest.mark.parametrize("frame", ["pandas", "numpy"])
def test_every_type_of_frame_is_read(frame: str, version: str, load: Load, right: Right) -> None:
    """Apps that compute with pandas or numpy answer the same vectors."""
    with running_space(version, "text", FRAME_TYPE=frame) as url:
        np.testing.assert_allclose(load(url).embed(TEXTS).vectors, right(TEXTS), atol=1e-6)


def test_a_full_queue_and_a_password(version: str, load: Load, right: Right) -> None:
    """A queue of one is waited for; an app with a password of its own says so."""
    with running_space(version, "text", MAX_SIZE="1", CLOSED="1") as url:
        texts = [f"__sleep:0.{number}__" for number in range(1, 5)]
        result = load(url, BATCH_SIZE=1, EMBEDDING_DEADLINE=60).embed(texts)
        np.testing.assert_allclose(result.vectors, right(texts), atol=1e-6)
    with (
        running_space(version, "text", AUTH="me:secret") as url,
        pytest.raises(AuthenticationFailed, match=r"launch\(auth=\.\.\.\)"),
    ):
        load(url).embed(["a"])


@contextmanager
def _local_model() -> Iterator[str]:
    """LOCAL behind a URL: a list of texts in, their vectors out."""
    with load_generator("LOCAL") as local:

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                texts = json.loads(self.rfile.read(int(self.headers["content-length"])))
                body = json.dumps(local.embed(texts).vectors.tolist()).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()


def _documents() -> Iterable[str]:
    return ["The cat sleeps on the sofa.", "Stock prices fell sharply.", "Python is a language."]


@pytest.mark.parametrize("kind", ["text", "instruct"])
def test_real_vectors_travel_unchanged(kind: str, version: str, load: Load) -> None:
    """With LOCAL behind the Space, its vectors arrive bit for bit, and still mean something."""
    with _local_model() as model, running_space(version, kind, MODEL_URL=model) as url:
        generator = load(
            url,
            "SPACES_INSTRUCT" if kind == "instruct" else "SPACES_TEXT",
            EMBEDDING_DOCUMENT_INSTRUCTION="about:" if kind == "instruct" else "about: ",
            EMBEDDING_TIMEOUT=60,
        )
        documents = generator.embed(_documents())
        question = generator.embed(
            ["Where is the pet?"], instruction="about:" if kind == "instruct" else "about: "
        )
    with load_generator("LOCAL", EMBEDDING_DOCUMENT_INSTRUCTION="about: ") as local:
        np.testing.assert_array_equal(documents.vectors, local.embed(_documents()).vectors)
    assert documents.dimensions == 384
    nearest = documents.vectors @ question.vectors[0]
    assert nearest.argmax() == 0
