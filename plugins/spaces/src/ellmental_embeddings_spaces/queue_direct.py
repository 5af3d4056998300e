"""Gradio 3.x, the short way: ``POST /run/NAME`` answers with the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ellmental_embeddings.decoding import parse

from .call import Output

if TYPE_CHECKING:
    from .call import Call

__all__ = ["call_directly"]

_CLOSED = {401, 403, 404, 405}


async def call_directly(call: Call) -> Output | None:
    """Call an endpoint.

    Returns:
        The output; None where the author has closed this way, or the answer is only the first
        step of several: then the queue has to be joined.
    """
    answer = await call.site.ask("POST", f"/run/{call.endpoint.name}", call.body())
    if not answer.is_json:
        raise await call.unexpected(answer)
    if answer.status in _CLOSED:
        return None
    document = parse(answer.body)
    if answer.status == 500 and document.has("error"):  # noqa: PLR2004 - HTTP's own number
        raise call.failure(document.at(("error",)))
    if answer.status != 200 or document.at(("data",)) is None:  # noqa: PLR2004
        raise await call.unexpected(answer)
    return None if document.at(("is_generating",)) else Output(document, ("data",))
