"""One call of a Gradio endpoint: what all its protocols share."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ellmental_embeddings import BadReply, EmbeddingError, RateLimited, Unavailable
from ellmental_embeddings.decoding import parse

from .failures import app_failure

if TYPE_CHECKING:
    from ellmental_embeddings.decoding import Document, Path

    from .app import App
    from .clock import Clock
    from .gradio_config import Endpoint
    from .wire import Answer, Site

__all__ = ["Call", "Output"]


@dataclass(frozen=True, slots=True)
class Output:
    """What an endpoint returned.

    Attributes:
        document: the answer it came in.
        path: where in it the list of the output components' values stands.
    """

    document: Document
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is sent, and to whom.

    Attributes:
        clock: is told when the call waits in the queue, and when it is computed.
        data: one value per input component.
        session: fresh for every call, so that one call's messages are never another's.
    """

    app: App
    clock: Clock
    site: Site
    prefix: str
    endpoint: Endpoint
    data: list[Any]
    session: str = field(default_factory=lambda: secrets.token_hex(8))

    def body(self, **more: Any) -> dict[str, Any]:
        """The JSON that starts the call."""
        return {
            "data": self.data,
            "fn_index": self.endpoint.function,
            "session_hash": self.session,
            **more,
        }

    def result(self, message: bytes) -> Output | None:
        """The output in a message of the queue; None where the message is another.

        Raises:
            EmbeddingError: the message says that the call failed.
        """
        document = parse(message)
        match document.at(("msg",)):
            case "process_completed":
                return self._completed(document)
            case "estimation":
                self.clock.waits(document.at(("rank",)), self.app.shown)
            case "heartbeat":
                self.clock.beats(self.app.shown)
            case "process_starts":
                self.clock.computes()
            case "queue_full":
                raise RateLimited(f"the queue of {self.app.shown} is full")
            case "unexpected_error" | "server_stopped" | "broken_connection":
                said = _words(document.at(("message",))) or "it stopped"
                raise Unavailable(f"{self.app.shown} lost the call: {said}")
        return None

    def lost(self) -> Unavailable:
        """The error for an answer that ended without a result: the app has to compute it again."""
        return Unavailable(
            f"the answer of {self.app.shown} ended without a result: it was restarted, or a proxy "
            "cut the line"
        )

    def failure(self, error: object, title: object = None) -> EmbeddingError:
        """The error for a call that the app itself failed."""
        return app_failure(error, title, self.app.shown, with_key=self.app.with_key)

    async def unexpected(self, answer: Answer) -> EmbeddingError:
        """The error for an answer that no Gradio would give to this."""
        return await self.app.refusal(answer)

    def _completed(self, document: Document) -> Output:
        if not document.at(("success",)):
            error = document.at(("output", "error"))
            title = document.at(("output", "title")) or document.at(("title",))
            raise self.failure(_words(error), title)
        if document.at(("output", "data", 0)) is None:
            raise BadReply(f"{self.app.shown} completed the call without an output")
        return Output(document, ("output", "data"))


def _words(node: Any) -> Any:
    """What an app says; an object's or a list's JSON."""
    return node.mini.decode() if hasattr(node, "mini") else node
