"""``make simulate``: random schedules, and a table of what they exercised; or one seed, step by step."""

import argparse
import logging
import os
import sys
import time
import traceback
from collections.abc import Sequence

from etl_platform_tests.simulation.features import FEATURES
from etl_platform_tests.simulation.plan import draw
from etl_platform_tests.simulation.schedule import MUST_BE_MET, Tally, run_schedule, simulate, trace


def main() -> int:
    parser = argparse.ArgumentParser(prog="make simulate ARGS=…", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1_000, help="how many (1000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--seed", help="run this one only, and print its steps")
    parser.add_argument(
        "--with", dest="always", action="append", default=[], choices=FEATURES, help="a feature of every schedule"
    )
    wanted = parser.parse_args()
    if wanted.seed is not None:
        return _show(wanted.seed, wanted.always)
    began = time.monotonic()
    tally = simulate(range(wanted.first, wanted.first + wanted.schedules), os.cpu_count() or 1, wanted.always)
    for what, times in sorted(tally.seen.items()):
        print(f"{times:9,}  {what}")
    print(f"{len(tally.places):9,}  different places at which a process was killed")
    print(f"\n{tally.schedules:,} schedules in {time.monotonic() - began:.0f} s")
    if tally.failures:
        print(tally.failures_as_text())
    elif tally.unmet():
        print(f"never met: {', '.join(tally.unmet())}; {len(MUST_BE_MET)} things must be")
    else:
        print("each ended as the same files in order do")
    return 1 if tally.failures or tally.unmet() else 0


def _show(seed: str, always: Sequence[str]) -> int:
    logging.disable(logging.CRITICAL)
    print(f"features: {', '.join(sorted(draw(seed, always).features)) or 'none'}")
    print("\n".join(trace(seed, always)))
    try:
        run_schedule(seed, Tally(), always)
    except BaseException:  # noqa: BLE001 - printed for the person who asked
        traceback.print_exc()
        return 1
    print(f"seed {seed} ends as the same files in order do")
    return 0


if __name__ == "__main__":
    sys.exit(main())
