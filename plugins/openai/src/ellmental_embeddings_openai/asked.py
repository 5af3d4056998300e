"""The request that a failure belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ellmental_embeddings import EmbeddingError

    from .endpoint import Endpoint

__all__ = ["ArgumentRefused", "Asked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The request that failed, as far as the meaning of the failure hangs on it.

    Attributes:
        endpoint: the service.
        texts: how many texts it held.
        arguments: the optional arguments it held: ``encoding_format``, ``dimensions``.
        answered: whether the service has ever answered well.
        timeout: seconds it had.
    """

    endpoint: Endpoint
    texts: int
    arguments: frozenset[str] = frozenset()
    answered: bool = False
    timeout: float = 60.0


class ArgumentRefused(Exception):
    """The service does not take an optional argument: ask again without it.

    Attributes:
        argument: its name.
        otherwise: what is raised where that does not help.
    """

    def __init__(self, argument: str, otherwise: EmbeddingError) -> None:
        super().__init__(argument)
        self.argument = argument
        self.otherwise = otherwise
