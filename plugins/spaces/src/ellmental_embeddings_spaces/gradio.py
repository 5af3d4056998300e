"""A Gradio server, 3 to 6."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ellmental_embeddings import ConfigurationError, Limits, ModelInfo
from ellmental_embeddings.decoding import is_array

from .call import Call
from .payload import component_value
from .queue_direct import call_directly
from .queue_sse import call_over_sse, call_over_sse_of_4_0
from .queue_ws import call_over_websocket

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ellmental_embeddings.decoding import Path

    from .app import App
    from .call import Output
    from .clock import Clock
    from .gradio_config import GradioConfig
    from .settings import SpacesSettings
    from .wire import Site

__all__ = ["GradioServer"]

_IN_FLIGHT = 2
"""By default an app computes one call at a time and lets the others queue: one that is computed
and one that waits keep it busy. EMBEDDING_MAX_CONCURRENCY says where an app can do more."""


class GradioServer:
    """One endpoint of a Gradio app.

    Raises:
        ConfigurationError: the app has no such endpoint, or speaks an unknown protocol.
    """

    def __init__(
        self, app: App, site: Site, config: GradioConfig, settings: SpacesSettings
    ) -> None:
        self._app = app
        self._site = site
        self._prefix = config.prefix
        self._endpoint = config.endpoint(settings.spaces_endpoint)
        if config.protocol not in ("ws", "sse") and not config.protocol.startswith("sse_v"):
            raise ConfigurationError(
                f"{app.shown} is a Gradio {config.version} that speaks {config.protocol!r}, which "
                "is not known here. Update ellmental-embeddings-spaces."
            )
        self._protocol = config.protocol
        # 3.x is asked directly, until that turns out to be closed or to give half an answer.
        self._directly = config.protocol == "ws" and not self._endpoint.generator
        name = self._endpoint.name
        self.about = (
            f"Gradio {config.version} at {site.root}, protocol {config.protocol}"
            + (f" under {config.prefix}" if config.prefix else "")
            + f", endpoint /{name} ({self._endpoint.component})"
        )
        self.limits = Limits(
            items=1 if self._endpoint.component == "textbox" else None,
            concurrency=settings.in_flight(_IN_FLIGHT),
        )
        self.model = ModelInfo(name=app.identity + ("" if name == "predict" else f"/{name}"))

    async def vectors(
        self, texts: Sequence[str], instruction: str | None, clock: Clock
    ) -> NDArray[np.float32]:
        """Call the endpoint with a batch."""
        if instruction is not None and self._endpoint.component == "textbox":
            raise ConfigurationError(
                f"SPACES_ENDPOINT=/{self._endpoint.name} takes a Textbox, which has no room for an "
                "instruction. Use EMBEDDING_GENERATOR=SPACES_TEXT."
            )
        output = await self._call(
            Call(
                app=self._app,
                clock=clock,
                site=self._site,
                prefix=self._prefix,
                endpoint=self._endpoint,
                data=[component_value(self._endpoint.component, texts, instruction)],
            )
        )
        return output.document.matrix(_place(output))

    async def _call(self, call: Call) -> Output:
        if self._directly:
            output = await call_directly(call)
            if output is not None:
                return output
            self._directly = False
        if self._protocol == "ws":
            return await call_over_websocket(call)
        if self._protocol == "sse":
            return await call_over_sse_of_4_0(call)
        return await call_over_sse(call)


def _place(output: Output) -> Path:
    """Where the vectors stand: in the first component's value, or its ``data`` (a Dataframe)."""
    first: Path = (*output.path, 0)
    value = output.document.at(first)
    if not is_array(value):
        return first if value is None else (*first, "data")
    one_vector = len(value) > 0 and isinstance(value[0], int | float)
    # The value of the only output, a vector, is the only row of the list of outputs.
    return output.path if one_vector else first
