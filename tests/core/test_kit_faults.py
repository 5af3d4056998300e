"""The conformance kit finds the faults that authors make, and finds none where there is none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from kit_faults import FAULTS
from kit_site import KitSite, Ran

from ellmental_embeddings.testing import GeneratorContract

if TYPE_CHECKING:
    from kit_planted import Planted

# Two runs of pytest for all, side by side: starting one takes longer than most checks, and some
# checks wait for what never comes.


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, dict[str, list[str]]]:
    """All faults, each in a plugin of its own, with the checks that are for it; and their ids."""
    ids: dict[str, list[str]] = {}
    with ThreadPoolExecutor() as pool:
        running = []
        for half in (FAULTS[::2], FAULTS[1::2]):
            site = KitSite(tmp_path_factory.mktemp("planted"), strict=False)
            own = {}
            for fault in half:
                contract = site.plant(fault)
                own[fault.name] = [f"{contract}::{check}" for check in fault.checks]
            ids |= own
            running.append(
                pool.submit(site.run, *(node for nodes in own.values() for node in nodes))
            )
        first, second = (run.result() for run in running)
    return Ran(first.output + second.output, first.failed | second.failed), ids


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Both samples as they are, with the whole contract."""
    folder = tmp_path_factory.mktemp("good")
    site = KitSite(folder)
    return site.run(*(site.plant(None, sample) for sample in ("acme", "hashed")))


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_planted_fault_is_found(planted: tuple[Ran, dict[str, list[str]]], fault: Planted) -> None:
    """The checks that are for a fault fail, with a sentence on how to mend it."""
    ran, ids = planted
    assert [node for node in ids[fault.name] if node not in ran.failed] == [], ran.output[-5000:]


@pytest.mark.slow
def test_every_failure_says_how_to_mend_it(planted: tuple[Ran, dict[str, list[str]]]) -> None:
    """No check fails with a bare assertion or a traceback."""
    ran, _ = planted
    assert ran.output.count("How to mend it: ") >= len(FAULTS)
    assert ran.output.count("What is checked: ") >= len(FAULTS)
    assert "Traceback" not in ran.output


@pytest.mark.slow
def test_good_generators_pass(good: Ran) -> None:
    """Without a fault every check passes, or says what is not proven."""
    assert good.failed == set(), good.output[-5000:]
    assert "TestKitAcmeGood: " in good.output
    assert "limits.tokens_per_text is not declared" in good.output


@pytest.mark.slow
def test_each_planted_fault_is_found_by_a_check_that_passes_without_it(good: Ran) -> None:
    """The checks that find the faults pass where there is none: they tell the two apart."""
    proven = {test.rpartition("::")[2] for test in good.passed}
    assert {check for fault in FAULTS for check in fault.checks} <= proven


def test_every_check_finds_a_planted_fault() -> None:
    """No check is without a fault that it is for; two look at the test class, not at a generator.

    Those two have their own tests in test_kit_itself.py.
    """
    checks = {name for name in dir(GeneratorContract) if name.startswith("test_")}
    of_the_class = {
        "test_no_check_is_overridden_without_a_reason",
        "test_what_talks_to_a_server_says_so",
    }
    assert checks - {check for fault in FAULTS for check in fault.checks} == of_the_class
