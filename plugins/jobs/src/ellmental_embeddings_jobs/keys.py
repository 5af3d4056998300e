"""What tells texts apart in a job's store: 16 bytes of a hash."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["KEY_BYTES", "text_key"]

KEY_BYTES = 16
"""Of ten million texts, two share a key with a probability of 10^-25 (n^2 / 2^129)."""


def text_key(text: str) -> bytes:
    """The key of a text that encodes to UTF-8. Within one space it stands for the vector."""
    return blake2b(text.encode(), digest_size=KEY_BYTES).digest()
