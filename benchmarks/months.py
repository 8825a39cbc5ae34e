"""Generates the monthly files of an agency, as they differ without a fault, and plants faults. No engine."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

_PRECINCTS, _RANKS = ("north", "south", "east", "west", "airport", "central"), ("PO", "CPL", "SGT", "LT", "CAPT")
_KINDS = tuple(
    f"{place}-{act}" for place in ("street", "home", "store") for act in ("theft", "assault", "fraud", "arson")
)
HEADER = (
    *("incident_no", "occurred", "precinct", "kind", "officer_id", "officer_hired", "rank", "injured"),
    *("distance_m", "damage_usd", "minutes", "subject_born", "remark"),
)
_CODES, _NUMBERS = ("precinct", "kind", "rank"), ("distance_m", "damage_usd", "minutes")
_DATES = ("occurred", "officer_hired")
_WORDS = ("dark", "quiet", "rain", "crowd", "alarm", "witness", "camera", "gate", "yard", "signal")
Rows = list[list[str]]


@dataclass(frozen=True)
class Agency:
    """How the files of one agency usually are.

    Attributes:
        rows: of a usual month.
        season: by how much the best month of the year exceeds the usual one, as a share.
    """

    rows: int
    season: float
    weights: dict[str, tuple[float, ...]]
    filled: dict[str, float]
    damage: float
    hired: tuple[date, ...]

    @classmethod
    def of(cls, random: Random) -> "Agency":
        rows = round(60 * math.exp(random.uniform(0, 4.5)))
        weights = {
            name: tuple(math.exp(random.gauss(0, 0.7)) for _ in codes)
            for name, codes in zip(_CODES, (_PRECINCTS, _KINDS, _RANKS), strict=True)
        }
        filled = {name: random.uniform(0.3, 1) for name in ("injured", *_NUMBERS, "subject_born", "remark", "rank")}
        hired = tuple(date(1995, 1, 1) + timedelta(random.randrange(10_000)) for _ in range(max(8, rows // 20)))
        return cls(rows, random.uniform(0, 0.25), weights, filled, math.exp(random.uniform(3, 7)), hired)

    def month(self, random: Random, number: int) -> "Month":
        """A month without a fault; ``number`` counts months from January 2024."""
        first = date(2024 + number // 12, number % 12 + 1, 1)
        usual = self.rows * (1 + self.season * math.sin(number * math.pi / 6)) * math.exp(random.gauss(0, 0.08))
        weights = {
            name: [weight * math.exp(random.gauss(0, 0.15)) for weight in usual_weights]
            for name, usual_weights in self.weights.items()
        }
        filled = {name: min(1.0, max(0.0, share + random.gauss(0, 0.02))) for name, share in self.filled.items()}
        rows = [self._row(random, first, number * 100_000 + place, weights, filled) for place in range(round(usual))]
        return Month(first + timedelta(33 + random.randrange(8)), list(HEADER), rows)

    def _row(
        self, random: Random, first: date, number: int, weights: dict[str, list[float]], filled: dict[str, float]
    ) -> list[str]:
        officer = random.randrange(len(self.hired))
        chosen = [
            random.choices(codes, weights[name])[0]
            for name, codes in zip(_CODES, (_PRECINCTS, _KINDS, _RANKS), strict=True)
        ]
        cells = {
            "incident_no": str(number),
            "occurred": (first + timedelta(random.randrange(28))).isoformat(),
            "precinct": chosen[0],
            "kind": chosen[1],
            "officer_id": f"P{officer:05}",
            "officer_hired": self.hired[officer].isoformat(),
            "rank": chosen[2],
            "injured": random.choice("YNNN"),
            "distance_m": f"{random.gammavariate(2, 40):.1f}",
            "damage_usd": f"{random.lognormvariate(math.log(self.damage), 1):.2f}",
            "minutes": str(round(random.gammavariate(3, 12))),
            "subject_born": (date(1950, 1, 1) + timedelta(random.randrange(20_000))).isoformat(),
            "remark": " ".join(random.choices(_WORDS, k=5)),
        }
        return [cells[name] if random.random() < filled.get(name, 1) else "" for name in HEADER]


@dataclass(frozen=True)
class Month:
    """A file: the day on which it is delivered, its header and its rows."""

    day: date
    header: list[str]
    rows: Rows

    def text(self) -> str:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([self.header, *self.rows])
        return out.getvalue()

    def with_cells(self, names: Sequence[str], change: Callable[[str], str]) -> "Month":
        places = {self.header.index(name) for name in names}
        rows = [[change(cell) if i in places and cell else cell for i, cell in enumerate(row)] for row in self.rows]
        return replace(self, rows=rows)


def _two_columns_renamed(month: Month, random: Random) -> Month:
    names = set(random.sample(HEADER[4:], 2))
    return replace(month, header=[f"{name}_cd" if name in names else name for name in month.header])


def _column_gone(month: Month, random: Random) -> Month:
    place = random.randrange(1, len(HEADER))
    header, *rows = ([*row[:place], *row[place + 1 :]] for row in (month.header, *month.rows))
    return Month(month.day, header, rows)


def _cells_shifted(month: Month, random: Random) -> Month:
    """From one column on, every cell is one column further right."""
    place = random.randrange(2, len(HEADER) - 2)
    return replace(month, rows=[[*row[:place], "", *row[place:-1]] for row in month.rows])


def _dates_shifted(month: Month, random: Random) -> Month:
    name, days = random.choice(_DATES), random.choice((-36_525, 1_461, 3_652))
    return month.with_cells([name], lambda cell: (date.fromisoformat(cell) + timedelta(days)).isoformat())


def _numbers_shifted(month: Month, random: Random) -> Month:
    name = random.choice(_NUMBERS)
    filled = sorted(float(row[HEADER.index(name)]) for row in month.rows if row[HEADER.index(name)])
    step = round(filled[len(filled) * 9 // 10]) + 1
    return month.with_cells(
        [name], lambda cell: str(int(cell) + step) if name == "minutes" else f"{float(cell) + step:.2f}"
    )


def _units_changed(month: Month, random: Random) -> Month:
    name, factor = random.choice(
        [("distance_m", 3.28), ("distance_m", 0.001), ("damage_usd", 100), ("damage_usd", 0.001), ("minutes", 60)]
    )
    return month.with_cells(
        [name], lambda cell: str(int(cell) * 60) if name == "minutes" else f"{float(cell) * factor:.4f}"
    )


def _half(month: Month, _random: Random) -> Month:
    return replace(month, rows=month.rows[: len(month.rows) // 2])


def _doubled(month: Month, _random: Random) -> Month:
    again = [[str(int(row[0]) + 50_000), *row[1:]] for row in month.rows]
    return replace(month, rows=[*month.rows, *again])


def _codes_renamed(month: Month, random: Random) -> Month:
    how = random.choice([str.title, lambda cell: cell[:1] + "0", lambda cell: f"0{len(cell)}"])
    name = random.choice(("precinct", "kind", "rank"))
    return month.with_cells([name], lambda cell: how(cell) if how(cell) != cell else f"{cell}.")


def _precinct_missing(month: Month, random: Random) -> Month:
    place = HEADER.index("precinct")
    lost = random.choice(sorted({row[place] for row in month.rows}))
    return replace(month, rows=[row for row in month.rows if row[place] != lost])


def _column_emptied(month: Month, random: Random) -> Month:
    return month.with_cells([random.choice(HEADER[2:])], lambda _cell: "")


FAULTS: dict[str, Callable[[Month, Random], Month]] = {
    "two columns renamed": _two_columns_renamed,
    "a column gone": _column_gone,
    "a column emptied": _column_emptied,
    "cells shifted": _cells_shifted,
    "dates shifted": _dates_shifted,
    "numbers shifted": _numbers_shifted,
    "units changed": _units_changed,
    "half a file": _half,
    "a doubled file": _doubled,
    "a code list renamed": _codes_renamed,
    "a precinct missing": _precinct_missing,
}
