"""Refusals that no repetition helps: told at once, with the remedy and without the key."""

from __future__ import annotations

import pytest

from ...errors import AuthenticationFailed, ConfigurationError, EmbeddingError, PluginError
from ..base import fail
from ..commandline import run_ellmental
from ..faults import FAULTS
from ..http import HttpBase

__all__ = ["RefusalChecks"]

_KINDS: dict[int, tuple[type[EmbeddingError], ...]] = {
    401: (AuthenticationFailed,),
    403: (AuthenticationFailed, ConfigurationError),
    404: (ConfigurationError,),
}


class RefusalChecks(HttpBase):
    """A wrong key, a wrong address."""

    def needs_refusal(self, number: int) -> None:
        """Skip the check where there is no protocol, or the status is no refusal in it."""
        self.needs_http()
        if number not in self.refusals:
            self.not_proven(f"refusals of the test class leaves out {number}")

    @pytest.mark.parametrize("number", _KINDS)
    def test_refusal_is_of_the_right_class(self, number: int) -> None:
        """401 and 403 are about the key, 404 about the address or the model."""
        self.needs_refusal(number)
        self.must_be(FAULTS[f"status {number}"], *_KINDS[number])

    @pytest.mark.parametrize("number", _KINDS)
    def test_refusal_ends_the_call_at_once(self, number: int) -> None:
        """One request, no repetition; the error names a variable to look at, and shows no key."""
        self.needs_refusal(number)
        error = self.ends(FAULTS[f"status {number}"], EMBEDDING_DEADLINE=1)
        if not isinstance(error, _KINDS[number]):
            wanted = " or ".join(kind.__name__ for kind in _KINDS[number])
            fail(f"the user sees {type(error).__name__}: {error}", f"raise {wanted}.")
        if len(self.server.asked) != 1:
            fail(
                f"{len(self.server.asked)} requests were sent",
                f"raise {_KINDS[number][0].__name__}, which ends the call, and retry nothing.",
            )
        if not any(row.name in str(error) for row in self.listed_variables()):
            fail(
                f"the user reads: {error}",
                "name the variable to look at: the key's for 401, the URL's or the model's for "
                "404.",
            )

    def test_address_that_is_none_is_refused(self) -> None:
        """What is no URL is told of by its variable, at once, and not tried again and again."""
        self.needs_http()
        wrong = [name for name, value in self._variables.items() if self.server.url in value]
        if not wrong:
            self.not_proven("settings() passes self.server.url on in no variable")
        for name in wrong:
            try:
                generator = self.load(**{name: "no address at all", "EMBEDDING_DEADLINE": 1})
                self.embed(generator, self.sample[:1])
            except EmbeddingError as error:
                self.refuse_leaks(error)
                told = isinstance(error, ConfigurationError) and name in str(error)
                if told and not isinstance(error, PluginError):
                    continue
                found = f"the user reads {type(error).__name__}: {error}"
            else:
                found = "nobody notices"
            fail(
                f"with {name}='no address at all' {found}",
                f"raise ConfigurationError that names {name}, from the settings' validator or "
                "where the client refuses the address (httpx.UnsupportedProtocol is a "
                "TransportError: catch it first).",
            )

    def test_command_line_tells_of_a_refusal(self) -> None:
        """``ellmental vector`` ends with a message, not with a traceback, and shows no key."""
        self.needs_http()
        self._monkeypatch.setenv("EMBEDDING_DEADLINE", "1")
        self.server.always(FAULTS["status 401"])
        ran = run_ellmental("vector", self.sample[0])
        self.refuse_leaks(also=ran.stdout + ran.stderr)
        if ran.code == 0 or "Error: " not in ran.stderr or "This should not happen" in ran.stderr:
            fail(
                f"exit code {ran.code}, and the user reads: {ran.stderr}",
                "raise AuthenticationFailed for 401.",
            )
