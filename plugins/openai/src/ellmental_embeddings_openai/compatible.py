"""CompatibleBackend: embeds through any service that speaks OpenAI's protocol."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ellmental_embeddings import (
    AuthenticationFailed,
    Backend,
    Batch,
    ConfigurationError,
    EmbeddingError,
    Limits,
    ModelInfo,
    Reply,
)

from .answer import Answer, TokenLevel, read_answer
from .asked import ArgumentRefused, Asked
from .client import client_for
from .headers import merged
from .measure import measure_for
from .models import OPENAI_MODELS, canonical
from .rates import rate_status
from .request import Form
from .settings import CompatibleSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ellmental_embeddings import BackendSettings

    from .client import Client
    from .endpoint import Endpoint
    from .failures import Rule
    from .measure import Measure
    from .wire import Received

__all__ = ["CompatibleBackend"]

_UNIT_TOLERANCE = 1e-2
"""How far the length of a normalised vector may be from 1: float16 inside some servers."""


class CompatibleBackend(Backend):
    """Embeds through a service that speaks OpenAI's protocol; subclass it for one of your own.

    It learns from the first answers what the service takes: an optional argument that is
    refused (``encoding_format``, ``dimensions``) is left out from then on, and the request is
    sent again without it. That is asking differently, not a retry; the core retries.

    Attributes:
        limits: set by subclasses before ``__init__``, where they are known; what is not is learnt
            by the core.
        model: its name is the one asked for, unless ``names_model`` is False.
        names_model: False where what is asked for is no model's name (Azure's deployments):
            the model is then the one that the answers name.
        rules: rows that come before the table in ``failures.py``.

    Args:
        settings: the core's, for EMBEDDING_TIMEOUT.
        endpoint: where the service is and what it is told.
        measure: how the service counts tokens, where that is known.

    Settings that inherit from CompatibleSettings win over both ``limits`` and ``measure``.

    Raises:
        ConfigurationError: when OPENAI_MAX_TEXT_TOKENS is set and tokens cannot be counted, or
            what the environment says of certificates or proxies cannot be used.
    """

    names_model: ClassVar[bool] = True
    rules: tuple[Rule, ...] = ()

    def __init__(
        self, settings: BackendSettings, endpoint: Endpoint, *, measure: Measure | None = None
    ) -> None:
        super().__init__(settings)
        self.endpoint = endpoint
        self._measure = measure
        if isinstance(settings, CompatibleSettings):
            self._measure = measure_for(settings, measure, self.limits)
            self.limits = _limits_of(settings, self.limits)
        if self.names_model:
            self.model = ModelInfo(name=canonical(endpoint.model))
        self._timeout = settings.embedding_timeout
        self._form = Form.of(endpoint)
        # Here, not with the first request: to import aiohttp takes a tenth of a second, the SDK a
        # whole one, which would count against EMBEDDING_TIMEOUT and hold up the event loop.
        self._client = _connected(
            endpoint, timeout=settings.embedding_timeout, is_timed=not self.keeps_timeout
        )
        self._sent: tuple[dict[str, str], dict[str, str]] | None = None
        self._answered = False
        self._page_came = False

    async def authorization(self) -> dict[str, str]:
        """The headers that authorise a request. For overriding, where a key is not enough."""
        key = self.endpoint.key
        return {"Authorization": f"Bearer {key}"} if key else {}

    async def renewed(self, refused: dict[str, str]) -> bool:  # noqa: ARG002 - for overriding
        """Called once for a request answered 401: True sends it again with new headers.

        Args:
            refused: the headers that ``authorization`` had returned.
        """
        return False

    def count_tokens(self, text: str) -> int | None:
        """Tokens of a text, where they can be counted."""
        return None if self._measure is None else self._measure.count(text)

    def most_tokens(self, text: str) -> int:
        """UTF-8 bytes at least: an upper bound of its tokens."""
        return super().most_tokens(text) if self._measure is None else self._measure.most(text)

    async def embed(self, batch: Batch) -> Reply:
        """Embed a batch with one request.

        Raises:
            EmbeddingError: as the tables in ``failures.py`` and ``exceptions.py`` say.
        """
        may_renew = True
        while True:
            form, headers = self._form, await self.authorization()
            try:
                return await self._embed(batch, form, headers)
            except ArgumentRefused as refused:
                if refused.argument not in form.arguments:
                    raise refused.otherwise from None
                self._form = self._form.without(refused.argument)
            except AuthenticationFailed:
                if not may_renew or not await self.renewed(headers):
                    raise
                may_renew = False

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _embed(self, batch: Batch, form: Form, authorization: dict[str, str]) -> Reply:
        answered, page_came = self._answered, self._page_came

        def asked(*, answered: bool = answered) -> Asked:
            return Asked(
                endpoint=self._with_key(authorization),
                texts=len(batch.texts),
                arguments=form.arguments,
                answered=answered,
                timeout=self._timeout,
            )

        try:
            response = await self._client.post(form.body(batch.texts), self._headers(authorization))
        except Exception as error:  # noqa: BLE001 - the SDK's, aiohttp's, and Python's
            from .exceptions import translated  # what only failures need takes its time

            raise translated(error, asked(), self._rules) from None
        if not 200 <= response.status_code < 300:  # noqa: PLR2004 - HTTP's successes
            raise self._failure(response, asked())
        rate = rate_status(response.headers)
        try:
            if response.content.lstrip()[:1] == b"<":
                # One page may come from something in between; a request sent after it that has
                # one, too, where nothing was answered well meanwhile, has the wrong address.
                self._page_came = True
                raise self._failure(response, asked(answered=self._answered or not page_came))
            answer = self._read(response, len(batch.texts), asked, batch.out)
            self._check_width(answer, form)
        except EmbeddingError as error:
            error.rate = error.rate or rate
            raise
        self._learn(answer)
        return Reply(answer.vectors, tokens=answer.tokens, model=canonical(answer.model), rate=rate)

    @property
    def _rules(self) -> tuple[Rule, ...]:
        from .failures import RULES

        return (*self.rules, *RULES)

    def _headers(self, authorization: dict[str, str]) -> dict[str, str]:
        """All headers of a request, put together once for each authorization."""
        if self._sent is None or self._sent[0] != authorization:
            self._sent = dict(authorization), merged(authorization, self.endpoint.headers)
        return self._sent[1]

    def _with_key(self, authorization: dict[str, str]) -> Endpoint:
        """The endpoint, with the token that was sent: what a service repeats of it is masked."""
        sent = authorization.get("Authorization", "").removeprefix("Bearer ")
        return self.endpoint if self.endpoint.key or not sent else replace(self.endpoint, key=sent)

    def _read(
        self,
        response: Received,
        texts: int,
        asked: Callable[[], Asked],
        out: NDArray[np.float32] | None,
    ) -> Answer:
        try:
            found = read_answer(response.content, texts, out)
        except TokenLevel as error:
            if self._answered:
                raise
            raise ConfigurationError(f"{self.endpoint.service}: {error}.") from None
        if isinstance(found, Answer):
            return found
        raise self._failure(response, asked(), json.dumps(found).encode())

    def _failure(self, response: Received, asked: Asked, body: bytes | None = None) -> Exception:
        """What a response means that is none of vectors, whatever its status."""
        from .failures import failure
        from .said import heard

        content = response.content if body is None else body
        said = heard(response.status_code, response.headers, content)
        return failure(said, asked, self._rules)

    def _check_width(self, answer: Answer, form: Form) -> None:
        """A service that refused ``dimensions`` has said already that it does not shorten."""
        asked, came = self.endpoint.dimensions, answer.vectors.shape[1]
        if asked is not None and "dimensions" not in form.arguments and came != asked:
            raise ConfigurationError(
                f"EMBEDDING_DIMENSIONS={asked}, but {self.endpoint.service} refuses to shorten "
                f"vectors: the model's have {came} dimensions. Unset it."
            )

    def _learn(self, answer: Answer) -> None:
        """What a good answer says about the service and its model; the first one is enough."""
        if self._answered:
            return
        self._answered = True
        name = self.model.name or canonical(answer.model)
        self.model = replace(self.model, name=name)
        if name in OPENAI_MODELS and self.model.normalised is None and _is_unit(answer.vectors):
            self.model = replace(self.model, normalised=True)


def _connected(endpoint: Endpoint, *, timeout: float, is_timed: bool) -> Client:
    """The client; what it takes from the environment may be wrong."""
    try:
        return client_for(endpoint, timeout=timeout, is_timed=is_timed)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"no connection can be set up: {str(error).rstrip('.')}. Check SSL_CERT_FILE, "
            "SSL_CERT_DIR, HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY."
        ) from None


def _limits_of(settings: CompatibleSettings, known: Limits) -> Limits:
    """What the user says of a service's limits, else what is known of them."""
    return replace(
        known,
        items=settings.openai_max_inputs or known.items,
        tokens=settings.openai_max_request_tokens or known.tokens,
        tokens_per_text=settings.openai_max_text_tokens or known.tokens_per_text,
    )


def _is_unit(vectors: NDArray[np.float32]) -> bool:
    lengths = np.linalg.norm(vectors, axis=1)
    return bool(np.all(np.abs(lengths - 1.0) < _UNIT_TOLERANCE))
