"""Faults that pass: all vectors right in the end, each text paid once, few requests more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from openai_server import OpenAIServer
from server_answers import CHANGES, SPELLINGS
from server_faults import HEADER_FORMS, make_fault
from server_witness import assert_right, embed, load, texts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

REFUSED_FOR_NOW: list[tuple[str, dict[str, Any]]] = [
    ("server_error", {}),
    ("server_error", {"style": "integer_code"}),
    ("bad_gateway", {}),
    ("overloaded", {}),
    ("overloaded", {"style": "bare"}),
    ("overloaded", {"style": "fastapi"}),
    ("gateway_timeout", {}),
    ("request_timeout", {}),
    ("conflict", {}),
    ("backend", {"style": "unwrapped"}),
    ("loading", {"style": "integer_code"}),
    ("html", {"status": 502, "page": "error"}),
    ("html", {"status": 503, "page": "error"}),
    ("html", {"status": 504, "page": "login"}),
    ("body", {"status": 500, "text": "Internal Server Error", "kind": "text/plain"}),
    ("body", {"status": 503}),
    ("error_in_200", {"code": 502}),
    ("error_in_200", {"code": 429}),
    ("rate_limited", {"how": "nothing"}),
    ("garbage", {}),
    ("deep", {}),
    ("body", {"status": 204}),
    ("reset", {}),
]

ANSWERS_LOST = [
    "reset_unread",
    "reset_midway",
    "cut_body",
    "cut_json",
    "hang",
    "hang_midway",
    # Vectors of tokens mean that the server is set up wrongly: that does not pass.
    *[name for name in CHANGES if make_fault(name).broken and name != "token_level"],
]
# Nobody can know the width of a first answer; to hang takes its time.
FIRST_OR_LATER = [
    *[(name, True) for name in ANSWERS_LOST if name not in {"all_narrow", "hang", "hang_midway"}],
    *[(name, False) for name in ANSWERS_LOST],
]


def _id(row: tuple[str, dict[str, Any]]) -> str:
    return "-".join([row[0], *map(str, row[1].values())])


def _assert_fair(server: OpenAIServer, texts: Sequence[str]) -> None:
    assert not server.bill.never_paid(texts)
    assert not server.bill.paid_twice()
    assert not server.script.pending


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize(("fault", "arguments"), REFUSED_FOR_NOW, ids=map(_id, REFUSED_FOR_NOW))
def test_a_refusal_that_passes(server: OpenAIServer, fault: str, arguments: dict[str, Any]) -> None:
    """Met twice, then gone: all rows right, nothing paid twice, two requests more."""
    server.script.next(fault, times=2, **arguments)
    texts = texts_of(60)
    result = embed(server, texts, BATCH_SIZE=20)
    assert_right(result, texts)
    _assert_fair(server, texts)
    assert not server.bill.wasted
    assert len(server.bill.requests) == result.usage.requests == 5
    assert result.usage.retries == 2


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize(("fault", "first"), FIRST_OR_LATER)
def test_an_answer_that_is_broken_once(server: OpenAIServer, fault: str, *, first: bool) -> None:
    """One answer that cannot be used: its texts alone are sent again, and paid again."""
    texts = texts_of(60)
    with load(server, BATCH_SIZE=20, EMBEDDING_TIMEOUT=1) as generator:
        if not first:
            generator.embed(["warm up"])
        server.script.next(fault)
        result = generator.embed(texts)
    assert_right(result, texts)
    _assert_fair(server, texts)
    assert sum(server.bill.wasted.values()) == 20
    assert result.usage.requests == 4


FINE: list[tuple[str, dict[str, Any]]] = [
    *[(name, {}) for name in CHANGES if not make_fault(name).broken],
    *[(name, {}) for name in SPELLINGS],
    ("gzip", {}),
    ("chunked", {}),
    ("until_close", {}),
    ("mislabelled", {}),
    ("goodbye", {}),
    ("drip", {"seconds": 0.3}),
    ("slow", {"seconds": 0.3}),
]


@pytest.mark.parametrize("dimensions", [None, 5])
@pytest.mark.parametrize(("fault", "arguments"), FINE, ids=map(_id, FINE))
def test_an_odd_answer_that_is_right(
    server: OpenAIServer, fault: str, arguments: dict[str, Any], dimensions: int | None
) -> None:
    """Unusual but valid: read rightly at once, with no request more."""
    server.script.always(fault, **arguments)
    texts = texts_of(30)
    result = embed(server, texts, BATCH_SIZE=10, EMBEDDING_DIMENSIONS=dimensions)
    assert_right(result, texts, dimensions=dimensions)
    _assert_fair(server, texts)
    assert len(server.bill.requests) == 3
    assert (result.usage.tokens is None) == fault.endswith("_usage")


@pytest.mark.parametrize("encoding", ["base64", "float"])
@pytest.mark.parametrize("fault", ["nan", "infinite", "one_narrow", "reordered"])
def test_both_encodings_are_checked(server: OpenAIServer, fault: str, encoding: str) -> None:
    """What is wrong in base64 is found in floats, too."""
    server.script.next(fault)
    texts = texts_of(20)
    result = embed(server, texts, OPENAI_ENCODING_FORMAT=encoding)
    assert_right(result, texts)
    _assert_fair(server, texts)


WAITS = {
    "seconds": (1.0, 1.0),
    "float": (0.3, 0.3),
    "date": (2.0, 1.0),
    "ms": (0.3, 0.3),
    "text": (0.3, 0.3),
    "both": (0.3, 0.3),
    "nothing": (0.0, 0.0),
}
"""Per form of header: seconds that the service asks for, and the least that must be waited
(dates are cut to whole seconds)."""


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize(
    ("fault", "how"),
    [
        *[("rate_limited", how) for how in HEADER_FORMS],
        *[("azure_rate_limited", how) for how in ("float", "ms", "text", "both")],
    ],
)
def test_the_wait_that_is_asked_for(server: OpenAIServer, fault: str, how: str) -> None:
    """A 429 in each of its forms is waited out: not sooner, and not much later."""
    asked, least = WAITS[how]
    server.script.next(fault, after=asked, how=how)
    texts = texts_of(64)
    result = embed(server, texts, BATCH_SIZE=64)
    assert_right(result, texts)
    first, second = server.bill.requests
    assert least - 0.01 <= second.at - first.at <= asked + 0.8
    assert server.bill.paid.total() == 64


def test_a_limit_that_is_enforced_is_kept() -> None:
    """40 requests against 20 a second: all right, each text paid once, no storm of 429s."""
    texts = texts_of(400)
    with OpenAIServer(rpm=10, window=0.5) as server:
        result = embed(server, texts, BATCH_SIZE=10, EMBEDDING_DIMENSIONS=16)
        assert_right(result, texts, dimensions=16)
        _assert_fair(server, texts)
        assert server.rate.refused <= 80


@pytest.mark.usefixtures("quick_retries")
def test_all_at_once(server: OpenAIServer) -> None:
    """A hundred batches, every third request meets another fault: still all right, paid once."""
    names = [
        "server_error", "cut_json", "reordered", "nan", "reset_midway", "dropped", "gzip",
        "html", "goodbye", "rate_limited", "doubled", "escaped", "cut_body", "wild_index",
    ]  # fmt: skip
    count = 0

    def rule(_: Sequence[str]) -> Any:
        nonlocal count
        count += 1
        if count % 3 or count > 240:
            return None
        name = names[(count // 3) % len(names)]
        arguments: dict[str, Any] = {"after": 0.05, "how": "ms"} if name == "rate_limited" else {}
        arguments |= {"status": 503} if name == "html" else {}
        return make_fault(name, **arguments)

    server.script.rule(rule)
    texts = texts_of(1000)
    result = embed(server, texts, BATCH_SIZE=10, EMBEDDING_DIMENSIONS=8)
    assert_right(result, texts, dimensions=8)
    _assert_fair(server, texts)
    assert len(server.bill.requests) <= 300
