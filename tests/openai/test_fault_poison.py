"""Refused texts among ten thousand, through the real SDK: only they fail, and cheaply."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fault_cells import expected, texts_of
from server_faults import make_fault
from server_witness import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openai_server import OpenAIServer
    from server_faults import Fault

TEXTS = texts_of(10_000)
RIGHT = expected(TEXTS)
BATCH = 50


@pytest.mark.parametrize(("number", "named"), [(1, False), (10, True), (100, False)])
def test_poison_among_ten_thousand(server: OpenAIServer, *, number: int, named: bool) -> None:
    """They alone fail, nothing is paid twice, at most 2 log2(50) further requests for each."""
    poison = sorted(random.Random(number).sample(range(len(TEXTS)), number))
    bad = {TEXTS[row] for row in poison}

    def refuse(texts: Sequence[str]) -> Fault | None:
        hit = next((index for index, text in enumerate(texts) if text in bad), None)
        if hit is None:
            return None
        return make_fault("too_long", index=hit) if named else make_fault("invalid_input")

    server.script.rule(refuse)
    with load(server, BATCH_SIZE=BATCH, EMBEDDING_DIMENSIONS=16) as generator:
        result = generator.embed(TEXTS, on_error="keep")
    assert sorted(result.failed) == poison
    good = np.delete(np.arange(len(TEXTS)), poison)
    assert np.array_equal(result.vectors[good], RIGHT[good])
    account = server.bill.account()
    assert account.requests - len(TEXTS) // BATCH <= number * (1 if named else 2 * math.log2(BATCH))
    assert (account.paid, account.beyond, account.unread) == (len(good), 0, 0)
