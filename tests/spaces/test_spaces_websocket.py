"""RFC 6455's frames: what is sent is masked, what comes is put together."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellmental_embeddings import BadReply, BatchTooLarge
from ellmental_embeddings_spaces import websocket
from ellmental_embeddings_spaces.websocket import WebSocket, masked


class _Stream:
    """The other side: gives out what it was made with, a few bytes at a time."""

    def __init__(self, given: bytes, step: int) -> None:
        self.given = given
        self.step = step
        self.written = b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        taken, self.given = self.given[: self.step], self.given[self.step :]
        return taken

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self.written += buffer


def _frame(payload: bytes, kind: int = 1, *, final: bool = True) -> bytes:
    size = len(payload)
    length = (
        bytes([size])
        if size < 126
        else b"\x7e" + size.to_bytes(2, "big")
        if size < 1 << 16
        else b"\x7f" + size.to_bytes(8, "big")
    )
    return bytes([(0x80 if final else 0) | kind]) + length + payload


def _read(given: bytes, step: int = 1 << 20) -> tuple[list[bytes], bytes]:
    stream = _Stream(given, step)

    async def collect() -> list[bytes]:
        return [message async for message in WebSocket(stream).messages()]

    return asyncio.run(collect()), stream.written


@pytest.mark.parametrize("step", [1, 3, 1 << 20])
@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_messages_of_every_length_come_whole(size: int, step: int) -> None:
    """Each of the three ways to write a length is read, in chunks of any size."""
    step = step if size < 1_000 else max(step, 1_000)
    messages, _ = _read(_frame(b"x" * size) + _frame(b"next"), step)
    assert messages == [b"x" * size, b"next"]


def test_fragments_with_a_ping_between_are_one_message() -> None:
    """A message in pieces is put together, and a ping among them answered with a masked pong."""
    given = _frame(b"one ", final=False) + _frame(b"hi", 9) + _frame(b"two", 0)
    messages, written = _read(given)
    assert messages == [b"one two"]
    assert written[:2] == bytes([0x8A, 0x82])
    assert masked(written[6:], written[2:6]) == b"hi"


def test_a_close_ends_the_messages_and_is_answered() -> None:
    """What comes after a close is not read, and the close is returned."""
    messages, written = _read(_frame(b"a") + _frame(b"\x03\xe8", 8) + _frame(b"b"))
    assert messages == [b"a"]
    assert written[0] == 0x88


def test_a_broken_connection_hands_out_no_half_message() -> None:
    """A connection that ends within a frame ends the messages."""
    assert _read(_frame(b"whole") + _frame(b"half")[:4])[0] == [b"whole"]


@pytest.mark.parametrize("head", [b"\x81\x85", b"\xc1\x05", b"\x83\x00"])
def test_what_no_server_may_send_is_refused(head: bytes) -> None:
    """Masked frames, reserved bits and unknown kinds are no WebSocket of a server."""
    with pytest.raises(BadReply, match="WebSocket frame"):
        _read(head + b"12345678")


@given(payload=st.binary(max_size=300), mask=st.binary(min_size=4, max_size=4))
def test_a_mask_is_laid_over_every_byte(payload: bytes, mask: bytes) -> None:
    """The mask is what RFC 6455 says, byte by byte, also over lengths that 4 does not divide."""
    assert masked(payload, mask) == bytes(
        byte ^ mask[place % 4] for place, byte in enumerate(payload)
    )


@pytest.mark.parametrize("size", [5, 125, 126, 70_000])
def test_what_is_sent_can_be_read(size: int) -> None:
    """A sent message is one final masked text frame of the right length."""
    stream = _Stream(b"", 1)
    asyncio.run(WebSocket(stream).send(b"y" * size))
    extra = 0 if size < 126 else 2 if size < 1 << 16 else 8
    head, rest = stream.written[: 2 + extra], stream.written[2 + extra :]
    assert head[0] == 0x81
    assert head[1] & 0x80
    assert (int.from_bytes(head[2:], "big") if extra else head[1] & 0x7F) == size
    assert masked(rest[4:], rest[:4]) == b"y" * size


@pytest.mark.parametrize("payload", [b"", b"x" * 10])
def test_fragments_without_end_are_refused(payload: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that never ends is refused, even where its pieces are empty."""
    monkeypatch.setattr(websocket, "MOST_BYTES", 10_000)
    given = _frame(payload, final=False) + _frame(payload, 0, final=False) * 5_000
    with pytest.raises(BatchTooLarge, match="over 10,000 bytes"):
        _read(given)


@pytest.mark.parametrize("text", [b"nonsense", b"null", b"[1]", b"", b"\xff"])
def test_messages_that_are_no_json_are_told(text: bytes) -> None:
    """A short frame of anything else than Gradio's JSON is a bad reply, not a fault in here."""
    from ellmental_embeddings_spaces.queue_ws import asked_for

    if text in {b"[1]", b"null"}:
        assert asked_for(text) is None
    else:
        with pytest.raises(BadReply):
            asked_for(text)
