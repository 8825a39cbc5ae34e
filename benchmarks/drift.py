"""``make bench-drift``: files of generated agencies with and without a planted fault: how many are called unusual.

``months`` has one kind of agency that sends months; ``habits`` has agencies that send in 13 ways.
"""

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from random import Random

import yaml

from benchmarks import file_faults, habits, months
from benchmarks.drift_cost import print_costs
from etl_platform.engine.check import check_file
from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.drift_limits import DriftLimits
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.drift.compare import compare
from etl_platform.engine.drift.summary import FileSummary
from etl_platform.object_keys import series_key

_CONTRACT = Path(__file__).with_name("months.odcs.yaml")
_PREVIOUS, _FAULTS_EACH = 6, 3
_WITHOUT_FAULTS = {"tiny", "late files", "corrections"}
"""Habits of which only false alarms are counted."""


@dataclass(frozen=True)
class Tried:
    """One file that was compared.

    Attributes:
        row: of the table: the fault or the habit.
        is_faulty: whether a fault was planted.
        messages: what is unusual; a refused file has one, too.
    """

    row: str
    is_faulty: bool
    messages: tuple[str, ...]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-drift ARGS=", description=__doc__)
    parser.add_argument("--pairs", type=int, default=200, help="agencies of months, each with and without a fault")
    parser.add_argument("--each", type=int, default=14, help="agencies of each habit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-v", action="store_true", help="print each fault that is not found, and each false alarm")
    parser.add_argument("--cost", type=int, metavar="ROWS", help="measure the CPU of comparing files of so many rows")
    parser.add_argument("--files", type=int, default=15, help="files of each contract whose CPU is measured [15]")
    arguments = parser.parse_args()
    if arguments.cost:
        print_costs(arguments.cost, arguments.files)
        return 0
    with ProcessPoolExecutor() as pool:
        tried = pool.map(partial(_of_months, arguments.seed), range(arguments.pairs), chunksize=10)
        _print("months, one previous file", tried, verbose=arguments.v)
        numbers = range(arguments.each * len(habits.HABITS))
        tried = pool.map(partial(_of_habits, arguments.seed), numbers, chunksize=3)
        _print(f"habits, up to {_PREVIOUS} previous files", tried, verbose=arguments.v)
    return 0


def _of_months(seed: int, number: int) -> list[Tried]:
    """A month of one agency, with and without a fault, beside the month before."""
    contract = parse_contract(_CONTRACT.read_text("utf-8"), _CONTRACT.name)
    random = Random(f"{seed} {number}")
    agency, start = months.Agency.of(random), random.randrange(12)
    last, month = (agency.month(random, start + place) for place in range(2))
    fault = list(months.FAULTS)[number % len(months.FAULTS)]
    faulty = months.FAULTS[fault](month, random)
    with _Comparison(contract, [("", last.day, last.text())]) as comparison:
        return [
            Tried("all", False, comparison.messages("", month.day, month.text())),
            Tried(fault, True, comparison.messages("", faulty.day, faulty.text())),
        ]


def _of_habits(seed: int, number: int) -> list[Tried]:
    """The last file of one agency, without a fault and with each of a few, beside those before."""
    place, habit = number // len(habits.HABITS), list(habits.HABITS)[number % len(habits.HABITS)]
    random = Random(f"{seed} {habit} {place}")
    agency = habits.Agency.of(random, habit)
    contract = parse_contract(yaml.safe_dump(agency.contract(), sort_keys=False), habit)
    *before, last = habits.sent_files(agency, random, _PREVIOUS + 1)
    before = [one for one in before if _series(one.name) == _series(last.name)]
    with _Comparison(contract, [(one.name, one.day, one.text()) for one in before]) as comparison:
        tried = [Tried(habit, False, comparison.messages(last.name, last.day, last.text()))]
        for name in _faults(number) if habit not in _WITHOUT_FAULTS else ():
            faulty = file_faults.FAULTS[name](agency, last, random)
            if faulty is not None:
                tried.append(Tried(name, True, comparison.messages(faulty.name, faulty.day, faulty.text())))
    return tried


def _faults(number: int) -> list[str]:
    names = list(file_faults.FAULTS)
    return [names[(number * _FAULTS_EACH + step) % len(names)] for step in range(_FAULTS_EACH)]


def _series(name: str) -> str:
    return series_key("events", "agency", f"from_client/agency/{name}")


class _Comparison:
    """Compares files with the given ones, of which each has a name, a day and a text."""

    def __init__(self, contract: Contract, before: Iterable[tuple[str, date, str]]) -> None:
        self._contract, self._before = contract, before
        self._previous: list[FileSummary] = []

    def __enter__(self) -> "_Comparison":
        self._folder = tempfile.TemporaryDirectory(prefix="drift-")
        self._previous = [self._summary(*one) for one in self._before]
        return self

    def __exit__(self, *_error: object) -> None:
        self._folder.cleanup()

    def messages(self, name: str, day: date, text: str) -> tuple[str, ...]:
        try:
            file = self._summary(name, day, text)
        except ValueError as error:
            return (str(error),)
        return tuple(one.message for one in compare(file, self._previous, DriftLimits()))

    def _summary(self, name: str, day: date, text: str) -> FileSummary:
        path = Path(self._folder.name) / "Events.csv"
        path.write_text(text, "utf-8")
        result = check_file(path, self._contract, path.parent, as_of=day)
        if result.errors:
            raise ValueError(result.errors[0].message)
        return FileSummary.of(result, f"{name} {day}", datetime.combine(day, time(), UTC), self._contract.keys, name)


def _print(title: str, tried: Iterable[list[Tried]], *, verbose: bool) -> None:
    found: dict[bool, dict[str, Counter[bool]]] = {False: defaultdict(Counter), True: defaultdict(Counter)}
    for one in (one for several in tried for one in several):
        found[one.is_faulty][one.row][bool(one.messages)] += 1
        if verbose and bool(one.messages) != one.is_faulty:
            print(f"{'not found' if one.is_faulty else 'false alarm'}: {one.row}", *one.messages, sep="\n    ")
    for is_faulty, name in ((True, "faults found"), (False, "false alarms")):
        print(f"\n{title}: {name}")
        print(*_lines(found[is_faulty]), sep="\n")
    print(flush=True)


def _lines(rows: dict[str, Counter[bool]]) -> Iterator[str]:
    total = sum(rows.values(), Counter[bool]())
    if len(rows) > 1:
        yield from (f"{row:24} {counts[True]:4} of {counts.total():4}" for row, counts in sorted(rows.items()))
    yield f"{'in all':24} {total[True]:4} of {total.total():4} ({total[True] / total.total():.1%})"


if __name__ == "__main__":
    sys.exit(main())
