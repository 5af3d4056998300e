"""Kill a real job at random moments, go on with the same command, and look at the bill.

    python3 tests/jobs/kill.py --kills 200

How, and what must hold, is in tests/jobs/kills/kill_campaign.py. Needs an environment with all
dists (tests/run.py makes one).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "kills"), str(HERE.parent / "openai")]

from kill_campaign import Campaign  # noqa: E402 - the folders are named just above
from server_control import ServerProcess  # noqa: E402


def main() -> int:
    """Run a campaign and print its summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    campaign = Campaign(given.kills, given.seed)
    began = time.monotonic()
    with ServerProcess("--latency", "0.05") as server:
        campaign.run(server)
    print(campaign.summary())
    print(f"{time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
