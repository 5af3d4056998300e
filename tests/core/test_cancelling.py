"""A thousand calls ended at a random moment: nothing runs on, nothing that was finished is lost."""

from __future__ import annotations

import gc
import os
import warnings

import pytest
from moments import KINDS, Moments


@pytest.mark.skipif(os.name == "nt", reason="Windows has no timer that interrupts")
@pytest.mark.parametrize("threads", [False, True], ids=["async def", "def"])
@pytest.mark.parametrize("kind", KINDS)
def test_ended_at_a_random_moment(*, kind: str, threads: bool) -> None:
    """Whatever ends a call, and whenever."""
    moments = Moments(len(kind), threads=threads)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(10 if kind == "collect" else 20 if threads else 80):
            moments.run(kind)
        moments.close()
        gc.collect()
    assert moments.ended[kind] > 0
