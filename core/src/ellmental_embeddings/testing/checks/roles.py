"""Role and instruction reach the model, or are refused; they are never mixed up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from ...errors import ConfigurationError, EmbeddingError, TextRejected
from ..base import fail
from ..compare import ComparingBase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...backend import Role

__all__ = ["RoleChecks"]

_TOLD = {"document": "Represent the passage: ", "query": "Represent the question: "}
_REACH = (
    "put batch.instruction into the request (or leave takes_instruction False, so that the core "
    "puts it before the text), or raise ConfigurationError where it cannot be obeyed."
)


class RoleChecks(ComparingBase):
    """What texts are for, and what the model is told about them."""

    def told(self, text: str, role: Role, **how: Any) -> NDArray[np.float32] | None:
        """A text's vector from a new generator; None where the instruction is refused."""
        try:
            return self.embed(self.load(), [text], role=role, **how)[0]
        except (ConfigurationError, TextRejected):
            return None
        except EmbeddingError as error:
            if isinstance(error.__cause__, (ConfigurationError, TextRejected)):
                return None
            fail(f"an instruction ends in {type(error).__name__}: {error}", _REACH)

    @pytest.mark.parametrize("role", ["document", "query"])
    def test_instruction_of_a_call_reaches_the_model(self, role: str) -> None:
        """``embed(..., instruction=...)`` changes the vector, or is refused; never ignored."""
        as_role, text = cast("Role", role), self.sample[0]
        one = self.told(text, as_role, instruction="Find the topic of: ")
        self.server.forget()
        two = self.told(text, as_role, instruction="Summarise in the style of a pirate: ")
        if one is None or two is None:
            return
        if np.allclose(one, two, atol=1e-7):
            fail(f"two instructions for a {role} give one vector", _REACH)
        self._refuse_absence("Summarise in the style of a pirate: ")

    @pytest.mark.parametrize("role", ["document", "query"])
    def test_instruction_of_the_settings_reaches_the_model(self, role: str) -> None:
        """Each role is told what its own variable says, and not what the other's does."""
        as_role = cast("Role", role)
        for each, words in _TOLD.items():
            self._monkeypatch.setenv(f"EMBEDDING_{each.upper()}_INSTRUCTION", words)
        if self.told(self.sample[0], as_role) is None:
            return
        self._refuse_absence(_TOLD[role])
        other = _TOLD["query" if role == "document" else "document"]
        if any(other.strip() in _spoken(request.body) for request in self.server.requests):
            fail(f"a {role} is told {other!r}", "look at batch.instruction alone.")

    def test_roles_do_not_mix(self) -> None:
        """One text as document, then as query: each as a new generator would have it."""
        text = self.sample[0]
        for each, words in _TOLD.items():
            self._monkeypatch.setenv(f"EMBEDDING_{each.upper()}_INSTRUCTION", words)
        alone = [self.told(text, role) for role in ("document", "query")]
        if alone[0] is None or alone[1] is None:
            self.not_proven("the generator refuses instructions")
        generator = self.load()
        for role, expected in (("document", alone[0]), ("query", alone[1])):
            found = self.embed(generator, [text], role=role).vectors
            self.same(
                found,
                [expected],
                [text],
                f"as {role} in one generator and in a new one",
                "keep nothing from one batch to the next that depends on the text alone: role "
                "and instruction belong into the key of a cache.",
            )

    def _refuse_absence(self, words: str) -> None:
        sent = [_spoken(request.body) for request in self.server.requests]
        if self.speaks_http and not any(words.strip() in body for body in sent):
            fail(f"no request to the server says {words!r}", _REACH)


def _spoken(body: bytes) -> str:
    """A request's body, JSON's escapes undone."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False)
    except ValueError:
        return body.decode("utf-8", "replace")
