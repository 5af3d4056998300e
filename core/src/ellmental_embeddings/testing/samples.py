"""Texts that the checks embed."""

from __future__ import annotations

__all__ = ["ODD", "TEXTS", "long_text"]

TEXTS = (
    "The harbour was closed for the winter.",
    "A cat sat on the warm bonnet of a car.",
    "Interest rates rose by half a point in March.",
    "How do I reset my password?",
    "Photosynthesis turns light into sugar.",
    "Twelve eggs, four cups of flour, a pinch of salt.",
    "The train to the coast leaves from platform nine.",
    "She plays the cello in a small orchestra.",
    "Rain is expected over the hills on Sunday.",
    "short",
    "Der Zug nach Hamburg hat heute Verspätung.",
    "数据库连接在高峰时段超时。",
)

ODD = {
    "emoji": "that was fun 😀 👩‍👩‍👧‍👦 🏳️‍🌈",
    "right to left": "مرحبا بالعالم שלום",
    "combining marks": "e\u0301a\u0308 Z\u0351\u036b\u0343\u032a",
    "line breaks": "first line\r\nsecond\tline\u2028third",
    "quotes and braces": '{"a": [\'b\', \\"c\\"]} <b>&amp;</b> %s {0}',
    "a byte order mark": "\ufeffhello",
    "outside the basic plane": "\U0001d518\U0001d52b\U0001d526 \U00010348 \U0002070e",
    "noncharacters": "end \uffff of the plane",
}
"""Texts that every service can be sent as UTF-8, by what is odd about them."""

_WORDS = ("river", "copper", "letter", "window", "garden", "silver", "market", "winter")


def long_text(end: str, characters: int = 100_000) -> str:
    """English words, whose last fifth is ``end`` over and over again."""
    words = " ".join(_WORDS) + " "
    tail = f"{end} " * (characters // 5 // (len(end) + 1))
    head = characters - len(tail)
    return (words * (head // len(words) + 1))[:head] + tail
