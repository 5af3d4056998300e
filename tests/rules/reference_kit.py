"""The lists of docs/reference/testing.md, made from the code and from its planted faults.

Written into the page by reference.py.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from ellmental_embeddings.testing import FAULTS, GeneratorContract

__all__ = ["PROMISES", "part", "planted"]

_KIT_TESTS = Path(__file__).resolve().parents[1] / "core"

PROMISES: dict[str, str] = {
    "The plugin is found by its entry point": "entry_point_leads_to_the_generator",
    "Importing it is light": "declaring_is_light settings_are_light",
    "`ellmental generators` describes it": "ellmental_generators_describes_it",
    "Every missing setting is named": "every_missing_setting_is_named",
    "Secrets are masked": "secrets_are_masked",
    "The same text has the same vector: again, alone, in any batch, order and size": (
        "again_alike alone_and_in_a_batch_alike order_of_texts_does_not_matter "
        "batch_size_does_not_matter different_texts_differ"
    ),
    "Count, width, type and finiteness": (
        "one_row_a_text_of_one_width_all_finite reply_is_no_wider_than_float32 "
        "unusable_dimensions_are_refused_or_made"
    ),
    "Empty input, blank text, no text at all": (
        "no_texts blank_text_fails_alone no_string_fails_alone"
    ),
    "Emoji and other signs, lone surrogates, NUL": (
        "odd_text_is_embedded lone_surrogate_fails_alone nul_is_embedded_or_fails_alone"
    ),
    "100,000 characters": (
        "100000_characters_are_embedded_or_fail_alone nothing_is_cut_in_silence"
    ),
    "Declared limits hold": (
        "limits_are_numbers_above_zero as_many_texts_as_declared_are_taken "
        "no_request_is_over_the_declared_limit bound_of_tokens_holds "
        "overlong_text_is_handled_as_asked"
    ),
    "Role and instruction reach the model, or are refused": (
        "instruction_of_a_call_reaches_the_model instruction_of_the_settings_reaches_the_model "
        "roles_do_not_mix"
    ),
    "Calls at the same time": (
        "batches_in_flight_do_not_disturb_each_other calls_from_many_threads requests_overlap"
    ),
    "The synchronous face equals the asynchronous one": "both_faces_alike",
    "Cancelling": "cancelling_ends_the_call",
    "Closing twice": "closing_twice nothing_is_left_running",
    "Errors of the right class: 401, 403, 404": (
        "refusal_is_of_the_right_class refusal_ends_the_call_at_once "
        "command_line_tells_of_a_refusal"
    ),
    "An address that is none": "address_that_is_none_is_refused",
    "Shuffled indices": "shuffled_rows_are_put_in_order wrong_indices_are_not_believed",
    "Short and long replies, NaN": "wrong_rows_are_not_believed",
    "Bodies that are truncated or no JSON": (
        "unreadable_bodies_are_not_believed a_web_page_is_no_reply"
    ),
    "429, with every form of Retry-After": (
        "wait_that_the_service_asks_for_is_heard wait_that_makes_no_sense_is_none "
        "too_fast_is_waited_for service_that_stays_busy_ends_in_rate_limited"
    ),
    "500, 502, 503": (
        "server_that_is_down_is_asked_again service_that_stays_down_ends_in_unavailable"
    ),
    "Resets, time-outs, slow drips": (
        "broken_connection_is_made_anew no_connection_ends_in_unavailable "
        "slow_answer_is_not_waited_for"
    ),
    "No check is left out in silence": (
        "no_check_is_overridden_without_a_reason what_talks_to_a_server_says_so"
    ),
}
"""What the kit promises to prove, and the checks (without ``test_``) that prove it."""


def part(what: str) -> str:
    """``checks``, ``faults`` or ``promises``."""
    return _LISTS[what]()


def checks() -> str:
    """Every check, group by group, with what it means."""
    lines = []
    for group in GeneratorContract.__bases__:
        names = [name for name in vars(group) if name.startswith("test_")]
        lines += [f"{inspect.getdoc(group)}\n", "| check | what it means |", "|---|---|"]
        for name in names:
            lines.append(f"| `{name}` | {meaning(getattr(group, name))} |")
        lines.append("")
    return "\n".join(lines)


def meaning(check: object) -> str:
    """A check's docstring, on one line."""
    return " ".join((inspect.getdoc(check) or "").split()).replace("``", "`")


def faults() -> str:
    """The names of all faults."""
    return ", ".join(f"`{name}`" for name in FAULTS) + "."


def planted() -> dict[str, list[str]]:
    """The names of the planted faults that each check must find in the tests of the kit."""
    found: dict[str, list[str]] = {}
    for fault in _faults():
        for check in fault.checks:
            found.setdefault(check.removeprefix("test_"), []).append(fault.name)
    return found


def _faults() -> list[Any]:
    """They are imported from where the tests of the kit have them."""
    sys.path.append(str(_KIT_TESTS))
    try:
        return list(import_module("kit_faults").FAULTS)
    finally:
        sys.path.remove(str(_KIT_TESTS))


def promises() -> str:
    """Each promise with its checks, and a generator that breaks it for each of them."""
    found = planted()
    lines = ["| promise | check | finds a generator that |", "|---|---|---|"]
    for promise, checks_of_it in PROMISES.items():
        for number, name in enumerate(checks_of_it.split()):
            broken = "; ".join(found.get(name, ["(looks at the test class)"]))
            lines.append(f"| {'' if number else promise} | `test_{name}` | {broken} |")
    return "\n".join(lines)


_LISTS = {"checks": checks, "faults": faults, "promises": promises}
