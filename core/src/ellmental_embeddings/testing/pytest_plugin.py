"""The pytest plugin: says at the end of a run what the contracts proved, and what they did not.

pytest loads it for everybody who has the core installed; so it imports next to nothing, and
where no contract ran it says nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

__all__ = ["pytest_terminal_summary"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List, for every contract, how much was proven, and what was not and why."""
    proven: dict[str, int] = {}
    unproven: dict[str, dict[str, list[str]]] = {}
    for outcome in ("passed", "skipped", "xfailed", "failed", "error"):
        for contract, check, reason in _contract_reports(terminalreporter, outcome):
            proven.setdefault(contract, 0)
            if outcome == "passed":
                proven[contract] += 1
            else:
                unproven.setdefault(contract, {}).setdefault(reason or outcome, []).append(check)
    if not proven:
        return
    terminalreporter.section("embedding generators: what the contract proved")
    for contract, number in sorted(proven.items()):
        rest = unproven.get(contract, {})
        left = sum(map(len, rest.values()))
        terminalreporter.write_line(f"{contract}: {number} checks proven, {left} not proven")
        for reason, checks in rest.items():
            names = Counter(check.partition("[")[0] for check in checks)
            told = [name if times == 1 else f"{name} ({times})" for name, times in names.items()]
            terminalreporter.write_line(f"  {reason}: {', '.join(told)}")


def _contract_reports(
    reporter: pytest.TerminalReporter, outcome: str
) -> Iterator[tuple[str, str, str]]:
    """Class, check and reason of every contract's test that ended so."""
    for report in reporter.stats.get(outcome, []):
        said = dict(getattr(report, "user_properties", ()))
        if "ellmental_contract" in said and getattr(report, "when", "") in ("setup", "call"):
            check = report.nodeid.rpartition("::")[2].removeprefix("test_")
            reason = said.get("ellmental_not_proven") or getattr(report, "wasxfail", "")
            yield str(said["ellmental_contract"]), check, str(reason)
