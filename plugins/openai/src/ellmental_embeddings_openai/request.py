"""A request's body, encoded once; and what the server was learnt not to take."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from .endpoint import Endpoint

__all__ = ["Form"]

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The part of the body that is the same for every batch.

    Attributes:
        model: which model.
        dimensions: width asked for, or None to leave it out.
        encoding: how vectors are asked for, or None to leave it out.
    """

    model: str
    dimensions: int | None
    encoding: str | None

    @classmethod
    def of(cls, endpoint: Endpoint) -> Self:
        """The form that an endpoint's settings ask for."""
        return cls(model=endpoint.model, dimensions=endpoint.dimensions, encoding=endpoint.encoding)

    @property
    def arguments(self) -> frozenset[str]:
        """The optional arguments it holds, by their name in the request."""
        held = {"dimensions": self.dimensions, "encoding_format": self.encoding}
        return frozenset(name for name, value in held.items() if value is not None)

    def without(self, argument: str) -> Self:
        """The same form without an optional argument."""
        if argument == "dimensions":
            return replace(self, dimensions=None)
        return replace(self, encoding=None)

    def body(self, texts: tuple[str, ...]) -> bytes:
        """The request's JSON; non-ASCII as UTF-8, which is shorter than as escapes."""
        fields: dict[str, object] = {"model": self.model, "input": texts}
        if self.dimensions is not None:
            fields["dimensions"] = self.dimensions
        if self.encoding is not None:
            fields["encoding_format"] = self.encoding
        return _ENCODER.encode(fields).encode()
