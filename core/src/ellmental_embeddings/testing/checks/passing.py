"""Faults that pass: too fast, down, cut off, too slow. The engine repeats; nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ...errors import BadReply, EmbeddingError, RateLimited, Unavailable
from ..base import fail
from ..faults import (
    FAULTS,
    RETRY_AFTER_FORMS,
    RetryAfterForm,
    asked_to_wait,
    asked_to_wait_by,
    http_dates,
)
from ..http import HttpBase

if TYPE_CHECKING:
    from ..faults import Fault

__all__ = ["PassingChecks"]

_DOWN = ("status 500", "status 502", "status 503")
_BROKEN = ("reset before the answer", "reset in the body", "closed in the body")
_SILENT = ("no answer", "slow drip")

_HEAR = (
    "read Retry-After as seconds, whole or not, and as an HTTP date in each of its three forms "
    "(RFC 9110, 5.6.7), and retry-after-ms; pass it on as RateLimited(retry_after=seconds)."
)

_TIMEOUT_S = 0.4
_SECONDS = 90.5
_SLACK_S = 30.0
"""What a refusal asks to wait in the check that reads it and does not wait. A date comes nearer
while the machine is busy."""
_OWN = {"seconds": 8.0, "float": 7.5, "date": 600.0, "milliseconds": 0.25}
"""What a service with headers of its own asks to wait instead: whole, in part, long, short."""

_NONSENSE = ("", "soon", "-5", "nan", "inf", "1, 2", "yesterday")
_NOTHING_S = 5.0
"""Most seconds that may be made of what says nothing: "1, 2" may be read as either."""


class PassingChecks(HttpBase):
    """What a repetition helps."""

    @pytest.mark.parametrize("form", RETRY_AFTER_FORMS)
    def test_wait_that_the_service_asks_for_is_heard(self, form: RetryAfterForm) -> None:
        """A 429 is RateLimited, with the seconds that the service says, in whichever form."""
        self.needs_http()
        if form != "none" and (own := self.wait_headers(_OWN[form])) is not None:
            mend = "read the header of wait_headers; raise RateLimited(retry_after=seconds)."
            self._heard(asked_to_wait_by(own), _OWN[form], mend, slack=0)
            return
        if form not in self.retry_after_forms:
            self.not_proven(f"retry_after_forms of the test class leaves out {form!r}")
        self._heard(
            asked_to_wait(form, _SECONDS),
            None if form == "none" else _SECONDS,
            _HEAR,
        )
        for date in http_dates(_SECONDS) if form == "date" else ():
            self._heard(asked_to_wait_by({"retry-after": date}), _SECONDS, _HEAR)

    @pytest.mark.parametrize("said", _NONSENSE)
    def test_wait_that_makes_no_sense_is_none(self, said: str) -> None:
        """A 429 whose wait cannot be read, is over, or never ends, is RateLimited all the same."""
        self.needs_http()
        headers = {"retry-after": http_dates(-86_400)[0] if said == "yesterday" else said}
        if said in {"-5", "nan", "inf"}:
            headers = dict(self.wait_headers(float(said)) or headers)
        error = self.must_be(asked_to_wait_by(headers), RateLimited)
        assert isinstance(error, RateLimited)
        heard = error.retry_after
        if heard is not None and not 0 <= heard <= _NOTHING_S:
            fail(
                f"the headers {headers} make retry_after {heard}",
                "leave retry_after None where the service says nothing that can be waited for.",
            )

    def _heard(
        self, fault: Fault, seconds: float | None, mend: str, slack: float = _SLACK_S
    ) -> None:
        error = self.must_be(fault, RateLimited)
        assert isinstance(error, RateLimited)
        heard = error.retry_after
        if seconds is None:
            if heard is not None and heard <= 0:
                fail(f"retry_after is {heard}", "leave it None where the service says nothing.")
        elif heard is None or not seconds - slack <= heard <= seconds + 1:
            fail(f"{fault.name}: {seconds} s are asked for, retry_after is {heard}", mend)

    def test_too_fast_is_waited_for(self) -> None:
        """After a 429 the texts are sent again, and everybody has his vectors."""
        self.needs_http()
        usage = self.healed(*[asked_to_wait("float", 0.05)] * 3)
        if not usage.retries:
            fail("nothing was sent again", "raise RateLimited for 429.")
        self.once_each(usage)

    @pytest.mark.parametrize("name", _DOWN)
    def test_server_that_is_down_is_asked_again(self, name: str) -> None:
        """5xx is Unavailable: it is asked again, and by nobody but the engine."""
        self.needs_http()
        self.must_be(FAULTS[name], Unavailable, RateLimited)
        usage = self.healed(FAULTS[name])
        if not usage.retries:
            fail(f"{name}: nothing was sent again", "raise Unavailable.")
        self.once_each(usage)

    @pytest.mark.parametrize("name", _BROKEN)
    def test_broken_connection_is_made_anew(self, name: str) -> None:
        """A connection that breaks, before or within an answer, loses nothing."""
        self.needs_http()
        self.must_be(FAULTS[name], Unavailable, BadReply, ConnectionError)
        usage = self.healed(FAULTS[name])
        if not usage.retries:
            fail(f"{name}: nothing was sent again", "raise Unavailable.")
        self.once_each(usage)

    @pytest.mark.parametrize("name", _SILENT)
    def test_slow_answer_is_not_waited_for(self, name: str) -> None:
        """EMBEDDING_TIMEOUT ends a request, also one whose answer comes byte by byte."""
        self.needs_http()
        usage = self.healed(FAULTS[name], EMBEDDING_TIMEOUT=_TIMEOUT_S)
        if not usage.retries:
            fail(f"{name}: nothing was sent again", "raise Unavailable for a time-out.")

    def test_service_that_stays_down_ends_in_unavailable(self) -> None:
        """EMBEDDING_DEADLINE ends it, and the user is told what was tried."""
        self.needs_http()
        self._ends_unavailable(self.ends(FAULTS["status 503"], EMBEDDING_DEADLINE=0.3))

    def test_service_that_stays_busy_ends_in_rate_limited(self) -> None:
        """Who is asked to slow down until EMBEDDING_DEADLINE is over is told that, and no other."""
        self.needs_http()
        error = self.ends(asked_to_wait("none", 0), EMBEDDING_DEADLINE=0.3)
        if not self.kinds_in(error) <= {RateLimited}:
            fail(
                f"429 at every request ends in {type(error).__name__}: {error}",
                "raise RateLimited for 429.",
            )

    def test_no_connection_ends_in_unavailable(self) -> None:
        """Where nobody listens the user is told so, after the deadline and not never."""
        self.needs_http()
        generator = self.load(EMBEDDING_DEADLINE=0.3)
        self.server.stop()
        try:
            self.embed(generator, self.sample[:2])
        except EmbeddingError as error:
            self.refuse_leaks(error)
            self._ends_unavailable(error)
        else:
            fail("nobody listens, and there is no error", "send what you are asked to embed.")

    def _ends_unavailable(self, error: EmbeddingError) -> None:
        if not self.kinds_in(error) <= {Unavailable, RateLimited}:
            fail(
                f"a service that is down ends in {type(error).__name__}: {error}",
                "raise Unavailable for 5xx and where no connection can be made.",
            )
