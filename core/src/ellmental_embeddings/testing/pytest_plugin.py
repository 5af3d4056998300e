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

__all__ = ["pytest_configure", "pytest_runtest_makereport", "pytest_terminal_summary"]

_MARK = "ellmental_contract"
_MEANT = (
    "What is checked: {}\nHow to mend it: the generator raised {}, which no check expects of it."
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known by which a contract's checks are told from other tests."""
    config.addinivalue_line("markers", f"{_MARK}: a check of GeneratorContract")


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Say of a check that an error ended, and not the check itself, what it was about."""
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, Exception) and item.get_closest_marker(_MARK):
        told = getattr(getattr(item, "function", None), "__doc__", None) or item.name
        error.add_note(_MEANT.format(" ".join(told.split()), type(error).__name__))


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
        if _MARK not in getattr(report, "keywords", ()) or report.when == "teardown":
            continue
        *_, contract, check = report.nodeid.split("::")
        yield contract, check.removeprefix("test_"), _reason(report)


def _reason(report: pytest.TestReport) -> str:
    """Why a check was skipped or is expected to fail; empty for all others."""
    said = getattr(report, "wasxfail", "")
    if not said and report.skipped and isinstance(report.longrepr, tuple):
        said = report.longrepr[2].removeprefix("Skipped: ")
    return str(said).removeprefix("not proven: ")
