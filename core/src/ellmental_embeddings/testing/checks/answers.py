"""Answers that cannot be believed."""

from __future__ import annotations

import pytest

from ...backend import Reply
from ...errors import BadReply, ConfigurationError, Unavailable
from ..base import fail
from ..faults import FAULTS
from ..http import HttpBase

__all__ = ["AnswerChecks"]

_ROWS = ("one row short", "one row long", "NaN", "infinity", "rows of two widths")
_INDICES = ("one index twice", "indices counted from 1")
_BODIES = ("body cut off", "body empty", "body not JSON", "body null", "rows without numbers")

_READ = (
    "let BadReply be raised: by the core, for what Reply holds (return the rows as they came, "
    "and their `index`), or by you, for what cannot be read."
)


class AnswerChecks(HttpBase):
    """A reply with status 200 that is wrong."""

    def test_shuffled_rows_are_put_in_order(self) -> None:
        """Rows come in any order: the index in the reply decides, at the first attempt."""
        self.needs_http()
        self.embed(self.load(), self.sample[:2])
        if not self.indexed():
            self.not_proven("the protocol's replies name no index")
        usage = self.healed(*[FAULTS["rows shuffled"]] * 5)
        if usage.retries:
            fail("a reply with shuffled rows is sent for again", "return its indices in Reply.")

    @pytest.mark.parametrize("name", _INDICES)
    def test_wrong_indices_are_not_believed(self, name: str) -> None:
        """Indices that are not 0 to n-1, each once, belong to no text: sent again."""
        self.needs_http()
        self.embed(self.load(), self.sample[:2])
        if not self.indexed():
            self.not_proven("the protocol's replies name no index")
        if name == "one index twice" and self.keyed():
            self.not_proven("replies have one place for each index: none can come twice")
        self._not_believed(name)

    @pytest.mark.parametrize("name", _ROWS)
    def test_wrong_rows_are_not_believed(self, name: str) -> None:
        """A row too few or too many, NaN, rows of two widths: sent again, and nothing is lost."""
        self.needs_http()
        self._not_believed(name)

    @pytest.mark.parametrize("name", _BODIES)
    def test_unreadable_bodies_are_not_believed(self, name: str) -> None:
        """A body that is cut off, empty or no JSON: sent again, and nothing is lost."""
        self.needs_http()
        self._not_believed(name)

    def test_a_web_page_is_no_reply(self) -> None:
        """A page for people with status 200, from a proxy or a login, is told of as one."""
        self.needs_http()
        error = self.ends(FAULTS["a web page"], EMBEDDING_DEADLINE=1)
        if not self.kinds_in(error) <= {BadReply, Unavailable, ConfigurationError}:
            fail(f"a web page ends in {type(error).__name__}: {error}", _READ)

    def _not_believed(self, name: str) -> None:
        fault = FAULTS[name]
        found = self.raised(fault)
        if not isinstance(found, (Reply, BadReply, Unavailable)):
            fail(f"{name}: the backend raises {type(found).__name__}: {found}", _READ)
        usage = self.healed(fault)
        if not usage.retries:
            fail(f"{name}: the reply was believed", _READ)
        self.once_each(usage)
        error = self.ends(fault, EMBEDDING_DEADLINE=1)
        if not self.kinds_in(error) <= {BadReply, Unavailable}:
            fail(f"{name}, at every request, ends in {type(error).__name__}: {error}", _READ)
