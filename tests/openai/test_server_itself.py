"""The stand-in's own machinery: bill, faults, rate limit, tokens, remote control."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from openai_server import OpenAIServer
from server_control import ServerProcess
from server_faults import FAULTS, make_fault
from server_tls import make_certificate

import openai

if TYPE_CHECKING:
    from pathlib import Path

SMALL = "text-embedding-3-small"


def embed(server: OpenAIServer | ServerProcess, *texts: str, timeout: float = 5) -> list[float]:
    """One request through the SDK; the first text's vector."""
    with openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
        reply = client.embeddings.create(
            model=SMALL, input=list(texts), dimensions=4, encoding_format="float", timeout=timeout
        )
    return reply.data[0].embedding


def test_bill_tells_paid_from_wasted(server: OpenAIServer) -> None:
    """A broken answer is paid and wasted; refusals cost nothing; a second good one is noticed."""
    server.script.next("cut_json")
    server.script.next("server_error")
    for _ in range(2):
        with pytest.raises(Exception, match=r"."):
            embed(server, "a", "b")
    assert server.bill.never_paid(["a", "b"]) == ["a", "b"]
    embed(server, "a", "b")
    assert server.bill.paid == {"a": 2, "b": 2}
    assert server.bill.wasted == {"a": 1, "b": 1}
    assert not server.bill.paid_twice()
    assert not server.bill.never_paid(["a", "b"])
    embed(server, "a")
    assert server.bill.paid_twice() == {"a": 2}
    assert [seen.status for seen in server.bill.requests] == [200, 500, 200, 200]
    assert {seen.key for seen in server.bill.requests} == {server.key}


def test_an_answer_nobody_waited_for_is_wasted(server: OpenAIServer) -> None:
    """Where the client gave up before the answer, the bill says so."""
    server.script.next("slow", seconds=0.3)
    with pytest.raises(openai.APITimeoutError):
        embed(server, "a", timeout=0.1)
    until = time.monotonic() + 5
    while not server.bill.wasted and time.monotonic() < until:
        time.sleep(0.02)
    assert server.bill.wasted == {"a": 1}


def test_faults_wait_for_their_request(server: OpenAIServer) -> None:
    """A fault meets the next request only; a rule meets all that have its text."""
    server.script.next("overloaded", times=2)
    server.script.when("poison", "invalid_input")
    assert server.script.pending == ["overloaded", "overloaded"]
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            embed(server, "a")
    embed(server, "a")
    for _ in range(2):
        with pytest.raises(openai.BadRequestError):
            embed(server, "a", "poisonous")
    with pytest.raises(ValueError, match="no fault 'x'"):
        server.script.next("x")


def test_every_fault_does_something() -> None:
    """Each name gives a Fault of that name that is not a good answer, told at once."""
    good = replace(make_fault("compact"), spell=None)
    for name in FAULTS:
        fault = make_fault(name)
        assert fault.name == name
        assert replace(fault, name="compact", broken=False) != good


def test_rate_limit_is_enforced_and_told() -> None:
    """Requests beyond the limit are 429s that say when to come back; later ones pass."""
    with OpenAIServer(rpm=2, window=0.5) as server:
        embed(server, "a")
        embed(server, "b")
        with pytest.raises(openai.RateLimitError) as caught:
            embed(server, "c")
        headers = caught.value.response.headers
        assert headers["x-ratelimit-remaining-requests"] == "0"
        time.sleep(float(headers["retry-after-ms"]) / 1000)
        embed(server, "c")
        assert server.rate.refused == 1
        assert server.bill.paid == {"a": 1, "b": 1, "c": 1}


def test_another_process_can_script_it() -> None:
    """As a process it tells its address, takes faults and shows its bill."""
    with ServerProcess("--profile", "openai") as server:
        server.fail("server_error")
        server.fail("nan", when="poison")
        with pytest.raises(openai.InternalServerError):
            embed(server, "a")
        assert embed(server, "poison")[0] != embed(server, "a")[0]
        assert server.paid() == {"a": 1}
        assert [seen["fault"] for seen in server.bill()["requests"]] == [
            "server_error",
            "nan",
            None,
        ]
        server.forget()
        assert server.bill()["requests"] == []


SCOPE = "https://cognitiveservices.azure.com/.default"


@pytest.mark.parametrize("kind", ["app service", "imds"])
def test_managed_identity_takes_its_token_here(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The real azure-identity gets a token, and the stand-in lets it in."""
    identity = pytest.importorskip("azure.identity")
    variables = server.identity_variables() if kind == "app service" else server.imds_variables()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with identity.DefaultAzureCredential() as credential:
        token = credential.get_token(SCOPE).token
        assert server.tokens.is_good(token)
        assert not server.tokens.is_good(credential.get_token("https://else/.default").token)
    server.tokens.expire()
    assert not server.tokens.is_good(token)


TAKE_TOKENS = """
import asyncio
from azure.identity import DefaultAzureCredential
from azure.identity.aio import DefaultAzureCredential as AsyncCredential

async def take():
    async with AsyncCredential() as credential:
        return (await credential.get_token("https://cognitiveservices.azure.com/.default")).token

with DefaultAzureCredential() as credential:
    print(credential.get_token("https://cognitiveservices.azure.com/.default").token)
print(asyncio.run(take()))
"""


def test_client_credentials_take_their_token_here(tmp_path: Path) -> None:
    """EnvironmentCredential, sync and async, gets a token over https on loopback.

    In a process of its own: aiohttp reads SSL_CERT_FILE once, when it is imported.
    """
    pytest.importorskip("azure.identity.aio")
    pytest.importorskip("aiohttp")
    context, certificate = make_certificate(tmp_path)
    with OpenAIServer(tls=context) as server:
        ran = subprocess.run(
            [sys.executable, "-c", TAKE_TOKENS],
            env={**os.environ, **server.environment_variables(certificate)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        tokens = ran.stdout.split()
        assert len(tokens) == 2
        assert all(server.tokens.is_good(token) for token in tokens)
