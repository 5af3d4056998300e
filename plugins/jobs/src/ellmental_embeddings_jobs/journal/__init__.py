"""What is finished and not in a part yet: on disk before anything else is done about it."""

from __future__ import annotations

from .journal import Journal, read_journal
from .lock import OutputLock

__all__ = ["Journal", "OutputLock", "read_journal"]
