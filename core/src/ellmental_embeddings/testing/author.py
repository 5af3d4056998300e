"""What the author of a generator says about it: one method, and three more where it speaks HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .faults import RETRY_AFTER_FORMS, RetryAfterForm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .server import FaultServer
    from .vectors import Item, Row
    from .wire import Request

__all__ = ["REFUSALS", "Author"]

REFUSALS = (401, 403, 404)


class Author:
    """The part of a contract that its subclass fills in.

    Attributes:
        texts: what is embedded; at least eight different texts. Empty takes the kit's own.
        tolerance: how far numbers of two vectors of one text may be apart, beside the largest
            number in them. At most 0.01.
        retry_after_forms: in which forms the service says when to come back, for services that
            never use some of them. What is left out is listed as not proven.
        refusals: the statuses that no repetition helps. A service where one of them passes (a
            404 for a session that a restart has lost) leaves it out; that is listed, too.
        server: where the generator is to send its requests: ``self.server.url``.
    """

    texts: ClassVar[Sequence[str]] = ()
    tolerance: ClassVar[float] = 1e-4
    retry_after_forms: ClassVar[Sequence[RetryAfterForm]] = RETRY_AFTER_FORMS
    refusals: ClassVar[Sequence[int]] = REFUSALS
    server: FaultServer

    def settings(self) -> Mapping[str, object]:
        """The variables to set, EMBEDDING_GENERATOR among them; for every check anew.

        Nothing else of the machine's environment that concerns the generator is seen.
        """
        raise NotImplementedError("let settings() return the variables your generator needs")

    def texts_of(self, request: Request) -> Sequence[Item] | None:
        """What a request to the server wants to be embedded, in order.

        Returns:
            For each text what the model is given: the text; where it is told something
            beside (an instruction, a role), a tuple that ends in the text. None for requests
            that want something else.
        """
        raise NotImplementedError("override texts_of: it reads the texts from your request")

    def reply(self, request: Request, rows: Sequence[Row]) -> object:
        """The body of a good answer: bytes, or what is sent as JSON, or a whole Answer.

        Args:
            request: what is answered.
            rows: in the order they are to be sent in. Each has a ``vector``, and the ``index``
                of its text, for protocols that say it.
        """
        raise NotImplementedError("override reply: it makes your service's answer of rows")

    def error(self, status: int, message: str) -> object:
        """The body of a refusal; by default a form that most services are close to."""
        return {"error": {"message": message, "type": f"error_{status}", "code": status}}

    def other(self, request: Request) -> object:  # noqa: ARG002 - for overriding
        """The answer to requests for which ``texts_of`` is None; None is 404."""
        return None

    def wait_headers(self, seconds: float) -> Mapping[str, str] | None:  # noqa: ARG002 - as above
        """The headers by which the service asks to come back in so many seconds.

        Override it for a service that has headers of its own for that. None: it says
        Retry-After, in the forms of ``retry_after_forms``.
        """
        return None

    @property
    def speaks_http(self) -> bool:
        """Whether the class describes a protocol."""
        return type(self).reply is not Author.reply
