"""``ellmental doctor --load``: how fast the configured service is for real, and why no faster."""

from __future__ import annotations

import os
import secrets
import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .. import EmbeddingGenerator, PaceStatus, Progress

__all__ = ["Load", "measure"]

_BUSY = 0.75
"""Share of the time from which something is what limits."""

_REFUSED = 0.02
"""Share of requests that are refused from which that is worth naming."""

_WARM = 0.2
"""Share of the answers, the first ones, that the sustained rate leaves out."""

_MINUTE_S = 60.0

_ROUNDS = 2
"""Usual latencies that the other answers must span. In less, those that were sent together come
together, and would tell of any rate."""

_SENTENCE = "A short sentence to measure with, number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was measured.

    Attributes:
        texts, requests, retries: how much was sent.
        failed: texts without a vector.
        seconds: from the first to the last.
        latency: seconds from a request's first sending to its answer, retries included: the
            50th, 90th and 99th percentile and the longest.
        texts_per_second, requests_per_second: once it had started up, where
            ``start_left_out``; else over all of it.
        tokens_per_second: the same of tokens; None where the service does not count them.
        cores: processors that this process kept busy.
        pace: how many were in flight, refused, left; see PaceStatus.
        limit: what limits it, in words.
    """

    texts: int
    requests: int
    retries: int
    failed: int
    seconds: float
    latency: dict[str, float]
    texts_per_second: float
    requests_per_second: float
    tokens_per_second: float | None
    start_left_out: bool
    cores: float
    pace: dict[str, Any]
    limit: str

    def lines(self) -> list[tuple[str, str]]:
        """For people: (what, found)."""
        percentiles = ", ".join(f"{name} {value:.3f} s" for name, value in self.latency.items())
        sent = f"{_counted(self.texts, 'text')} in {_counted(self.requests, 'request')}"
        sent += f", {self.seconds:.{1 if self.seconds >= 1 else 3}f} s"
        for number, what in ((self.retries, "sent again"), (self.failed, "texts failed")):
            sent += f", {number} {what}" if number else ""
        rate = f"{self.texts_per_second:,.1f} texts/s, {self.requests_per_second:,.1f} requests/s"
        if self.tokens_per_second is not None:
            rate += f", {self.tokens_per_second * 60:,.0f} tokens/min"
        lines = [("load", sent), ("latency", percentiles)]
        if self.start_left_out:
            lines.append(("sustained", rate))
        else:
            lines += [
                ("rate, its start included", rate),
                ("sustained", "not known: give --load more texts"),
            ]
        limits = [
            f"{self.pace[f'{kind}_limit']:,} {kind}"
            for kind in ("requests", "tokens")
            if self.pace[f"{kind}_limit"] is not None
        ]
        if limits:
            lines.append(("allowed", f"{', '.join(limits)} per window, as the service says"))
        if (longer := self._longer()) is not None:
            lines.append(("in a longer run", longer))
        return [*lines, ("limited by", self.limit)]

    def _longer(self) -> str | None:
        """What becomes of this rate where the service allows less than a minute of it."""
        rates = {"requests": self.requests_per_second, "tokens": self.tokens_per_second}
        lasting = [
            (self.pace[f"{kind}_limit"] / rate, kind)
            for kind, rate in rates.items()
            if rate and self.pace[f"{kind}_limit"] is not None
        ]
        seconds, kind = min(lasting, default=(_MINUTE_S, ""))
        held_back = self.pace["waited_for_budget"] > (1 - _BUSY) * self.seconds
        if not self.start_left_out or held_back or seconds >= _MINUTE_S * _BUSY:
            return None
        share = seconds / _MINUTE_S
        return (
            f"the {kind} allowed last {seconds:.1f} s; where they are a minute's, "
            f"{self.texts_per_second * share:,.1f} texts/s"
        )

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def measure(
    generator: EmbeddingGenerator, texts: int, progress: Callable[[Progress], None]
) -> Load:
    """Embed so many texts that nobody has sent before, as fast as it goes.

    Raises:
        EmbeddingError: the service as a whole cannot be used.
    """
    run = secrets.token_hex(4)  # no cache knows these texts
    before, cpu, began = generator.pace, time.process_time(), time.perf_counter()
    batches: list[tuple[float, int, float, int | None]] = []
    retries = failed = 0
    given = [f"{_SENTENCE} {run} {number}." for number in range(texts)]
    for _, part in generator.as_completed(given, progress=progress):
        usage = part.usage
        batches.append((time.perf_counter() - began, len(part), usage.seconds, usage.tokens))
        retries, failed = retries + usage.retries, failed + len(part.failed)
    seconds = time.perf_counter() - began
    cores = (time.process_time() - cpu) / max(seconds, 1e-9)
    pace = generator.pace
    return Load(
        texts=texts,
        requests=pace.sent - before.sent,
        retries=retries,
        failed=failed,
        seconds=seconds,
        latency=_percentiles([latency for _, _, latency, _ in batches]),
        cores=cores,
        pace=asdict(pace),
        limit=_limit(before, pace, seconds, cores, generator),
        **_rates(batches, seconds),
    )


def _percentiles(latencies: Sequence[float]) -> dict[str, float]:
    ordered = sorted(latencies)
    if len(ordered) == 1:
        ordered *= 2
    cuts = statistics.quantiles(ordered, n=100, method="inclusive")
    return {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "max": ordered[-1]}


def _rates(
    batches: Sequence[tuple[float, int, float, int | None]], seconds: float
) -> dict[str, Any]:
    """Over the answers after the first fifth; over all of them where these come too close."""
    usual = statistics.median(latency for _, _, latency, _ in batches)
    skipped = int(len(batches) * _WARM)
    since = batches[skipped - 1][0] if skipped else 0.0
    late = skipped > 0 and batches[-1][0] - since >= _ROUNDS * usual
    counted, span = (batches[skipped:], batches[-1][0] - since) if late else (batches, seconds)
    span = max(span, 1e-9)
    tokens = [each for *_, each in counted]
    return {
        "texts_per_second": sum(texts for _, texts, _, _ in counted) / span,
        "requests_per_second": len(counted) / span,
        "tokens_per_second": None if None in tokens else sum(t or 0 for t in tokens) / span,
        "start_left_out": late,
    }


def _limit(
    before: PaceStatus,
    after: PaceStatus,
    seconds: float,
    cores: float,
    generator: EmbeddingGenerator,
) -> str:
    most = generator.settings.embedding_max_concurrency
    sent = max(1, after.sent - before.sent)
    refused = (after.refused - before.refused) / sent
    budget = (after.waited_for_budget - before.waited_for_budget) / max(seconds, 1e-9)
    own = (after.waited_for_settings - before.waited_for_settings) / max(seconds, 1e-9)
    room = (after.waited_for_room - before.waited_for_room) / max(seconds, 1e-9)
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    says = after.requests_limit is not None or after.tokens_limit is not None
    crowded = room > 1 - _BUSY
    busy = crowded and after.allowed >= after.most
    # The first of these that holds is what more speed would have to change.
    verdicts = {
        f"refusals: the service refused {refused:.0%} of the requests, and does not say its limits "
        "before; set EMBEDDING_RPM": refused > _REFUSED and not says,
        f"{_own_limits(generator)}: {own:.0%} of the time was spent waiting for it": own
        > 1 - _BUSY,
        f"the rate limit of the service: {budget:.0%} of the time was spent waiting for it": budget
        > 1 - _BUSY,
        f"this machine: {cores:.1f} of its {available} processors were busy": cores > _BUSY,
        f"the generator: it works on {after.most} requests at a time, and all of them were": busy
        and after.most < most,
        f"EMBEDDING_MAX_CONCURRENCY={most}: so many were in flight, at this latency": busy,
        f"the service: with more than {after.allowed} in flight its answers only come later, or "
        "the load was too short to try more": crowded,
    }
    were = f"{_counted(sent, 'request')} {'was' if sent == 1 else 'were'}"
    too_few = f"the load: {were} too few to keep it busy; give --load more texts"
    return next((words for words, holds in verdicts.items() if holds), too_few)


def _own_limits(generator: EmbeddingGenerator) -> str:
    settings = generator.settings
    limits = {"EMBEDDING_RPM": settings.embedding_rpm, "EMBEDDING_TPM": settings.embedding_tpm}
    return " or ".join(f"{name}={value}" for name, value in limits.items() if value is not None)


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
