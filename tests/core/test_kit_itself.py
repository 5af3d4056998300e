"""The kit's own rules: no check is replaced or declared away in silence, and it weighs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from kit_site import KitSite, Ran

if TYPE_CHECKING:
    from pathlib import Path

CHECK = "test_limits_are_numbers_above_zero"
META = "test_no_check_is_overridden_without_a_reason"
HONEST = "test_what_talks_to_a_server_says_so"
WAITS = "test_wait_that_the_service_asks_for_is_heard"
PLUGIN = "ellmental_embeddings.testing.pytest_plugin"


def xfail(reason: str) -> str:
    """A check that is replaced, with a mark."""
    mark = f"@pytest.mark.xfail({reason})"
    return f"\n    {mark}\n    def {CHECK}(self):\n        assert False\n"


@dataclass(frozen=True)
class Variant:
    """A contract as somebody might write it: what is put behind it, or changed in it; what runs."""

    sample: str
    runs: tuple[str, ...]
    body: str = ""
    was: str = ""
    becomes: str = ""


VARIANTS = {
    "emptied": Variant("hashed", (CHECK, META), f"\n    def {CHECK}(self):\n        pass\n"),
    "none": Variant("hashed", (META,), f"\n    {CHECK} = None\n"),
    "hollow": Variant("hashed", (META,), "\n    def right(self, *_):\n        pass\n"),
    "skipped whole": Variant(
        "hashed", (CHECK, META), "\n    pytestmark = pytest.mark.skip(reason='no time')\n"
    ),
    "bare xfail": Variant("hashed", (META,), xfail("")),
    "blank xfail": Variant("hashed", (META,), xfail("reason=' '")),
    "told xfail": Variant("hashed", (CHECK, META), xfail("reason='the model counts from zero'")),
    "no protocol": Variant("acme", (HONEST,), was="def reply(", becomes="def not_reply("),
    "wrong path": Variant("acme", (HONEST,), was='!= "/embed"', becomes='!= "/embeddings"'),
    "mistake": Variant("acme", ("test_again_alike",), was='["texts"]', becomes='["text"]'),
    "refused": Variant(
        "acme",
        ("test_again_alike",),
        "\n    def reply(self, request, rows):\n"
        "        from ellmental_embeddings.testing import Answer\n\n"
        "        return Answer(status=401)\n",
    ),
    "loose": Variant("hashed", ("test_again_alike",), "\n    tolerance = 0.5\n"),
    "seconds": Variant("acme", (WAITS,), "\n    retry_after_forms = ('seconds',)\n"),
    "own wait": Variant(
        "acme", (WAITS,), "\n    def wait_headers(self, s):\n        return {'x-back-in': str(s)}\n"
    ),
    "no refusals": Variant(
        "acme", ("test_refusal_is_of_the_right_class",), "\n    refusals = (401,)\n"
    ),
    "serverless": Variant("hashed", (CHECK, "test_requests_overlap")),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All variants in one run of pytest."""
    site = KitSite(tmp_path_factory.mktemp("variants"))
    nodes = []
    for name, variant in VARIANTS.items():
        node = site.plant(None, variant.sample, name)
        path = site.folder / node.partition("::")[0]
        text = path.read_text("utf-8")
        assert variant.was in text
        text = text.replace(variant.was, variant.becomes, 1) if variant.was else text
        path.write_text(f"import pytest\n{text}{variant.body}", "utf-8")
        nodes += [f"{node}::{check}" for check in variant.runs]
    return site.run(*nodes)


def failed(ran: Ran, name: str) -> set[str]:
    """The checks of a variant that failed."""
    file = f"test_kit_{VARIANTS[name].sample}_{name.replace(' ', '_')}.py"
    return {test.rpartition("::")[2] for test in ran.failed if test.startswith(file)}


def summed_up(ran: Ran, name: str) -> list[str]:
    """The summary's lines about a variant."""
    title = "".join(word.capitalize() for word in (VARIANTS[name].sample, *name.split()))
    summary = ran.output.rpartition("what the contract proved")[2].splitlines()
    first = next(n for n, line in enumerate(summary) if line.startswith(f"TestKit{title}: "))
    told = list(summary[first + 1 :])
    rest = next(n for n, line in enumerate(told) if not line.startswith("  "))
    return [summary[first].partition(": ")[2], *(line.strip() for line in told[:rest])]


def test_check_replaced_without_a_reason_fails_the_contract(ran: Ran) -> None:
    """A check that passes because somebody emptied it is found out, by its name."""
    assert failed(ran, "emptied") == {META}
    assert f"overridden without a reason: {CHECK}" in ran.output


def test_check_set_to_none_fails_the_contract(ran: Ran) -> None:
    """A check that pytest no longer collects is missed."""
    assert failed(ran, "none") == {META}


def test_check_cannot_be_hollowed_out(ran: Ran) -> None:
    """Whoever replaces what the checks are made of replaces the checks."""
    assert failed(ran, "hollow") == {META}
    assert "right: the kit's own" in ran.output


def test_contract_that_is_skipped_as_a_whole_is_listed(ran: Ran) -> None:
    """A mark on the class skips every check, and the summary says so of each."""
    assert summed_up(ran, "skipped whole") == [
        "0 checks proven, 2 not proven",
        "no time: limits_are_numbers_above_zero, no_check_is_overridden_without_a_reason",
    ]


@pytest.mark.parametrize("name", ["bare xfail", "blank xfail"])
def test_xfail_needs_a_reason(ran: Ran, name: str) -> None:
    """An xfail that does not say why counts for nothing."""
    assert failed(ran, name) == {META}


def test_xfail_with_a_reason_is_listed_with_it(ran: Ran) -> None:
    """Who cannot keep a promise may say so: the contract passes, the summary tells everybody."""
    assert failed(ran, "told xfail") == set()
    assert summed_up(ran, "told xfail") == [
        "1 checks proven, 1 not proven",
        f"the model counts from zero: {CHECK.removeprefix('test_')}",
    ]


def test_generator_with_a_server_cannot_pass_for_one_without(ran: Ran) -> None:
    """Without a protocol the checks over HTTP would be skipped: a connection gives it away."""
    assert failed(ran, "no protocol") == {HONEST}
    assert "it connects to ('127.0.0.1', " in ran.output


def test_protocol_that_asks_elsewhere_is_told_what_came(ran: Ran) -> None:
    """An author who reads the wrong path is told which requests came."""
    assert failed(ran, "wrong path") == {HONEST}
    assert "no request for embeddings came to the server, but: POST /embed" in ran.output


def test_mistake_in_the_protocol_is_told_as_one(ran: Ran) -> None:
    """A KeyError in the author's own texts_of is not laid at the generator's door."""
    assert failed(ran, "mistake") == {"test_again_alike"}
    assert "the test's own description of the protocol raised KeyError('text')" in ran.output


def test_error_that_no_check_expects_says_what_was_checked(ran: Ran) -> None:
    """Whatever a generator raises, its author reads which promise it was about."""
    assert failed(ran, "refused") == {"test_again_alike"}
    assert "What is checked: The same text has the same vector the next time" in ran.output
    assert "the generator raised AuthenticationFailed, which no check expects" in ran.output


def test_loose_tolerance_is_refused(ran: Ran) -> None:
    """Nobody declares different vectors to be the same."""
    assert failed(ran, "loose") == {"test_again_alike"}
    assert "tolerance = 0.5" in ran.output


def test_forms_of_waiting_that_are_left_out_are_listed(ran: Ran) -> None:
    """What a test class does not have tried stands in the summary."""
    assert failed(ran, "seconds") == set()
    assert summed_up(ran, "seconds")[0] == "1 checks proven, 4 not proven"
    assert "retry_after_forms of the test class leaves out 'date'" in ran.output


def test_wait_in_a_way_of_the_services_own_must_be_heard(ran: Ran) -> None:
    """A generator that reads Retry-After alone does not pass for a service that never says it."""
    assert failed(ran, "own wait") == {WAITS}
    assert "status 429 with {'x-back-in': '8.0'}: 8.0 s are asked for" in ran.output


def test_refusals_that_are_left_out_are_listed(ran: Ran) -> None:
    """A status that the service is said to mean otherwise stands in the summary."""
    assert summed_up(ran, "no refusals") == [
        "1 checks proven, 2 not proven",
        "refusals of the test class leaves out 403: refusal_is_of_the_right_class",
        "refusals of the test class leaves out 404: refusal_is_of_the_right_class",
    ]


def test_summary_says_what_a_generator_without_server_leaves_unproven(ran: Ran) -> None:
    """Skipped checks are named with their reason."""
    counted, told = summed_up(ran, "serverless")
    assert counted == "1 checks proven, 1 not proven"
    assert told.startswith("the test class describes no HTTP")
    assert told.endswith(": requests_overlap")


def test_run_without_a_contract_hears_nothing_of_the_kit(tmp_path: Path) -> None:
    """Who merely has the core installed pays for one small module, and reads nothing of it."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n", "utf-8")
    (tmp_path / "test_other.py").write_text(
        "import sys\n\n\ndef test_light():\n"
        "    ours = {name for name in sys.modules if name.startswith('ellmental')}\n"
        "    assert ours == {'ellmental_embeddings', 'ellmental_embeddings.testing',\n"
        "                    'ellmental_embeddings.testing.pytest_plugin'}\n"
        "    assert not {'numpy', 'pydantic', 'asyncio'} & set(sys.modules)\n",
        "utf-8",
    )
    kept = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": PLUGIN},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout
    assert "contract" not in ended.stdout


def test_plugin_is_announced_to_pytest() -> None:
    """Whoever installs the core has the summary, without a line of configuration."""
    from importlib.metadata import entry_points

    points = {point.name: point.value for point in entry_points(group="pytest11")}
    assert points["ellmental_embeddings"] == PLUGIN
