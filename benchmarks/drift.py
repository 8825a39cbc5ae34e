"""``make bench-drift``: months of generated agencies with and without a planted fault: how many are found."""

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from random import Random

from benchmarks.months import FAULTS, Agency, Month
from etl_platform.engine.check import check_file
from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.drift_limits import DriftLimits
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.drift.compare import compare
from etl_platform.engine.drift.finding import Finding
from etl_platform.engine.drift.summary import FileSummary

_CONTRACT = Path(__file__).with_name("months.odcs.yaml")
_WITHOUT = "no fault"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-drift ARGS=", description=__doc__)
    parser.add_argument("--pairs", type=int, default=200, help="agencies, each with and without a fault [200]")
    parser.add_argument("--months", type=int, default=1, help="previous files of each agency [1]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-v", action="store_true", help="print each fault that is not found, and each false alarm")
    arguments = parser.parse_args()
    contract = parse_contract(_CONTRACT.read_text("utf-8"), _CONTRACT.name)
    unusual: dict[str, Counter[bool]] = defaultdict(Counter)
    for number in range(arguments.pairs):
        random = Random(f"{arguments.seed} {number}")
        agency, start = Agency.of(random), random.randrange(12)
        months = [agency.month(random, start + place) for place in range(arguments.months + 1)]
        fault = list(FAULTS)[number % len(FAULTS)]
        previous = [_summary(month, contract) for month in months[:-1]]
        for name, month in ((_WITHOUT, months[-1]), (fault, FAULTS[fault](months[-1], random))):
            found = _findings(month, contract, previous)
            unusual[name][found is None or bool(found)] += 1
            if arguments.v and bool(found is None or found) != (name != _WITHOUT):
                print(number, name, f"{len(month.rows)} rows", *[f"\n    {one.message}" for one in found or ()])
    for name, counts in sorted(unusual.items()):
        print(f"{name:20} {counts[True]:4} of {counts.total():4}")
    return 0


def _summary(month: Month, contract: Contract) -> FileSummary:
    with tempfile.TemporaryDirectory(prefix="drift-") as folder:
        (path := Path(folder) / "Incidents.csv").write_text(month.text(), "utf-8")
        result = check_file(path, contract, Path(folder), as_of=month.day)
    if result.errors:
        raise ValueError(result.errors[0].message)
    return FileSummary.of(result, month.day.isoformat(), datetime.combine(month.day, time(), UTC), contract.keys)


def _findings(month: Month, contract: Contract, previous: Sequence[FileSummary]) -> tuple[Finding, ...] | None:
    """None if the file is refused, so that the fault is found without a comparison."""
    try:
        return compare(_summary(month, contract), previous, DriftLimits())
    except ValueError:
        return None


if __name__ == "__main__":
    sys.exit(main())
