"""Every trap of Gradio's queue, as recorded from real servers and made to happen here."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stand_in import CUT, Answer, html, reply, sse
from stand_in_gradio import StandInGradio, completed, config, failed
from vectors_behind import QUOTA

from ellmental_embeddings import (
    BadReply,
    ConfigurationError,
    EmbeddingFailed,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conftest import Load
    from numpy.typing import NDArray

    Right = Callable[[Iterable[str]], NDArray[np.float32]]

TEXTS = ["one", "two", "three"]
HEARTBEATS = [0.05, {"msg": "heartbeat"}] * 400


@pytest.mark.parametrize("prefix", ["", "/gradio_api"])
@pytest.mark.parametrize("protocol", ["sse_v1", "sse_v2", "sse_v2.1", "sse_v3"])
def test_every_queue_with_and_without_prefix(
    protocol: str, prefix: str, load: Load, right: Right
) -> None:
    """The queue of 4.9 to 6 is spoken under both its addresses, one fresh session a call."""
    with StandInGradio(protocol, prefix) as gradio:
        result = load(gradio.url, BATCH_SIZE=2).embed(TEXTS)
        np.testing.assert_allclose(result.vectors, right(TEXTS))
        sessions = [body["session_hash"] for body in gradio.joined]
        assert len(set(sessions)) == 2
        assert {body["fn_index"] for body in gradio.joined} == {7}


def test_a_text_batch_is_one_row_with_as_many_headers_of_text(
    gradio: StandInGradio, load: Load
) -> None:
    """SPACES_TEXT sends what every version takes: one row, a header of text a column."""
    load(gradio.url).embed(TEXTS)
    assert gradio.joined[0]["data"] == [
        {"headers": ["0", "1", "2"], "data": [TEXTS], "metadata": None}
    ]


def test_heartbeats_that_never_end_end_at_the_timeout(
    gradio: StandInGradio, load: Load, right: Right
) -> None:
    """A result that never comes costs EMBEDDING_TIMEOUT, then the call is made again."""
    gradio.streams = [sse(*HEARTBEATS)]
    began = time.monotonic()
    result = load(gradio.url, EMBEDDING_TIMEOUT=0.7).embed(TEXTS)
    assert 0.7 < time.monotonic() - began < 6
    np.testing.assert_allclose(result.vectors, right(TEXTS))
    assert result.usage.retries == 1


def test_heartbeats_for_ever_are_given_up_at_the_deadline(
    gradio: StandInGradio, load: Load
) -> None:
    """Where no call ever has a result, the error names both time limits."""
    gradio.streams = [sse(*HEARTBEATS) for _ in range(20)]
    with pytest.raises(Unavailable, match=r"EMBEDDING_TIMEOUT.*EMBEDDING_DEADLINE=1"):
        load(gradio.url, EMBEDDING_TIMEOUT=0.4, EMBEDDING_DEADLINE=1).embed(TEXTS)


@pytest.mark.parametrize(
    "broken",
    [
        sse({"msg": "process_starts"}),
        sse({"msg": "process_starts"}, CUT),
        sse(b'data: {"msg": "process_completed", "output": {"data": [', CUT),
        sse(b'data: {"msg": "process_completed", "output"'),
        sse({"msg": "unexpected_error", "message": "404: Session not found."}),
        sse({"msg": "unexpected_error", "message": "Server stopped unexpectedly."}),
        sse({"msg": "server_stopped"}),
        html("Bad Gateway", 502),
        reply({"detail": "Not Found"}, 404),
    ],
)
def test_a_lost_result_makes_the_call_again(
    broken: Answer, gradio: StandInGradio, load: Load, right: Right
) -> None:
    """Streams that end, break or do not know the session: the whole call is posted again."""
    gradio.streams = [broken]
    result = load(gradio.url).embed(TEXTS)
    np.testing.assert_allclose(result.vectors, right(TEXTS))
    assert len(gradio.joined) == 2
    assert gradio.joined[0]["session_hash"] != gradio.joined[1]["session_hash"]
    assert gradio.joined[0]["data"] == gradio.joined[1]["data"]


def test_a_lost_result_says_so_where_it_stays_lost(gradio: StandInGradio, load: Load) -> None:
    """A stream that always ends early is told as what it is."""
    gradio.streams = [sse({"msg": "process_starts"}) for _ in range(20)]
    with pytest.raises(Unavailable, match="ended without a result"):
        load(gradio.url, EMBEDDING_DEADLINE=0.5).embed(TEXTS)


def test_a_full_queue_is_waited_for(gradio: StandInGradio, load: Load, right: Right) -> None:
    """503 with Queue is full is the rate limit of an app, not a failure of its server."""
    join = gradio.routes["POST /gradio_api/queue/join"]
    full = [reply({"detail": "Queue is full. Max size is 1 and size is 1."}, 503)]
    gradio.routes["POST /gradio_api/queue/join"] = lambda request: (
        full.pop() if full else join(request)
    )
    result = load(gradio.url).embed(TEXTS)
    np.testing.assert_allclose(result.vectors, right(TEXTS))
    assert result.usage.retries == 1


def test_a_queue_that_stays_full_is_told(gradio: StandInGradio, load: Load) -> None:
    """At the deadline the error says that the queue is full."""
    gradio.on("POST /gradio_api/queue/join", reply({"detail": "Queue is full."}, 503))
    with pytest.raises(RateLimited, match=r"queue .* is full"):
        load(gradio.url, EMBEDDING_DEADLINE=0.5).embed(TEXTS)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("custom failure", "failed: custom failure"),
        ("'custom failure'", "failed: custom failure$"),
        ({"code": 7}, 'failed: {"code":7}$'),
        (None, "does not say why.*show_error=True"),
    ],
)
def test_an_app_error_fails_its_text_alone(
    error: object, told: str, gradio: StandInGradio, load: Load
) -> None:
    """An app that fails for one text is told with its words, if it has any; others succeed."""

    def answer(value: Any) -> Answer:
        bad = "two" in gradio.joined[-1]["data"][0]["data"][0]
        return sse(failed(error) if bad else completed(value))

    gradio.streams = [answer] * 20
    result = load(gradio.url, EMBEDDING_MAX_CONCURRENCY=1).embed(TEXTS, on_error="keep")
    assert list(result.failed) == [1]
    with pytest.raises(Exception, match=told):
        raise result.failed[1]


@pytest.mark.parametrize(
    ("error", "title", "told"),
    [
        (QUOTA, "ZeroGPU quota exceeded", "Try again in 23:08:12.*EMBEDDINGS_GENERATION_KEY"),
        ("You have exceeded your GPU quota (60s left)", None, "EMBEDDINGS_GENERATION_KEY"),
        ("You have exceeded your free GPU quota (60s requested)", None, "quota is used up"),
        ("You have exceeded your Pro GPU quota (60s requested)", None, "quota is used up"),
        ("You have exceeded your daily free ZeroGPU quota", None, "quota is used up"),
        ("'You have exceeded your GPU quota (1s left).'", None, "quota is used up"),
        ("Daily ZeroGPU runs limit reached", None, "quota is used up"),
        (None, "ZeroGPU quota exceeded", "quota is used up"),
        (
            "The requested GPU duration (258s) is larger than the maximum allowed",
            None,
            "Only its author can change that",
        ),
    ],
)
def test_a_zero_gpu_quota_ends_the_call_with_the_remedy(
    error: str | None, title: str | None, told: str, gradio: StandInGradio, load: Load
) -> None:
    """Quota errors come as app errors; they are not tried again, and the remedy is told."""
    gradio.streams = [sse(failed(error, title))]
    with pytest.raises(QuotaExhausted, match=told) as caught:
        load(gradio.url).embed(TEXTS)
    assert ".. " not in str(caught.value)
    assert len(gradio.joined) == 1


def test_an_app_that_fails_everything_without_a_word_is_given_up_soon(
    gradio: StandInGradio, load: Load
) -> None:
    """Not three calls a text: once all quarters of a batch have failed, the app is to blame."""
    gradio.streams = [sse(failed(None))] * 300
    with pytest.raises(BadReply, match=r"7 requests in a row.*show_error=True.*BATCH_SIZE=1"):
        load(gradio.url).embed([str(number) for number in range(50)])
    assert len(gradio.joined) <= 12  # some are on their way when the seventh fails


def test_a_zero_gpu_that_is_busy_is_tried_again(
    gradio: StandInGradio, load: Load, right: Right
) -> None:
    """No GPU being free is no quota: the call is made again."""
    gradio.streams = [sse(failed("No GPU was available after 60s. Retry later"))]
    np.testing.assert_allclose(load(gradio.url).embed(TEXTS).vectors, right(TEXTS))


def test_an_app_out_of_memory_gets_smaller_batches(
    gradio: StandInGradio, load: Load, right: Right
) -> None:
    """Out of memory says that the batch was too large: it is halved."""
    gradio.streams = [sse(failed("CUDA out of memory. Tried to allocate 2.00 GiB"))]
    texts = [*TEXTS, "four"]
    np.testing.assert_allclose(load(gradio.url).embed(texts).vectors, right(texts))
    assert [len(body["data"][0]["data"][0]) for body in gradio.joined] == [4, 2, 2]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([[1.0, None]], "null"),
        ([[1.0, "0.5"]], "the text '0.5'"),
        ([[1.0, 2.0], [3.0]], "row 1 has 1 numbers"),
        ([[1.0, 2.0], [3.0, 4.0]], "2 vectors came for 1 texts"),
        ([], "no vectors"),
        (None, "null"),
        ([["word", "word"]], "the text 'word'"),
    ],
)
def test_content_that_is_no_vector_fails_the_text(
    rows: Any, told: str, gradio: StandInGradio, load: Load
) -> None:
    """success: true says nothing about what came: nulls, strings and wrong shapes are refused."""
    gradio.streams = [sse(completed({"headers": [1], "data": rows}))] * 9
    with pytest.raises(EmbeddingFailed, match=told):
        load(gradio.url).embed(["one"])


def test_fewer_rows_than_texts_are_refused(gradio: StandInGradio, load: Load, right: Right) -> None:
    """A vector too few is noticed; asked again, the right answer is taken."""
    gradio.streams = [lambda value: sse(completed({**value, "data": value["data"][:-1]}))]
    result = load(gradio.url).embed(TEXTS)
    np.testing.assert_allclose(result.vectors, right(TEXTS))
    assert result.usage.retries == 1


def test_a_line_of_20_mb_is_read(gradio: StandInGradio, load: Load) -> None:
    """A thousand vectors of a thousand numbers come in one line, which has no limit to meet."""
    rows = np.random.default_rng(1).standard_normal((1_000, 1_000)).astype(np.float32)
    line = b"data: " + json.dumps(completed({"data": rows.astype(float).tolist()})).encode()
    assert len(line) > 20_000_000
    pieces = [line[place : place + 100_000] for place in range(0, len(line), 100_000)]
    gradio.streams = [sse({"msg": "process_starts"}, *pieces, b"\n\n")]
    result = load(gradio.url, BATCH_SIZE=1_000).embed([str(n) for n in range(1_000)])
    np.testing.assert_array_equal(result.vectors, rows)


def test_characters_cut_in_two_are_put_together(gradio: StandInGradio, load: Load) -> None:
    """A message whose UTF-8 is cut within a character is read."""
    message = (
        b"data: " + json.dumps(failed("défaillance 漢"), ensure_ascii=False).encode() + b"\n\n"
    )
    gradio.streams = [sse(*[bytes([byte]) for byte in message])]
    with pytest.raises(EmbeddingFailed, match="défaillance 漢"):
        load(gradio.url).embed(["one"])


def test_steps_of_a_generator_are_passed_over(
    gradio: StandInGradio, load: Load, right: Right
) -> None:
    """Intermediate results, logs, progress and heartbeats are not taken for the result."""
    step = {"msg": "process_generating", "output": {"data": [{"data": [[9.0, 9.0]]}]}}
    noise = [{"msg": "progress"}, {"msg": "log", "log": "[[1]]"}, {"msg": "heartbeat"}]
    gradio.streams = [lambda value: sse(step, *noise, completed(value))]
    np.testing.assert_allclose(load(gradio.url).embed(TEXTS).vectors, right(TEXTS))


def test_an_app_that_changed_is_looked_at_anew(
    gradio: StandInGradio, load: Load, right: Right
) -> None:
    """A rebuilt Space may speak another protocol: after a failure it is found out again."""
    generator = load(gradio.url)
    generator.embed(["first"])
    gradio.on("GET /config", reply(config("sse_v1", "")))
    for path in ("POST /queue/join", "GET /queue/data"):
        method, _, name = path.partition(" ")
        gradio.routes[path] = gradio.routes.pop(f"{method} /gradio_api{name}")
    np.testing.assert_allclose(generator.embed(TEXTS).vectors, right(TEXTS))
    assert "sse_v1" in str(generator.server)


@pytest.mark.parametrize(
    ("status", "detail", "kind", "again"),
    [
        (400, "Session hash not found.", ConfigurationError, False),
        (500, "Internal Server Error", Unavailable, True),
    ],
)
def test_what_the_queue_refuses_otherwise_is_told(
    status: int, detail: str, kind: type[Exception], again: bool, gradio: StandInGradio, load: Load
) -> None:
    """Its 400 is about the request, its 500 about the app: each is told with what it says."""
    gradio.on("POST /gradio_api/queue/join", reply({"detail": detail}, status))
    with pytest.raises(kind, match=detail):
        load(gradio.url, EMBEDDING_DEADLINE=0.1).embed(TEXTS)
    assert (gradio.paths().count("POST /gradio_api/queue/join") > 1) is again


def test_a_result_that_is_fetched_late_is_there(
    gradio: StandInGradio, load: Load, right: Right
) -> None:
    """A stream that says nothing at first has the result all the same, after half a second."""
    gradio.streams = [lambda value: sse(0.5, completed(value))]
    result = load(gradio.url).embed(TEXTS)
    np.testing.assert_allclose(result.vectors, right(TEXTS))
    assert len(gradio.joined) == 1


def test_a_malformed_call_is_not_repeated(gradio: StandInGradio, load: Load) -> None:
    """422 says that the app takes something else: the call ends with what it says."""
    detail = [{"loc": ["body", "data"], "msg": "Field required", "type": "missing"}]
    gradio.on("POST /gradio_api/queue/join", reply({"detail": detail}, 422))
    with pytest.raises(ConfigurationError, match="Field required"):
        load(gradio.url).embed(TEXTS)


def test_a_traceback_in_an_answer_is_not_shown_whole(gradio: StandInGradio, load: Load) -> None:
    """A server error's body is cut short in the message."""
    page = Answer(500, "text/plain", [b"Traceback " + b"x" * 5_000 + b"the end"])
    gradio.on("POST /gradio_api/queue/join", page)
    with pytest.raises(Unavailable) as caught:
        load(gradio.url, EMBEDDING_DEADLINE=0.3).embed(TEXTS)
    assert len(str(caught.value)) < 400


def test_the_log_has_no_texts(
    gradio: StandInGradio, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    """What is embedded is nobody's business: the texts show up in no line of this plugin."""
    with caplog.at_level(logging.DEBUG, logger="ellmental_embeddings"):
        load(gradio.url).embed(["a private text"])
    assert "private" not in caplog.text
