"""Faults that authors make, to be planted in the sample generators one at a time."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FAULTS", "Planted"]


@dataclass(frozen=True)
class Planted:
    """One fault.

    Attributes:
        name: what is wrong, in words.
        sample: which sample it is planted in.
        file: the sample's file.
        was, becomes: the change; ``was`` must be there.
        caught_by: the check that is for it; others may fail as well.
    """

    name: str
    sample: str
    file: str
    was: str
    becomes: str
    caught_by: str


_RETURN = "        return Reply(vectors, index=places)\n"
_SEND = 'answer = await self._connected().post("/embed", content=content)'

FAULTS = [
    Planted(
        "returns rows in a wrong order",
        "hashed",
        "backend.py",
        "for text in batch.texts])",
        "for text in sorted(batch.texts)])",
        "test_order_of_texts_does_not_matter",
    ),
    Planted(
        "drops the last row",
        "hashed",
        "backend.py",
        "return Reply(vectors, tokens",
        "return Reply(vectors[: max(1, len(vectors) - 1)], tokens",
        "test_one_row_a_text_of_one_width_all_finite",
    ),
    Planted(
        "returns NaN for short texts",
        "hashed",
        "backend.py",
        "        length = np.linalg.norm(counts)\n",
        "        length = np.linalg.norm(counts) if len(text) > 5 else np.nan\n",
        "test_one_row_a_text_of_one_width_all_finite",
    ),
    Planted(
        "returns ragged lists",
        "hashed",
        "backend.py",
        "np.array([self._vector(text) for text in batch.texts])",
        "[self._vector(text).tolist()[: 60 + len(text) % 5] for text in batch.texts]",
        "test_one_row_a_text_of_one_width_all_finite",
    ),
    Planted(
        "declares a width that does not come",
        "hashed",
        "backend.py",
        "dimensions=self._width,",
        "dimensions=self._width + 1,",
        "test_one_row_a_text_of_one_width_all_finite",
    ),
    Planted(
        "declares vectors of length 1 that are not",
        "hashed",
        "backend.py",
        "counts / length if",
        "counts if",
        "test_one_row_a_text_of_one_width_all_finite",
    ),
    Planted(
        "vectors depend on what else is in the batch",
        "hashed",
        "backend.py",
        "        return Reply(vectors, tokens",
        "        vectors = vectors + 0.01 * vectors.mean(axis=0)\n"
        "        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)\n"
        "        return Reply(vectors, tokens",
        "test_alone_and_in_a_batch_alike",
    ),
    Planted(
        "adds noise",
        "hashed",
        "backend.py",
        "        length = np.linalg.norm(counts)\n",
        "        counts += np.random.default_rng().normal(0, 0.01, self._width)\n"
        "        length = np.linalg.norm(counts)\n",
        "test_again_alike",
    ),
    Planted(
        "cuts long texts without a word",
        "hashed",
        "backend.py",
        "in text.split():",
        "in text.split()[:300]:",
        "test_nothing_is_cut_in_silence",
    ),
    Planted(
        "promises fewer tokens than it counts",
        "hashed",
        "backend.py",
        "return len(text) // 2 + 2",
        "return len(text) // 8 + 1",
        "test_bound_of_tokens_holds",
    ),
    Planted(
        "declares a limit below zero",
        "hashed",
        "backend.py",
        "Limits(items=20,",
        "Limits(items=20, concurrency=0,",
        "test_limits_are_numbers_above_zero",
    ),
    Planted(
        "chokes on what is not Latin",
        "hashed",
        "backend.py",
        "word.encode()",
        'word.encode("latin-1")',
        "test_odd_text_is_embedded",
    ),
    Planted(
        "refuses EMBEDDING_DIMENSIONS without a word about it",
        "acme",
        "backend.py",
        "makes vectors of 8 numbers: unset EMBEDDING_DIMENSIONS.",
        "cannot do this.",
        "test_unusable_dimensions_are_refused_or_made",
    ),
    Planted(
        "keeps a batch in the object",
        "acme",
        "backend.py",
        _SEND,
        f"self.kept = content; await __import__('asyncio').sleep(0.005); content = self.kept\n"
        f"            {_SEND}",
        "test_batches_in_flight_do_not_disturb_each_other",
    ),
    Planted(
        "ignores the index in the reply",
        "acme",
        "backend.py",
        _RETURN,
        "        return Reply(vectors)\n",
        "test_shuffled_rows_are_put_in_order",
    ),
    Planted(
        "fills up short replies",
        "acme",
        "backend.py",
        "            places = [row",
        "            if len(rows) < len(batch.texts):\n"
        "                vectors = np.zeros((len(batch.texts), 8), np.float32)\n"
        "            places = list(range(len(vectors))) or [row",
        "test_wrong_rows_are_not_believed",
    ),
    Planted(
        "puts zeros in place of NaN",
        "acme",
        "backend.py",
        "            places = [row",
        "            vectors = np.nan_to_num(vectors)\n            places = [row",
        "test_wrong_rows_are_not_believed",
    ),
    Planted(
        "lets the JSON parser's error pass",
        "acme",
        "backend.py",
        "except (ValueError, KeyError, TypeError):",
        "except KeyError:",
        "test_unreadable_bodies_are_not_believed",
    ),
    Planted(
        "takes 401 for a service that is down",
        "acme",
        "backend.py",
        '            return AuthenticationFailed("ACME does not accept ACME_KEY")',
        '            return Unavailable("ACME_KEY")',
        "test_refusal_is_of_the_right_class",
    ),
    Planted(
        "does not say which variable",
        "acme",
        "backend.py",
        "does not accept ACME_KEY",
        "says no",
        "test_refusal_ends_the_call_at_once",
    ),
    Planted(
        "keeps a token in a plain string",
        "acme",
        "settings.py",
        "    acme_key: SecretStr",
        '    acme_token: str = Field(default="", description="An older key.")\n'
        "    acme_key: SecretStr",
        "test_secrets_are_masked",
    ),
    Planted(
        "shows the key in an error, spelled for a URL",
        "acme",
        "backend.py",
        '"ACME does not accept ACME_KEY"',
        '"ACME_KEY: " + __import__("urllib.parse").parse.quote('
        'answer.request.headers["authorization"])',
        "test_refusal_ends_the_call_at_once",
    ),
    Planted(
        "logs the key",
        "acme",
        "backend.py",
        "            raise refusal(answer)",
        "            __import__('logging').getLogger(__name__).info('asked as %s', self._headers)\n"
        "            raise refusal(answer)",
        "test_refusal_ends_the_call_at_once",
    ),
    Planted(
        "shows the key in its repr",
        "acme",
        "backend.py",
        "    async def embed(",
        "    def __repr__(self) -> str:\n        return str(self._headers)\n\n    async def embed(",
        "test_secrets_are_masked",
    ),
    Planted(
        "reads a variable behind the settings' back",
        "acme",
        "backend.py",
        "        self._url = settings.acme_url\n",
        "        self._url = settings.acme_url\n"
        "        self._region = __import__('os').environ['ACME_REGION']\n",
        "test_every_missing_setting_is_named",
    ),
    Planted(
        "imports the SDK where it declares",
        "acme",
        "__init__.py",
        "from ellmental_embeddings import G",
        "import httpx\n\nfrom ellmental_embeddings import G",
        "test_declaring_is_light",
    ),
    Planted(
        "imports the SDK with the settings",
        "acme",
        "settings.py",
        "from pydantic import F",
        "import httpx\nfrom pydantic import F",
        "test_settings_are_light",
    ),
    Planted(
        "offers another name than its entry point",
        "acme",
        "__init__.py",
        'name="ACME"',
        'name="ACMY"',
        "test_entry_point_leads_to_the_generator",
    ),
    Planted(
        "explains no variable",
        "acme",
        "settings.py",
        'Field(description="Where the service is.")',
        "Field()",
        "test_ellmental_generators_describes_it",
    ),
    Planted(
        "hangs when it is closed twice",
        "acme",
        "backend.py",
        "            await self._client.aclose()\n",
        "            await self._client.aclose()\n"
        "        while getattr(self, 'closed', False):\n"
        "            await __import__('asyncio').sleep(0.1)\n"
        "        self.closed = True\n",
        "test_closing_twice",
    ),
    Planted(
        "leaves a thread behind",
        "acme",
        "backend.py",
        "            self._client = httpx",
        "            import threading, time\n"
        "            threading.Thread(target=time.sleep, args=(4,), daemon=False).start()\n"
        "            self._client = httpx",
        "test_nothing_is_left_running",
    ),
    Planted(
        "ignores the instruction",
        "acme",
        "backend.py",
        '"told": batch.instruction,',
        '"told": None,',
        "test_instruction_of_a_call_reaches_the_model",
    ),
    Planted(
        "caches over roles",
        "acme",
        "backend.py",
        _SEND,
        "self.seen = getattr(self, 'seen', {})\n"
        "            answer = self.seen.get(batch.texts) or await self._connected().post(\n"
        "                '/embed', content=content)\n"
        "            self.seen[batch.texts] = answer",
        "test_roles_do_not_mix",
    ),
    Planted(
        "retries inside",
        "acme",
        "backend.py",
        f"            {_SEND}",
        f"            {_SEND}\n            if answer.status_code >= 429:\n                {_SEND}",
        "test_server_that_is_down_is_asked_again",
    ),
    Planted(
        "does not hear how long to wait",
        "acme",
        "backend.py",
        "seconds = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()",
        "return None",
        "test_wait_that_the_service_asks_for_is_heard",
    ),
    Planted(
        "lets the client's own errors pass",
        "acme",
        "backend.py",
        "except httpx.TransportError as error:",
        "except ZeroDivisionError as error:",
        "test_broken_connection_is_made_anew",
    ),
    Planted(
        "blocks the event loop",
        "acme",
        "backend.py",
        "answer = await self._connected().post(",
        "answer = httpx.Client(headers=self._headers, timeout=30, verify=False).post(self._url + ",
        "test_requests_overlap",
    ),
    Planted(
        "does not let itself be cancelled",
        "acme",
        "backend.py",
        f"            {_SEND}",
        "            import asyncio\n"
        "            sent = asyncio.ensure_future("
        'self._connected().post("/embed", content=content))\n'
        "            while not sent.done():\n"
        "                try:\n"
        "                    await asyncio.wait([sent])\n"
        "                except asyncio.CancelledError:\n"
        "                    pass\n"
        "            answer = sent.result()",
        "test_cancelling_ends_the_call",
    ),
    Planted(
        "needs an event loop to be built",
        "acme",
        "backend.py",
        "        self._client: httpx.AsyncClient | None = None\n",
        "        self._client: httpx.AsyncClient | None = None\n"
        "        __import__('asyncio').get_running_loop()\n",
        "test_entry_point_leads_to_the_generator",
    ),
]
