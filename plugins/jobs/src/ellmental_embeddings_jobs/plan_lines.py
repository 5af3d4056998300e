"""A plan for people: one line a figure, and what to do where one is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .naming import counted

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["plan_lines"]

_TYPICAL = 4
"""Bytes a token in English text: only said as a guess beside the bound, never counted with."""

_LEAST = 0.0001
"""Dollars; less would be shown as nothing."""


def plan_lines(plan: dict[str, Any], output: Path | None) -> list[str]:
    """The lines of a plan.

    Args:
        plan: its figures, as ``--json`` prints them.
        output: the dataset that was looked at, or None.
    """
    blank = f", {counted(plan['blank'], 'blank line')} passed over" if plan["blank"] else ""
    unusable = f", {plan['unusable']:,} cannot be embedded" if plan["unusable"] else ""
    split = f", {plan['split']:,} of them split" if plan["split"] else ""
    rows = [
        ("documents", f"{plan['documents']:,}{split}{blank}{unusable}"),
        ("texts", f"{plan['texts']:,}, {_distinct(plan)} different"),
        *([] if output is None else [("there", _there(plan, output))]),
        ("to be sent", _sent(plan)),
        ("over-long", _overlong(plan)),
        ("requests", f"{plan['requests']:,}"),
        ("tokens", _tokens(plan)),
        ("price", _price(plan)),
        ("time", _time(plan)),
    ]
    return [f"{name:11} {value}" for name, value in rows]


def _distinct(plan: dict[str, Any]) -> str:
    return "all" if plan["distinct"] == plan["texts"] else f"{plan['distinct']:,} of them"


def _there(plan: dict[str, Any], output: Path) -> str:
    said = f"{plan['held']:,} in {output.as_posix()}"
    if failed := plan["failed_before"]:
        said += f"; {failed:,} failed before (--retry-failed tries them again)"
    if vanished := plan["vanished"]:
        is_are = "is" if vanished == 1 else "are"
        said += f"; {counted(vanished, 'row')} there {is_are} not in the input any more"
    return said


def _sent(plan: dict[str, Any]) -> str:
    if plan["cached"] is not None:
        return f"{plan['sent']:,}, {plan['cached']:,} are in the cache"
    if not plan["sent_again"]:
        return f"{plan['sent']:,}"
    return (
        f"{plan['sent']:,}, {plan['sent_again']:,} of them again: identical texts far apart are "
        "sent once only with EMBEDDING_CACHE"
    )


def _overlong(plan: dict[str, Any]) -> str:
    policy = plan["space"]["overlong"]
    said = {"error": "they fail", "truncate": "they are cut", "average": "means of their pieces"}
    over = f"{plan['overlong']:,}"
    return f"{over} (EMBEDDING_OVERLONG={policy}: {said[policy]})" if plan["overlong"] else over


def _tokens(plan: dict[str, Any]) -> str:
    if plan["tokens_exact"]:
        return f"{plan['tokens']:,} (counted)"
    guess = plan["tokens"] // _TYPICAL
    return f"at most {plan['tokens']:,} (a bound; English has about {guess:,})"


def _price(plan: dict[str, Any]) -> str:
    per_million, source = plan["dollars_per_million"], plan["price_source"]
    if per_million is None:
        return "not known for this model: say it with --price DOLLARS_PER_MILLION_TOKENS"
    if not per_million:
        return f"nothing ({source})"
    dollars = plan["dollars"]
    spelled = _dollars(dollars)
    if not plan["tokens_exact"] and dollars >= _LEAST:
        spelled = f"at most {spelled} (English: {_dollars(dollars / _TYPICAL)})"
    return f"{spelled} at ${per_million:g} a million tokens ({source})"


def _dollars(dollars: float) -> str:
    if 0 < dollars < _LEAST:
        return f"under ${_LEAST}"
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.4f}"


def _time(plan: dict[str, Any]) -> str:
    """What the limits allow; a limit that is not set is said to be unknown."""
    if not plan["requests"]:
        return "none: nothing is to be sent"
    least, most = plan["seconds"], plan["seconds_at_most"]
    if least is None:
        return (
            "not known: neither EMBEDDING_RPM nor EMBEDDING_TPM is set, and a service tells its "
            "limits only in answers (ellmental doctor --load 100 asks for some)"
        )
    limits = ", ".join(
        f"{name} is not set" if plan[field] is None else f"{name}={plan[field]:,}"
        for name, field in (("EMBEDDING_RPM", "rpm"), ("EMBEDDING_TPM", "tpm"))
    )
    said = f"at least {_spoken(least)}" if least else "no wait: one minute's share is enough"
    if most > least:
        said += f", {_spoken(most)} if it is as many tokens as the bound"
    return f"{said} ({limits})"


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
