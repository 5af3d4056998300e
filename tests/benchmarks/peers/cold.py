"""A new process to its first vector; prints when that was there, and what it took.

    python cold.py ADAPTER URL WIDTH CORES

It imports nothing of its own before the first vector but what Python has loaded already.
"""

import os
import sys
import time

name, url, width, cores = sys.argv[1:]
if cores != "-":
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "adapters"))  # noqa: PTH118, PTH120
adapter = __import__(name).Adapter(url, int(width), 50, 64)
vector = adapter.one("text 00000000 embed this line of words, please: it is six")
at, used, modules = time.monotonic(), time.process_time(), len(sys.modules)

from numbered import check  # noqa: E402 - it imports numpy, which may be what a client saves

check([vector], 1, int(width))
adapter.close()
print("RESULT", at, used, modules, flush=True)
