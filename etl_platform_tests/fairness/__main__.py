"""``make fairness``: runs the scenarios one after the other and prints a table; exit code 1 if one is out of bounds.

Seconds depend on the machine: run it on one that does nothing else.
"""

import argparse
import os
import sys
from datetime import UTC, datetime

from etl_platform_tests.fairness.scenarios import SCENARIOS, Figure


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fairness ARGS=", description=__doc__)
    parser.add_argument("--only", action="append", choices=SCENARIOS, default=[], help="this scenario; may be repeated")
    names = parser.parse_args().only or list(SCENARIOS)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| what | measured | bound | ok |\n|---|---|---|---|", flush=True)
    are_ok = True
    for name in names:
        for figure in SCENARIOS[name]():
            print(_row(figure), flush=True)
            are_ok &= figure.is_ok
    return 0 if are_ok else 1


def _row(figure: Figure) -> str:
    digits = 2 if figure.bound <= 1 else 0
    measured, bound = f"{figure.value:,.{digits}f} {figure.unit}", f"{figure.bound:,.0f} {figure.unit}"
    return f"| {figure.name} | {measured} | {bound} | {'yes' if figure.is_ok else f'no {figure.wrong}'.strip()} |"


if __name__ == "__main__":
    sys.exit(main())
