"""The Spaces of the tests, for every gradio from 3.36 to 6.

    python space.py text       /predict: a Dataframe of one row of n texts -> n rows
    python space.py instruct   /predict: n rows of [instruction, text] -> n rows
    python space.py blocks     /embed_json, /embed_one, /stream, /pairs, /two, /both

The environment says the rest: PORT, SHOW_ERROR, AUTH (user:password), MAX_SIZE of the queue,
CLOSED (3.x: direct calls are closed), FRAME_TYPE (array, pandas, numpy), MODEL_URL.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator  # noqa: TC003 - gradio 3 reads the annotations
from typing import TYPE_CHECKING, Any

import gradio as gr  # type: ignore[import-not-found]  # only where a Space runs
from vectors_behind import embed

if TYPE_CHECKING:
    from collections.abc import Callable

FRAME_TYPE = os.environ.get("FRAME_TYPE", "array")


def of_texts(frame: Any) -> Any:
    """One row of n texts."""
    rows = frame.values.tolist() if FRAME_TYPE == "pandas" else frame
    vectors = embed([str(cell) for row in rows for cell in row])
    if FRAME_TYPE == "pandas":
        import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]

        return pd.DataFrame(vectors, columns=[str(place) for place in range(len(vectors[0]))])
    if FRAME_TYPE == "numpy":
        import numpy as np

        return np.array(vectors, dtype="float32")
    return vectors


def of_pairs(frame: Any) -> Any:
    """Rows of [instruction, text]."""
    return embed([str(row[1]) for row in frame], [str(row[0]) for row in frame])


def in_steps(texts: list[str]) -> Iterator[list[list[Any]]]:
    """One more vector a step."""
    for count in range(1, len(texts) + 1):
        yield embed(texts[:count])


def known(function: Callable[..., Any], **options: Any) -> dict[str, Any]:
    """The options that this gradio has."""
    names = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in names}


def frame_space(function: Callable[[Any], Any], **frame: Any) -> Any:
    """A Space of one Dataframe, at /predict: gradio 6 names an endpoint after its function."""
    function.__name__ = "predict"
    columns = known(gr.Dataframe.__init__, **frame)
    newer = known(gr.Interface.__init__, flagging_mode="never")
    return gr.Interface(
        fn=function,
        inputs=gr.Dataframe(type=FRAME_TYPE, **columns),
        outputs=gr.Dataframe(type=FRAME_TYPE),
        **(newer or {"allow_flagging": "never"}),
    )


def blocks_space() -> Any:
    """A Space of several endpoints, as people write them."""
    with gr.Blocks() as demo:
        texts = gr.JSON(label="texts")
        one = gr.Textbox(label="text")
        vectors = gr.JSON(label="vectors")
        name = gr.Textbox(label="model")
        gr.Button("a").click(embed, texts, vectors, api_name="embed_json")
        gr.Button("b").click(lambda text: embed([text])[0], one, vectors, api_name="embed_one")
        gr.Button("c").click(in_steps, texts, vectors, api_name="stream")
        gr.Button("d").click(of_pairs, texts, vectors, api_name="pairs")
        gr.Button("e").click(lambda one: (embed(one), "m"), texts, [vectors, name], api_name="two")
        gr.Button("f").click(lambda a, b: [a, b], [texts, one], vectors, api_name="both")
        hidden = gr.Button("g")
        private = known(hidden.click, api_visibility="private")  # gradio 6
        hidden.click(embed, texts, vectors, **(private or {"api_name": False}))
    return demo


def make(kind: str) -> Any:
    """The Space of a kind."""
    if kind == "text":
        return frame_space(of_texts)
    if kind == "instruct":
        columns = {"headers": ["instruction", "text"], "col_count": 2, "column_count": 2}
        newer = known(gr.Dataframe.__init__, column_count=2)
        columns.pop("col_count" if newer else "column_count")
        return frame_space(of_pairs, **columns)
    return blocks_space()


def main() -> None:
    """Start it."""
    demo = make(sys.argv[1])
    queue: dict[str, Any] = {}
    if "MAX_SIZE" in os.environ:
        queue["max_size"] = int(os.environ["MAX_SIZE"])
    if "CLOSED" in os.environ:
        queue.update(known(demo.queue, api_open=False))
    demo.queue(**queue)
    auth = os.environ.get("AUTH")
    demo.launch(
        server_name="127.0.0.1",
        server_port=int(os.environ["PORT"]),
        show_error=os.environ.get("SHOW_ERROR") == "1",
        auth=tuple(auth.split(":", 1)) if auth else None,
        **known(demo.launch, quiet=True),
    )


if __name__ == "__main__":
    main()
