"""What answers in place of the services that the documentation names."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from documentation import ROOT
from openai_server import KEY, OpenAIServer
from stand_in import StandIn, reply
from stand_in_gradio import StandInGradio

from ellmental_embeddings.testing import FaultServer, GeneratorContract

if TYPE_CHECKING:
    from types import TracebackType


class Services:
    """OpenAI and Azure, the Hub and one Space, and the sample's service, on 127.0.0.1.

    Attributes:
        hub: the Hub's address, HF_ENDPOINT.
        variables: what the page's shell has that a reader's has not: OpenAI's address.
        openai: the stand-in for OpenAI and Azure.
    """

    def __init__(self) -> None:
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        self.openai = self._opened.enter_context(OpenAIServer())
        self._space = self._opened.enter_context(StandInGradio())
        self._stratus = self._opened.enter_context(FaultServer(stratus_spoken()))
        self._stratus.width = 64
        hub = self._opened.enter_context(StandIn())
        for owner in ("owner/name", "OWNER/NAME"):
            hub.on(f"GET /api/spaces/{owner}/host", reply({"host": self._space.url}))
            hub.on(f"GET /api/spaces/{owner}/runtime", reply({"stage": "RUNNING"}))
        self.hub = hub.url
        self.variables = {"OPENAI_BASE_URL": self.openai.url}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()

    def really(self, script: str) -> str:
        """A script with the stand-ins' addresses and keys in place of those that a page shows."""
        for shown, real in (
            ("OPENAI_API_KEY=sk-...", f"OPENAI_API_KEY={KEY}"),
            ("OPENAI_API_KEY=...", f"OPENAI_API_KEY={KEY}"),
            ("STRATUS_TOKEN=...", f"STRATUS_TOKEN=test STRATUS_URL={self._stratus.url}"),
            ("https://NAME.openai.azure.com", self.openai.origin),
            ("http://localhost:11434/v1", self.openai.url),
        ):
            script = script.replace(shown, real)
        return script

    def shown(self, printed: str) -> str:
        """What was printed, with the addresses that a page shows."""
        return printed.replace(self._space.url, "https://owner-name.hf.space")


def stratus_spoken() -> GeneratorContract:
    """The protocol of the sample `stratus`, as its own test has it."""
    sample = ROOT / "docs" / "how-to" / "samples" / "stratus"
    spec = importlib.util.spec_from_file_location("stratus", sample / "tests" / "test_stratus.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(sample / "src"))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(sample / "src"))
    contract: GeneratorContract = module.TestStratus()
    return contract
