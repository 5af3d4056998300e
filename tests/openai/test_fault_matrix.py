"""The fault matrix at a small size: `python3 tests/benchmarks/fault_matrix.py` runs all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fault_cells import HANGING, MIXTURE, WAYS, expected, run_cell, texts_of
from server_bill import Bill, Seen
from server_control import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXTS = texts_of(600)
RIGHT = expected(TEXTS)


@pytest.fixture(scope="module")
def process() -> Iterator[ServerProcess]:
    """The stand-in in a process of its own."""
    with ServerProcess() as running:
        yield running


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("way", [*WAYS, MIXTURE])
def test_nothing_is_lost_and_nothing_paid_twice(process: ServerProcess, way: str) -> None:
    """A fifth of the requests fails: every row is right, the bill has only what was broken."""
    settings = {"EMBEDDING_TIMEOUT": 1.0} if way in HANGING else {}
    cell = run_cell(process, way, 0.2, TEXTS, RIGHT, BATCH_SIZE=20, **settings)
    assert cell.account.faults > 0
    assert cell.whole, cell


def test_a_loss_would_be_seen(process: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are wrong, and rows that are lost, show in their cell."""
    wrong = run_cell(process, "500", 0.001, TEXTS, RIGHT[::-1].copy())
    assert (wrong.wrong, wrong.lost, wrong.whole) == (len(TEXTS), 0, False)
    monkeypatch.setitem(WAYS, "refused", ("invalid_input", {}))
    lost = run_cell(process, "refused", 1.0, TEXTS[:5], RIGHT[:5])
    assert (lost.wrong, lost.lost, lost.whole) == (0, 5, False)


def test_an_overpaid_text_would_be_seen() -> None:
    """What was paid beyond one good answer and the broken ones is counted, text by text."""
    bill = Bill()
    for texts, broken in (("ab", False), ("bc", True), ("bc", False), ("c", True)):
        bill.charge(texts)
        bill.waste(texts if broken else ())
        bill.note(seen(texts, broken=broken))
    account = bill.account()
    assert (account.paid, account.texts, account.spoilt, account.beyond) == (7, 3, 3, 1)
    assert account.unread == 0
    bill.waste("a")
    assert bill.account().unread == 1


def seen(texts: str, *, broken: bool) -> Seen:
    """A request for these texts, a letter each, that was billed."""
    nothing: dict[str, str] = {}
    return Seen(
        at=0.0,
        method="POST",
        path="/",
        query=nothing,
        headers=nothing,
        body=None,
        texts=tuple(texts),
        status=200,
        fault="nan" if broken else None,
        peer="",
        billed=True,
        broken=broken,
    )
