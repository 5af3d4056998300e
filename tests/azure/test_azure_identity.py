"""Entra ID: static tokens, and azure-identity's flows against a token endpoint on loopback."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from openai_server import OpenAIServer
from server_tls import make_certificate

from ellmental_embeddings import (
    AuthenticationFailed,
    ConfigurationError,
    EmbeddingError,
    Unavailable,
)
from ellmental_embeddings_azure.tokens import TokenSource, default_credential

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ellmental_embeddings import EmbeddingGenerator

    Load = Callable[..., EmbeddingGenerator]


BY_DIRECTORY = {"AZURE_OPENAI_USE_ACTIVE_DIRECTORY": "true"}


def test_a_token_in_the_key(server: OpenAIServer, load: Load) -> None:
    """With the directory on, OPENAI_API_KEY is the token, sent as Bearer and nothing else."""
    token = "eyJ0eXAi.of-the-user.signature"
    server.tokens.accept(token)
    with load(OPENAI_API_KEY=f"{token}\n", **BY_DIRECTORY) as generator:
        generator.embed(["a"])
    (seen,) = server.bill.requests
    assert seen.headers["authorization"] == f"Bearer {token}"
    assert "api-key" not in seen.headers


def test_a_token_that_expired(server: OpenAIServer, load: Load) -> None:
    """The error says so, names the variable, and shows no part of the token."""
    token = "eyJ0eXAi.of-the-user.signature"
    with (
        load(OPENAI_API_KEY=token, **BY_DIRECTORY) as generator,
        pytest.raises(AuthenticationFailed, match=r"lives an hour.*azure-identity") as caught,
    ):
        generator.embed(["a"])
    assert "of-the-user" not in str(caught.value)
    assert len(server.bill.requests) == 1


@pytest.mark.parametrize("flow", ["identity_variables", "imds_variables"])
@pytest.mark.parametrize("version", ["2024-10-21", "v1"])
def test_managed_identity(
    server: OpenAIServer, load: Load, monkeypatch: pytest.MonkeyPatch, flow: str, version: str
) -> None:
    """App Service's and a virtual machine's identity: one token for many batches."""
    for name, value in getattr(server, flow)().items():
        monkeypatch.setenv(name, value)
    with load(
        OPENAI_API_KEY=None, BATCH_SIZE=2, AZURE_OPENAI_VERSION=version, **BY_DIRECTORY
    ) as generator:
        generator.embed([f"text {number}" for number in range(40)])
    assert len(server.bill.requests) == 20
    assert {seen.status for seen in server.bill.requests} == {200}
    assert len(server.tokens.asked) == 1


def test_client_credentials(tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment flow: a tenant, a client and its secret, over https."""
    context, certificate = make_certificate(tmp_path)
    with OpenAIServer(tls=context) as secure:
        for name, value in secure.environment_variables(certificate).items():
            monkeypatch.setenv(name, value)
        with load(
            OPENAI_API_KEY=None, AZURE_OPENAI_ENDPOINT=secure.origin, **BY_DIRECTORY
        ) as generator:
            assert generator.embed(["a"]).dimensions == 1536
        assert len(secure.tokens.asked) == 1
        monkeypatch.setenv("AZURE_CLIENT_SECRET", "wrong-secret")
        with (
            load(
                OPENAI_API_KEY=None, AZURE_OPENAI_ENDPOINT=secure.origin, **BY_DIRECTORY
            ) as generator,
            pytest.raises(AuthenticationFailed, match="AZURE_CLIENT_SECRET") as caught,
        ):
            generator.embed(["a"])
        assert "wrong-secret" not in str(caught.value)


def test_a_token_that_is_refused_is_renewed_once(
    server: OpenAIServer, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that expired on the service's clock: a new one, and the call goes on."""
    for name, value in server.identity_variables().items():
        monkeypatch.setenv(name, value)
    with load(OPENAI_API_KEY=None, BATCH_SIZE=2, **BY_DIRECTORY) as generator:
        generator.embed(["a"])
        server.tokens.expire()
        generator.embed([f"text {number}" for number in range(20)])
    assert len(server.tokens.asked) == 2
    assert not server.bill.paid_twice()


def test_a_token_for_the_wrong_audience(
    server: OpenAIServer, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renewed once, then the error names AZURE_OPENAI_SCOPE; setting that helps."""
    for name, value in server.identity_variables().items():
        monkeypatch.setenv(name, value)
    server.tokens.audience = "https://ai.azure.com"
    with (
        load(OPENAI_API_KEY=None, **BY_DIRECTORY) as generator,
        pytest.raises(AuthenticationFailed, match="AZURE_OPENAI_SCOPE"),
    ):
        generator.embed(["a"])
    assert len(server.bill.requests) == 2
    with load(
        OPENAI_API_KEY=None, AZURE_OPENAI_SCOPE="https://ai.azure.com/.default", **BY_DIRECTORY
    ) as generator:
        generator.embed(["a"])


def test_no_identity(server: OpenAIServer, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no credential works the error says how to get one, on a few lines."""
    for name, value in server.imds_variables().items():
        monkeypatch.setenv(name, value)
    server.tokens.status = 400
    with (
        load(OPENAI_API_KEY=None, **BY_DIRECTORY) as generator,
        pytest.raises(AuthenticationFailed, match=r"az login.*OPENAI_API_KEY"),
    ):
        generator.embed(["a"])
    assert not server.bill.requests


def test_without_azure_identity(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key works without it; the directory says what to install."""
    for name in [name for name in sys.modules if name.split(".")[:2] == ["azure", "identity"]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with load() as generator:
        generator.embed(["a"])
    with (
        load(OPENAI_API_KEY=None, **BY_DIRECTORY) as generator,
        pytest.raises(ConfigurationError, match="pip install azure-identity"),
    ):
        generator.embed(["a"])


@dataclass
class _Token:
    token: str
    expires_on: int


class _Credential:
    """A credential that takes its time, and counts how often it is asked."""

    def __init__(self, lifetime: float, delay: float = 0.0) -> None:
        self.lifetime, self.delay, self.asked = lifetime, delay, 0
        self.threads: set[str] = set()

    def get_token(self, *scopes: str) -> Any:
        self.threads.add(threading.current_thread().name)
        time.sleep(self.delay)
        self.asked += 1
        return _Token(f"token-{self.asked}", int(time.time() + self.lifetime))

    def close(self) -> None:
        pass


def test_the_loop_is_never_blocked() -> None:
    """While a slow credential is asked the loop runs on; a hundred that wait share one answer."""
    credential = _Credential(lifetime=3600, delay=0.3)

    async def scenario() -> tuple[set[str], int]:
        source, turns = TokenSource("scope", lambda: credential), 0
        waiting = [asyncio.create_task(source.token()) for _ in range(100)]
        while not all(task.done() for task in waiting):
            await asyncio.sleep(0.005)
            turns += 1
        return {task.result() for task in waiting}, turns

    tokens, turns = asyncio.run(scenario())
    assert tokens == {"token-1"}
    assert credential.asked == 1
    assert turns > 20
    assert threading.main_thread().name not in credential.threads


def test_a_cancelled_wait_leaves_the_fetch_to_the_others() -> None:
    """Whoever gives up takes nobody else's token away."""
    credential = _Credential(lifetime=3600, delay=0.2)

    async def scenario() -> str:
        source = TokenSource("scope", lambda: credential)
        first = asyncio.create_task(source.token())
        second = asyncio.create_task(source.token())
        await asyncio.sleep(0.05)
        first.cancel()
        return await second

    assert asyncio.run(scenario()) == "token-1"
    assert credential.asked == 1


@pytest.mark.parametrize(("lifetime", "asked"), [(3600, 1), (310, 1), (2, 2)])
def test_tokens_are_renewed_before_they_expire(lifetime: float, asked: int) -> None:
    """Long-lived ones are kept, short-lived ones renewed when most of their life is over."""
    credential = _Credential(lifetime=lifetime)

    async def scenario() -> None:
        source = TokenSource("scope", lambda: credential)
        for _ in range(20):
            await source.token()
            await asyncio.sleep(0.1)

    asyncio.run(scenario())
    assert asked <= credential.asked <= asked + 1


class _Flaky(_Credential):
    """A credential that fails from its second answer on, for as long as ``error`` is set."""

    error: Exception | None = None
    most_at_once = at_once = 0

    def get_token(self, *scopes: str) -> Any:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.error is not None:
                self.asked += 1
                time.sleep(self.delay)
                raise self.error
            return super().get_token(*scopes)
        finally:
            self.at_once -= 1


@pytest.mark.parametrize(
    "error",
    [ClientAuthenticationError("chain"), ServiceRequestError("down"), ValueError("x"), OSError()],
)
def test_a_token_that_cannot_be_renewed_yet_is_used_to_its_end(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again beside the requests, once at a time; without a good one these fail."""
    credential = _Flaky(lifetime=3600, delay=0.02)
    now, clock = time.time(), [0.0]
    monkeypatch.setattr("ellmental_embeddings_azure.tokens.time.time", lambda: now + clock[0])

    async def scenario() -> None:
        source = TokenSource("scope", lambda: credential)
        assert await source.token() == "token-1"
        credential.error, clock[0] = error, 3400
        for asked in (2, 3):
            assert set(await asyncio.gather(*(source.token() for _ in range(50)))) == {"token-1"}
            assert source._fetching is not None
            await asyncio.wait({source._fetching})
            assert credential.asked == asked
        clock[0] = 3601
        with pytest.raises(EmbeddingError):
            await source.token()
        credential.error = None
        assert await source.token() == "token-5"

    asyncio.run(scenario())
    assert credential.most_at_once == 1


class _Hanging(_Credential):
    """A credential whose second answer hangs until it is released."""

    def __init__(self, lifetime: float) -> None:
        super().__init__(lifetime)
        self.hangs, self.released, self.is_closed = threading.Event(), threading.Event(), False

    def get_token(self, *scopes: str) -> Any:
        if self.asked:
            self.hangs.set()
        assert self.asked == 0 or self.released.wait(30)
        assert not self.is_closed, "closed while it is asked"
        return super().get_token(*scopes)

    def close(self) -> None:
        self.is_closed = True


def test_a_renewal_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is good until its end; refused meanwhile, it is had anew from elsewhere."""
    credentials = [_Hanging(3600), _Hanging(7200)]
    made, now, clock = iter(credentials), time.time(), [0.0]
    monkeypatch.setattr("ellmental_embeddings_azure.tokens.time.time", lambda: now + clock[0])

    async def scenario() -> None:
        source = TokenSource("scope", lambda: next(made))
        first = await source.token()
        clock[0] = 3400
        assert await asyncio.wait_for(source.token(), 10) == first
        hanging = source._fetching
        assert hanging is not None
        assert await asyncio.to_thread(credentials[0].hangs.wait, 10)
        source.refuse(first)
        await asyncio.wait_for(source.token(), 10)
        kept = source._expires_on
        credentials[0].released.set()
        assert await hanging == "token-2"
        assert source._expires_on == kept == int(now + 3400 + 7200)

    asyncio.run(scenario())
    assert [each.is_closed for each in credentials] == [True, False]


def test_a_token_that_was_refused_is_never_handed_out_again() -> None:
    """Not even where no other is to be had and it has not expired."""
    credential = _Flaky(lifetime=3600)

    async def scenario() -> None:
        source = TokenSource("scope", lambda: credential)
        token = await source.token()
        credential.error = ClientAuthenticationError("chain")
        source.refuse(token)
        with pytest.raises(AuthenticationFailed):
            await source.token()

    asyncio.run(scenario())


def _failed(status: int, *, wrapped: bool = False) -> Exception:
    error = ClientAuthenticationError(f"said {status}")
    error.status_code = status
    if not wrapped:
        return error
    outer = ClientAuthenticationError("the credential is unavailable")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_failed(429), Unavailable),
        (_failed(503), Unavailable),
        (_failed(500, wrapped=True), Unavailable),
        (ServiceRequestError("down"), Unavailable),
        (_failed(400), AuthenticationFailed),
        (_failed(401, wrapped=True), AuthenticationFailed),
        (ClientAuthenticationError("no credential worked"), AuthenticationFailed),
    ],
)
def test_what_worked_once_may_work_again(error: Exception, kind: type[EmbeddingError]) -> None:
    """After one good token a failure of the token service is a passing one, a refusal is not."""
    credential = _Flaky(lifetime=0)

    async def scenario() -> None:
        source = TokenSource("scope", lambda: credential)
        await source.token()
        credential.error = error
        with pytest.raises(kind):
            await source.token()
        fresh = TokenSource("scope", lambda: credential)
        never = Unavailable if isinstance(error, ServiceRequestError) else AuthenticationFailed
        with pytest.raises(never):
            await fresh.token()

    asyncio.run(scenario())


def test_the_sovereign_clouds_have_their_own_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens for azure.us are asked of its own authority, unless AZURE_AUTHORITY_HOST says else."""
    import azure.identity

    given: list[dict[str, Any]] = []
    monkeypatch.setattr(
        azure.identity, "DefaultAzureCredential", lambda **arguments: given.append(arguments)
    )
    default_credential("https://n.openai.azure.us")
    default_credential("https://N.OPENAI.AZURE.US:443/x")
    default_credential("https://n.openai.azure.com")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://login.example")
    default_credential("https://n.openai.azure.us")
    government = {"authority": "login.microsoftonline.us"}
    assert given == [government, government, {}, {}]
