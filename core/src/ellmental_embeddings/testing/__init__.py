"""The conformance kit: proves that a generator keeps the contract. Needs pytest.

::

    from ellmental_embeddings.testing import GeneratorContract

    class TestAcme(GeneratorContract):
        def settings(self):
            return {"EMBEDDING_GENERATOR": "ACME", "ACME_KEY": "test"}

Each name is imported when it is first used: pytest loads this package, as the home of its
plugin, in every run of everybody who has the core installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from .contract import GeneratorContract
    from .faults import FAULTS, Fault, asked_to_wait, status
    from .server import FaultServer
    from .vectors import Row, vector_of
    from .wire import Answer, Request

__all__ = [
    "FAULTS",
    "Answer",
    "Fault",
    "FaultServer",
    "GeneratorContract",
    "Request",
    "Row",
    "asked_to_wait",
    "status",
    "vector_of",
]

_HOMES = {
    "contract": ("GeneratorContract",),
    "faults": ("FAULTS", "Fault", "asked_to_wait", "status"),
    "server": ("FaultServer",),
    "vectors": ("Row", "vector_of"),
    "wire": ("Answer", "Request"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
