"""The contract as a whole: nothing is overridden or declared away in silence."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import EmbeddingError
from ..author import Author
from ..base import fail
from ..bounded import bounded
from ..compare import ComparingBase

if TYPE_CHECKING:
    import pytest

__all__ = ["WholeChecks"]


class WholeChecks(ComparingBase):
    """What the test class itself does."""

    def test_no_check_is_overridden_without_a_reason(self) -> None:
        """A check that is replaced carries ``@pytest.mark.xfail(reason=...)`` with a reason."""
        from ..contract import GeneratorContract

        before = type(self).__mro__[: type(self).__mro__.index(GeneratorContract)]
        own = {name for each in before for name in vars(each) if not name.startswith("__")}
        free = (set(vars(Author)) - {"speaks_http"}) | {"pytestmark"}
        replaced = sorted(name for name in own - free if hasattr(GeneratorContract, name))
        inner = [name for name in replaced if not name.startswith("test_")]
        if inner:
            fail(f"{', '.join(inner)}: the kit's own", "give your helpers other names.")
        silent = [name for name in replaced if not _reason(getattr(type(self), name, None))]
        if silent:
            fail(
                f"overridden without a reason: {', '.join(silent)}",
                "mend the generator instead. Where a check cannot hold, override it so: "
                '@pytest.mark.xfail(reason="why") and call super().',
            )

    def test_what_talks_to_a_server_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A generator that opens connections describes its protocol, and is tried over it."""
        reached: list[Any] = []
        connect = socket.socket.connect

        def noted(self: socket.socket, address: Any) -> None:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                reached.append(address)
            connect(self, address)

        monkeypatch.setattr(socket.socket, "connect", noted)
        generator = self.load()
        with suppress(EmbeddingError):  # what it did to get there is all that counts here
            bounded(lambda: generator.embed(self.sample[:2]))
        own = self.server.url.rpartition(":")[2] if self.speaks_http else ""
        strangers = [where for where in reached if str(where[1]) != own]
        if strangers:
            self.server.trouble = None
            fail(
                f"it connects to {strangers[0]}",
                "send all requests to self.server.url, which settings() can pass on, and "
                "describe the protocol with texts_of and reply.",
            )
        if self.speaks_http and not self.server.asked:
            came = sorted({f"{request.method} {request.path}" for request in self.server.requests})
            fail(
                f"no request for embeddings came to the server, but: {', '.join(came) or 'none'}",
                "pass self.server.url on in settings(), let texts_of return the texts of the "
                "right ones of these, and other() answer the rest.",
            )


def _reason(check: object) -> bool:
    marks = getattr(check, "pytestmark", [])
    return any(
        mark.name == "xfail" and str(mark.kwargs.get("reason", "")).strip() for mark in marks
    )
