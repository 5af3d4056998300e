"""What stands behind the Spaces of the tests: fake vectors, or LOCAL's real ones.

It runs inside the Spaces, so it needs the standard library alone. These texts make a Space
misbehave:

    __gr_error__, __quota__  the handler raises gr.Error, with ZeroGPU's words the second
    __crash__                the handler raises ValueError("secret detail")
    __sleep:SECONDS__        the handler sleeps first
    __nan__, __none__        the vector holds a NaN, a None
    __ragged__               the vector is one number short
    __strings__              the vector's numbers come as strings
    __fewer__                there is no vector for this text
    __wide:N__               all vectors of the call have N numbers
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import struct
import time
import urllib.request
from typing import Any

__all__ = ["QUOTA", "embed", "fake_vector"]

WIDTH = 4
QUOTA = "You have exceeded your ZeroGPU quota (60s requested vs. 0s left). Try again in 23:08:12."


def fake_vector(text: str, instruction: str = "", width: int = WIDTH) -> list[float]:
    """A unit vector made from a hash, with six decimals."""
    values: list[float] = []
    while len(values) < width:
        key = f"{instruction}\0{text}\0{len(values)}"
        digest = hashlib.sha256(key.encode()).digest()
        values.extend(number / 2**31 - 1.0 for number in struct.unpack("<8I", digest))
    norm = math.sqrt(sum(value * value for value in values[:width]))
    return [round(value / norm, 6) for value in values[:width]]


def embed(texts: list[str], instructions: list[str] | None = None) -> list[list[Any]]:
    """The rows that a handler returns."""
    told = instructions or [""] * len(texts)
    if "MODEL_URL" in os.environ:
        return _from_model([" ".join(filter(None, pair)) for pair in zip(told, texts, strict=True)])
    width = WIDTH
    for text in texts:
        if wide := re.fullmatch("__wide:([0-9]+)__", text):
            width = int(wide[1])
    rows = []
    for text, instruction in zip(texts, told, strict=True):
        rows += _misbehaved(text, fake_vector(text, instruction, width))
    return rows


def _misbehaved(text: str, row: list[float]) -> list[list[Any]]:
    if pause := re.fullmatch("__sleep:([0-9.]+)__", text):
        time.sleep(float(pause[1]))
    if text in ("__gr_error__", "__quota__"):
        import gradio  # type: ignore[import-not-found]  # only where a Space runs

        raise gradio.Error("custom failure" if text == "__gr_error__" else QUOTA)
    if text == "__crash__":
        raise ValueError("secret detail")
    changed: dict[str, list[list[Any]]] = {
        "__nan__": [[float("nan"), *row[1:]]],
        "__none__": [[None, *row[1:]]],
        "__ragged__": [row[:-1]],
        "__strings__": [[str(value) for value in row]],
        "__fewer__": [],
    }
    return changed.get(text, [row])


def _from_model(texts: list[str]) -> list[list[Any]]:
    """Ask the tests' own process, which runs LOCAL: old gradios cannot share its packages."""
    request = urllib.request.Request(os.environ["MODEL_URL"], json.dumps(texts).encode())
    with urllib.request.urlopen(request) as answer:
        rows: list[list[Any]] = json.loads(answer.read())
        return rows
