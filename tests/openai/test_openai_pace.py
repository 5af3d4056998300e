"""The pace over a real connection, against a limit that is enforced; a scaled-down minute."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from openai_server import OpenAIServer
from server_witness import assert_right, embed, load, texts_of

from ellmental_embeddings import AuthenticationFailed, EmbeddingError, QuotaExhausted

if TYPE_CHECKING:
    from pathlib import Path

WINDOW = 2.0
"""Seconds. The engine learns from the headers that it is no minute."""

FEW = 10
"""Refusals of 200 requests. A machine's hiccups do not shrink with the minute: in the simulations
(tests/core) fewer than one in a hundred are refused; all that was in flight at the end of
each window, some 50, was where the pace did not listen to the headers."""


@pytest.mark.parametrize(("rpm", "tpm"), [(100, None), (None, 700)])
def test_an_enforced_limit_is_used_and_not_run_into(rpm: int | None, tpm: int | None) -> None:
    """Two windows' worth through the real SDK: few are refused, every vector right."""
    texts = texts_of(200)
    with OpenAIServer(window=WINDOW, latency=0.01, rpm=rpm, tpm=tpm) as server:
        result = embed(server, texts, BATCH_SIZE=1)
        refused = server.rate.refused
    assert_right(result, texts)
    assert refused <= FEW
    assert result.usage.requests == 200 + refused


def test_generators_of_one_process_keep_to_one_limit() -> None:
    """Three at once in three threads, each with a loop of its own: together few are refused."""
    texts = texts_of(200)
    with OpenAIServer(rpm=100, window=WINDOW, latency=0.01) as server:
        generators = [load(server, BATCH_SIZE=1) for _ in range(3)]
        generators[0].embed(["the first answer says what is allowed"])
        results = {}

        def run(which: int) -> None:
            results[which] = generators[which].embed(texts[which::3])

        threads = [threading.Thread(target=run, args=(which,)) for which in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for generator in generators:
            generator.close()
        refused = server.rate.refused
    for which in range(3):
        assert_right(results[which], texts[which::3])
    assert refused <= FEW


_CHILD = """
import json, sys
from ellmental_embeddings import load_generator
settings = json.loads(sys.argv[1])
with load_generator("OPENAI", **settings) as generator:
    usage = generator.embed([f"{sys.argv[2]} {number}" for number in range(15)]).usage
print(usage.requests)
"""


def test_processes_keep_to_one_limit_through_a_folder(tmp_path: Path) -> None:
    """Two processes with EMBEDDING_RPM=30 each: a service that allows 30 refuses none of 30."""
    with OpenAIServer(rpm=30, window=60.0) as server:
        settings = {
            "OPENAI_BASE_URL": server.url,
            "OPENAI_API_KEY": server.key,
            "OPENAI_MODEL": "text-embedding-3-small",
            "BATCH_SIZE": 1,
            "EMBEDDING_RPM": 30,
            "EMBEDDING_SHARED_LIMITS": str(tmp_path / "limits"),
        }
        children = [
            subprocess.Popen(
                [sys.executable, "-c", _CHILD, json.dumps(settings), name],
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in ("one", "two")
        ]
        requests = [int(child.communicate(timeout=60)[0]) for child in children]
        with load(server, **{**settings, "EMBEDDING_DEADLINE": 1}) as generator:
            said = generator._engine.pace._pacer.take(1, 0.0)
        assert requests == [15, 15]
        assert server.rate.refused == 0
    assert isinstance(said, float), "a third generator knows what the two have spent"
    assert said > 30


@pytest.mark.parametrize(
    ("fault", "error"),
    [("insufficient_quota", QuotaExhausted), ("wrong_key", AuthenticationFailed)],
)
def test_what_waiting_does_not_mend_stops_all_at_once(
    fault: str, error: type[EmbeddingError]
) -> None:
    """One such answer: nothing more is sent, and what hangs in flight is cancelled, not awaited."""
    with (
        OpenAIServer() as server,
        load(server, BATCH_SIZE=1, EMBEDDING_MAX_CONCURRENCY=16) as generator,
    ):
        generator.embed(texts_of(100))  # from now on 16 are in flight
        server.forget()
        server.script.when("no good", fault)
        server.script.when("hang", "hang")
        texts = [f"hang {number}" for number in range(15)] + ["no good"]
        with pytest.raises(error):
            generator.embed([*texts, *texts_of(200)])
        assert generator._engine.pace.in_flight == 0
        assert {text for seen in server.bill.requests for text in seen.texts} <= set(texts)
