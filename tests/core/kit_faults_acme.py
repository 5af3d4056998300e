"""Faults of a generator that asks a service."""

from __future__ import annotations

from kit_planted import Planted

__all__ = ["IN_ACME"]

_RETURN = "        return Reply(vectors, index=places)\n"
_SEND = 'answer = await self._connected().post("/embed", content=content)'

IN_ACME = [
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
        also=("test_calls_from_many_threads",),
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
        also=("test_command_line_tells_of_a_refusal",),
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
        also=("test_instruction_of_the_settings_reaches_the_model",),
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
        "    return max(0.0, (when.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds())\n",
        "    return None\n",
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
    Planted(
        "calls a text that is too long a bad reply",
        "acme",
        "backend.py",
        'raise TextTooLong(f"more than {MOST_CHARACTERS:,} characters", index=index)',
        'raise BadReply("too long")',
        "test_100000_characters_are_embedded_or_fail_alone",
    ),
    Planted(
        "takes all that is no JSON for a wrong key",
        "acme",
        "backend.py",
        """raise BadReply("ACME's answer cannot be read")""",
        """raise AuthenticationFailed("ACME_KEY")""",
        "test_a_web_page_is_no_reply",
    ),
    Planted(
        "sends what stands before a NUL",
        "acme",
        "backend.py",
        '"texts": list(batch.texts),',
        '"texts": [text.partition(chr(0))[0] for text in batch.texts],',
        "test_nul_is_embedded_or_fails_alone",
    ),
    Planted(
        "sends more texts than it declares",
        "acme",
        "backend.py",
        'rows = answer.json()["rows"]',
        'content = json.dumps({**asked, "texts": list(batch.texts) * 2}).encode()\n'
        '            answer = await self._connected().post("/embed", content=content)\n'
        '            rows = answer.json()["rows"][: len(batch.texts)]',
        "test_no_request_is_over_the_declared_limit",
    ),
    Planted(
        "takes a connection that cannot be made for a wrong setting",
        "acme",
        "backend.py",
        'raise Unavailable(f"no connection',
        'raise ConfigurationError(f"no connection',
        "test_no_connection_ends_in_unavailable",
    ),
    Planted(
        "takes 503 for a wrong address",
        "acme",
        "backend.py",
        "case status if status >= 500:",
        "case status if 500 <= status < 503:",
        "test_service_that_stays_down_ends_in_unavailable",
    ),
    Planted(
        "takes 429 for a wrong key",
        "acme",
        "backend.py",
        "case 401 | 403:",
        "case 401 | 403 | 429:",
        "test_too_fast_is_waited_for",
        also=("test_service_that_stays_busy_ends_in_rate_limited",),
    ),
    Planted(
        "answers a time-out with zeros",
        "acme",
        "backend.py",
        f"            {_SEND}",
        f"            try:\n                {_SEND}\n"
        "            except BaseException:\n"
        "                return Reply(np.ones((len(batch.texts), 8), np.float32))",
        "test_slow_answer_is_not_waited_for",
    ),
    Planted(
        "makes wrong indices fit",
        "acme",
        "backend.py",
        _RETURN,
        "        return Reply(vectors, index=[place % len(batch.texts) for place in places])\n",
        "test_wrong_indices_are_not_believed",
    ),
    Planted(
        "believes that every wait is a number",
        "acme",
        "backend.py",
        """            return float(said)
        when = parsedate_to_datetime(said)
    except ValueError:
        return None
""",
        """            return float(said)
    except ValueError:
        return None
    try:
        when = parsedate_to_datetime(said)
    except ValueError:
        return float(said or 0)
""",
        "test_wait_that_makes_no_sense_is_none",
    ),
    Planted(
        "takes a date without a zone for one of this machine's",
        "acme",
        "backend.py",
        "    return max(0.0, (when.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds())\n",
        "    return max(0.0, (when - datetime.now(UTC)).total_seconds())\n",
        "test_wait_that_the_service_asks_for_is_heard",
    ),
    Planted(
        "tries again and again where the address is none",
        "acme",
        "backend.py",
        "except (httpx.InvalidURL, httpx.UnsupportedProtocol):",
        "except httpx.InvalidURL:",
        "test_address_that_is_none_is_refused",
    ),
]
