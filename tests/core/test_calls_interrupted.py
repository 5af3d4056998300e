"""Ctrl-C at every single step of waiting for a call: the loop's thread must never stand still."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ellmental_embeddings.calls import Call
from ellmental_embeddings.loop import LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def interrupted_at(step: int, what: Callable[[], object]) -> bool:
    """Run something, with Ctrl-C before its n-th bytecode; whether it has as many."""
    steps = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        if event == "opcode":
            steps += 1
            if steps == step:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # else Python 3.12 traces none
    sys.settrace(trace)
    try:
        what()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_ctrl_c_at_any_step_of_waiting_leaves_no_lock_taken() -> None:
    """A lock that stayed with the interrupted thread would stop every later call."""
    host = LoopThread()

    def wait(call: Call[int]) -> None:
        call.done()
        call.when_done(lambda: None)
        with suppress(TimeoutError):
            call.wait(0.001)

    step, interrupted = 0, True
    while interrupted:
        step += 1
        call, go = Call[int](), asyncio.Event()

        async def answer(go: asyncio.Event = go) -> int:
            await go.wait()
            return 42

        host.start(call, answer)
        interrupted = interrupted_at(step, partial(wait, call))
        host.soon(go.set)
        assert call.wait(10) == 42
    assert step > 50

    async def nothing() -> None: ...

    host.close(nothing)
