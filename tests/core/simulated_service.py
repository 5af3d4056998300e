"""Services that enforce limits, and a clock, both simulated: an hour of traffic in a second.

The engine's pacer is pure: ``run`` drives it as the engine does, first come, first served, with
latencies, refusals and waits on a clock of its own.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ellmental_embeddings import RateLimited, RateStatus
from ellmental_embeddings.engine.allowance import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ellmental_embeddings.engine.pace import Pacer

__all__ = ["Budget", "Job", "Report", "Service", "run"]

Kind = Literal["bucket", "fixed", "sliding"]


class Budget:
    """So much per window, counted as services count.

    Attributes:
        second: when its second window begins, of those that are seen whole.
    """

    def __init__(self, kind: Kind, limit: int, window: float = 60.0, phase: float = 0.0) -> None:
        self.kind, self.limit, self.window = kind, limit, window
        self._left, self._at = float(limit), 0.0
        self._ends = window - phase
        self.second = window + self._ends if kind == "fixed" else window
        self._log: deque[tuple[float, int]] = deque()

    def change(self, limit: int) -> None:
        """Another limit from now on."""
        self._left = min(self._left, limit)
        self.limit = limit

    def left(self, now: float) -> float:
        """What may still be spent now."""
        if self.kind == "bucket":
            gained = self.limit / self.window * max(0.0, now - self._at)
            self._left, self._at = min(self.limit, self._left + gained), max(now, self._at)
            return self._left
        if self.kind == "fixed":
            while now >= self._ends:
                self._ends += self.window
                self._left = self.limit
            return self._left
        while self._log and self._log[0][0] <= now - self.window:
            self._log.popleft()
        return self.limit - sum(amount for _, amount in self._log)

    def wait(self, amount: int, now: float) -> float:
        """Seconds that so much comes too early."""
        missing = amount - self.left(now)
        if missing <= 1e-9:
            return 0.0
        if self.kind == "bucket":
            return missing * self.window / self.limit
        if self.kind == "fixed":
            return self._ends - now
        for when, spent in self._log:
            missing -= spent
            if missing <= 0:
                return when + self.window - now
        return self.window

    def spend(self, amount: int, now: float) -> None:
        """Count what is let in."""
        if self.kind == "sliding":
            self._log.append((now, amount))
        self._left -= amount

    def reset(self, now: float) -> float:
        """Seconds until all of it is back, as the header says it."""
        if self.kind == "bucket":
            return (self.limit - self.left(now)) * self.window / self.limit
        if self.kind == "fixed":
            return self._ends - now
        return self._log[-1][0] + self.window - now if self._log else 0.0


@dataclass
class Service:
    """A service: its limits, its manners, how far it is.

    Attributes:
        requests, tokens: its budgets; None is without limit.
        headers: whether answers say what is left.
        says_wait: whether refusals say how long to wait.
        at_once: most it works on at a time; beyond, it refuses.
        latency: seconds of a request, given its tokens and how many are in flight.
        events: what happens to it, and when.
    """

    requests: Budget | None = None
    tokens: Budget | None = None
    headers: bool = True
    says_wait: bool = True
    at_once: int | None = None
    latency: Callable[[random.Random, int], float] = lambda dice, _: dice.uniform(0.08, 0.16)
    events: list[tuple[float, Callable[[Service], None]]] = field(default_factory=list)
    working: int = 0
    arrivals: list[tuple[float, int]] = field(default_factory=list)

    def answer(self, tokens: int, now: float) -> tuple[float | None, RateStatus | None]:
        """None or the seconds to wait (nan: unsaid); and the headers."""
        while self.events and self.events[0][0] <= now:
            self.events.pop(0)[1](self)
        wait = 0.0
        if self.requests is not None:
            wait = max(wait, self.requests.wait(1, now))
        if self.tokens is not None:
            wait = max(wait, self.tokens.wait(tokens, now))
        crowded = self.at_once is not None and self.working >= self.at_once
        if wait <= 0 and not crowded:
            self.arrivals.append((now, tokens))
            for budget, amount in ((self.requests, 1), (self.tokens, tokens)):
                if budget is not None:
                    budget.spend(amount, now)
        status = self._status(now) if self.headers else None
        if crowded:
            return math.nan, status
        return (wait if self.says_wait else math.nan) if wait > 0 else None, status

    def _status(self, now: float) -> RateStatus:
        said: dict[str, object] = {}
        for name, budget in (("requests", self.requests), ("tokens", self.tokens)):
            if budget is not None:
                said[f"{name}_limit"] = budget.limit
                said[f"{name}_left"] = int(max(0, budget.left(now)))
                said[f"{name}_reset"] = round(max(0.0, budget.reset(now)), 3)
        return RateStatus(**said)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Job:
    """One request: what it takes, and the bound that is known before."""

    tokens: int
    bound: int


@dataclass
class Report:
    """What came of a run.

    Attributes:
        seconds: until the last answer.
        answered, refused: requests.
        tokens: of answered requests.
        most_in_flight: at one time.
        longest_silence: seconds between two good answers.
    """

    seconds: float = 0.0
    answered: int = 0
    refused: int = 0
    tokens: int = 0
    most_in_flight: int = 0
    longest_silence: float = 0.0

    def note(self, job: Job, now: float) -> None:
        """A good answer."""
        self.answered += 1
        self.tokens += job.tokens
        self.longest_silence = max(self.longest_silence, now - self.seconds)
        self.seconds = now

    @property
    def refusals(self) -> float:
        """Share of all requests."""
        return self.refused / max(1, self.answered + self.refused)


def run(
    pacers: Sequence[Pacer],
    service: Service,
    jobs: Sequence[Job],
    *,
    seed: int = 0,
    start: float = 0.0,
    until: float = math.inf,
) -> Report:
    """Send all jobs, or as many as fit before ``until``, through pacers in turn."""
    traffic = _Traffic(service, random.Random(seed))
    senders = [
        _Sender(pacer, traffic, deque(jobs[turn :: len(pacers)]))
        for turn, pacer in enumerate(pacers)
    ]
    for sender in senders:
        sender.push(start)
    while traffic.events and traffic.events[0][0] <= until:
        now, _, what = heapq.heappop(traffic.events)
        what(now)
    return traffic.report


class _Traffic:
    """What all senders have in common: the service, the clock's events, the report."""

    def __init__(self, service: Service, dice: random.Random) -> None:
        self.service, self.dice = service, dice
        self.report = Report()
        self.in_flight = 0
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()

    def at(self, when: float, what: Callable[[float], None]) -> None:
        """Call something at a time."""
        heapq.heappush(self.events, (when, next(self._order), what))


class _Sender:
    """One generator: its pacer, and its jobs that are still to be sent."""

    def __init__(self, pacer: Pacer, traffic: _Traffic, queue: deque[Job]) -> None:
        self._pacer, self._traffic, self._queue = pacer, traffic, queue
        self._awake = math.inf

    def push(self, now: float) -> None:
        """Send what may be sent; be woken when the next may be."""
        while self._queue:
            got = self._pacer.take(self._queue[0].bound, now)
            if isinstance(got, Ticket):
                self._send(self._queue.popleft(), got, now)
                continue
            if got < math.inf and now + got < self._awake:
                self._awake = now + got
                self._traffic.at(now + got, self._wake)
            return

    def _wake(self, now: float) -> None:
        if self._awake == now:  # else a shorter wait has come in between
            self._awake = math.inf
            self.push(now)

    def _send(self, job: Job, ticket: Ticket, now: float) -> None:
        traffic = self._traffic
        traffic.in_flight += 1
        traffic.report.most_in_flight = max(traffic.report.most_in_flight, traffic.in_flight)
        latency = traffic.service.latency(traffic.dice, traffic.in_flight)
        way = latency * traffic.dice.uniform(0.1, 0.5)
        traffic.at(now + way, lambda then: self._arrive(job, ticket, then, latency - way))

    def _arrive(self, job: Job, ticket: Ticket, now: float, rest: float) -> None:
        service = self._traffic.service
        wait, status = service.answer(job.tokens, now)
        service.working += wait is None
        self._traffic.at(now + rest, lambda then: self._back(job, ticket, then, wait, status))

    def _back(
        self, job: Job, ticket: Ticket, now: float, wait: float | None, rate: RateStatus | None
    ) -> None:
        traffic, pacer = self._traffic, self._pacer
        traffic.in_flight -= 1
        if wait is None:
            traffic.service.working -= 1
            pacer.answered(ticket, now, rate, job.tokens)
            traffic.report.note(job, now)
        else:
            traffic.report.refused += 1
            asked = None if math.isnan(wait) else wait
            pacer.failed(ticket, now, RateLimited(retry_after=asked, rate=rate))
            if asked is None:
                traffic.at(
                    now + traffic.dice.uniform(0.25, 0.5), lambda then: self._again(job, then)
                )
            else:
                pacer.pause(asked, now)
                self._queue.appendleft(job)
        pacer.release(ticket, now)
        self.push(now)

    def _again(self, job: Job, now: float) -> None:
        self._queue.appendleft(job)
        self.push(now)
