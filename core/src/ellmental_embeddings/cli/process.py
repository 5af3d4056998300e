"""``ellmental`` as a process of its own: Ctrl-C is one line, from its first moment to its last."""

from __future__ import annotations

import signal
import sys
import threading

__all__ = ["run"]

_INTERRUPTED = 130
"""As in ``exit_codes``, which is not imported yet when it may be needed."""


def run() -> None:
    """Run the command line and exit; the entry point of ``ellmental``."""
    try:
        from .main import main

        main()
    except KeyboardInterrupt:  # while the command line was still being imported
        sys.stderr.write("Interrupted.\n")
        sys.exit(_INTERRUPTED)
    finally:
        # All is done and said. Python takes a moment to shut down, in which Ctrl-C would print
        # a traceback of its own.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
