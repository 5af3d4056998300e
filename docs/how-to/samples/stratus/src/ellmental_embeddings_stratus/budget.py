"""Stratus's own headers: what is left of the project's budget, and when to come back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ellmental_embeddings import RateStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["budget", "seconds_to_wait"]

BUDGET = re.compile(r"(calls|units)=(\d+)/(\d+);renews=PT(\d+(?:\.\d+)?)S")


def budget(headers: Mapping[str, str]) -> RateStatus | None:
    """``x-stratus-budget: calls=12/60;renews=PT20S, units=900/10000;renews=PT20S``."""
    said = {
        what: (int(left), int(limit), float(renews))
        for what, left, limit, renews in BUDGET.findall(headers.get("x-stratus-budget", ""))
    }
    if not said:
        return None
    calls, units = said.get("calls", (None,) * 3), said.get("units", (None,) * 3)
    return RateStatus(
        requests_left=calls[0],
        requests_limit=calls[1],
        requests_reset=calls[2],
        tokens_left=units[0],
        tokens_limit=units[1],
        tokens_reset=units[2],
    )


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """``x-stratus-come-back: PT7.5S``; None where it is missing or cannot be read."""
    said = re.fullmatch(r"PT(\d+(?:\.\d+)?)S", headers.get("x-stratus-come-back", ""))
    return float(said[1]) if said else None
