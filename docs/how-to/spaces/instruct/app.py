"""A Space for SPACES_INSTRUCT: rows of [instruction, text] in, a row of numbers out for each.

The model is MODEL, a model id on the Hub or a folder, and TEMPLATE says how it is told an
instruction: both are variables in the Space's settings.
"""

from __future__ import annotations

import os
from typing import Any

import gradio as gr
from sentence_transformers import SentenceTransformer

MODEL = os.environ.get("MODEL", "intfloat/multilingual-e5-large-instruct")
# As the model's card says. A text without an instruction (a document) is taken as it is.
TEMPLATE = os.environ.get("TEMPLATE", "Instruct: {instruction}\nQuery: {text}")
model = SentenceTransformer(MODEL)


def told(instruction: str, text: str) -> str:
    """What the model reads."""
    if not instruction.strip():
        return text
    return TEMPLATE.replace("{instruction}", instruction).replace("{text}", text)


def predict(frame: list[list[Any]]) -> list[list[float]]:
    """Vectors of length 1 of all rows, in their order."""
    texts = [told(str(instruction), str(text)) for instruction, text in frame]
    return model.encode(texts, normalize_embeddings=True).tolist()


demo = gr.Interface(
    fn=predict,
    inputs=gr.Dataframe(
        type="array", headers=["instruction", "text"], col_count=(2, "fixed"), label="texts"
    ),
    outputs=gr.Dataframe(type="array", label="vectors"),
    title=f"Embeddings of {MODEL}",
    api_name="predict",
    flagging_mode="never",
    concurrency_limit=2,
)

if __name__ == "__main__":
    # show_error: whoever calls it reads what went wrong.
    demo.queue(max_size=64).launch(show_error=True)
