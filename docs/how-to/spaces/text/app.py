"""A Space for SPACES_TEXT: a row of texts in, a row of numbers out for each.

The model is MODEL, a model id on the Hub or a folder: a variable in the Space's settings.
"""

from __future__ import annotations

import os
from typing import Any

import gradio as gr
from sentence_transformers import SentenceTransformer

MODEL = os.environ.get("MODEL", "intfloat/multilingual-e5-small")
model = SentenceTransformer(MODEL)


def predict(frame: list[list[Any]]) -> list[list[float]]:
    """Vectors of length 1 of all cells, in their order, as they come: prefixes are the caller's."""
    texts = [str(cell) for row in frame for cell in row]
    return model.encode(texts, normalize_embeddings=True).tolist()


demo = gr.Interface(
    fn=predict,
    inputs=gr.Dataframe(type="array", label="texts"),
    outputs=gr.Dataframe(type="array", label="vectors"),
    title=f"Embeddings of {MODEL}",
    api_name="predict",
    flagging_mode="never",
    concurrency_limit=2,
)

if __name__ == "__main__":
    # show_error: whoever calls it reads what went wrong.
    demo.queue(max_size=64).launch(show_error=True)
