"""Generates agencies that send in different ways: what they count, how often, and what each file holds. No engine.

Each agency draws its own columns. ``sent_files`` is what it sends without a fault; ``file_faults`` plants those.
"""

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

_SYLLABLES = ("ba", "co", "di", "fe", "gu", "ka", "lo", "mi", "nu", "pe", "ro", "sa", "té", "vi", "zo")
_FIRST_DAY = date(2023, 1, 1)
_OPEN, _CLOSED = "internal", "restricted"
Row = dict[str, str]


def _word(random: Random, most: int = 4) -> str:
    return "".join(random.choice(_SYLLABLES) for _ in range(random.randint(2, most)))


@dataclass(frozen=True)
class Moment:
    """What a cell may depend on besides chance: its row's day, and its place in the file."""

    day: date
    case: int
    place: int
    file: int


@dataclass(frozen=True)
class Column:
    """One column: how its cells are drawn, and what its contract says.

    Attributes:
        filled: share of the rows with a value; it varies a little from file to file.
        weights: of codes: how frequent each is. They vary from file to file.
    """

    name: str
    kind: str
    cell: Callable[[Random, Moment, Any], str]
    filled: float = 1.0
    classification: str = _OPEN
    weights: Mapping[str, float] | None = None
    contract: Mapping[str, Any] = field(default_factory=dict)

    def drawn_for_file(self, random: Random) -> tuple[float, Any]:
        """The share of filled cells in one file, and how frequent its codes are."""
        slack = 0.02 * math.sqrt(self.filled * (1 - self.filled)) * 2
        filled = min(1.0, max(0.0, random.gauss(self.filled, slack)))
        if self.weights is None:
            return filled, None
        weights = [weight * math.exp(random.gauss(0, 0.12)) for weight in self.weights.values()]
        return filled, (list(self.weights), weights)


@dataclass(frozen=True)
class SentFile:
    """One file: when it was delivered, under which name, its header and rows."""

    name: str
    day: date
    header: list[str]
    rows: list[Row]

    def text(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows([row.get(name, "") for name in self.header] for row in self.rows)
        return out.getvalue()


def _codes(random: Random, name: str, number: int, classification: str = _OPEN, filled: float = 1.0) -> Column:
    weights = {f"{_word(random)} {place}": math.exp(random.gauss(0, 0.8)) for place in range(number)}
    return Column(name, "code", lambda r, _, w: r.choices(*w)[0], filled, classification, weights)


def _plain(name: str, kind: str, cell: Callable[[Random], str], **more: Any) -> Column:
    return Column(name, kind, lambda random, _moment, _weights: cell(random), **more)


_DATE = {"logicalType": "date", "logicalTypeOptions": {"format": "yyyy-MM-dd"}}
_NUMBER, _INTEGER = {"logicalType": "number"}, {"logicalType": "integer"}


def _event_columns(random: Random, officers: int) -> Iterator[Column]:
    """The columns that every agency has, whatever it counts."""
    key = {**_INTEGER, "required": True, "unique": True}
    yield Column("event_no", "key", lambda _r, m, _w: str(m.file * 1_000_000 + m.place), contract=key)
    yield Column("case_no", "case", lambda _r, m, _w: f"{m.day.year}-{m.case:06}")
    yield Column("occurred", "event date", lambda _r, m, _w: m.day.isoformat(), contract=_DATE)
    yield _codes(random, "precinct", random.randint(2, 12))
    names = [f"{_word(random).title()}, {_word(random).title()}" for _ in range(officers)]
    yield _plain("officer", "name", lambda r: r.choice(names), classification=_CLOSED)


def _drawn_column(random: Random, name: str) -> Column:
    """One column of a random kind."""
    filled = random.choice((1.0, 1.0, random.uniform(0.2, 0.95), random.uniform(0.01, 0.1)))
    size, spread = math.exp(random.uniform(0, 8)), random.uniform(0.3, 1.2)
    born = date(1940, 1, 1)
    hired = [date(1992, 1, 1) + timedelta(random.randrange(11_000)) for _ in range(40)]
    constant, street = _word(random), [f"{random.randint(1, 99)} {_word(random).title()} St" for _ in range(400)]
    makers: dict[str, Callable[[], Column]] = {
        "code": lambda: _codes(random, name, random.randint(2, 30), filled=filled),
        "many codes": lambda: _codes(random, name, random.randint(40, 120), filled=filled),
        "masked code": lambda: _codes(random, name, random.randint(2, 8), _CLOSED, filled),
        "money": lambda: _plain(
            name, "number", lambda r: f"{r.lognormvariate(math.log(size), spread):.2f}", filled=filled, contract=_NUMBER
        ),
        "count": lambda: _plain(
            name, "count", lambda r: str(int(r.expovariate(1 / (1 + size / 200)))), filled=filled, contract=_INTEGER
        ),
        "minutes": lambda: _plain(
            name, "number", lambda r: str(round(r.gammavariate(3, size))), filled=filled, contract=_INTEGER
        ),
        "static date": lambda: _plain(
            name, "static date", lambda r: r.choice(hired).isoformat(), filled=filled, contract=_DATE
        ),
        "birth date": lambda: _plain(
            name,
            "birth date",
            lambda r: (born + timedelta(int(r.triangular(0, 24_000)))).isoformat(),
            filled=filled,
            classification=_CLOSED,
            contract=_DATE,
        ),
        "phone": lambda: _plain(
            name,
            "phone",
            lambda r: f"({r.randint(200, 999)}) 555-{r.randrange(10_000):04}",
            filled=filled,
            classification=_CLOSED,
        ),
        "flag": lambda: _codes(random, name, 2, filled=filled),
        "address": lambda: _plain(name, "text", lambda r: r.choice(street), filled=filled),
        "remark": lambda: _plain(
            name,
            "text",
            lambda r: " ".join(_word(r) for _ in range(r.randint(2, 12))),
            filled=filled,
            classification=random.choice((_OPEN, _CLOSED)),
        ),
        "constant": lambda: _plain(name, "constant", lambda _: constant),
        "period": lambda: Column(name, "period", lambda _r, m, _w: f"{m.day.year}"),
    }
    return makers[random.choice(list(makers))]()


@dataclass(frozen=True)
class Agency:
    """One agency: its columns, and what a usual file of it holds.

    Attributes:
        habit: one of HABITS.
        rows: of a usual period.
        season: by how much the best month of the year exceeds the usual one, as a share.
        growth: of the rows from period to period, as a share.
    """

    habit: str
    rows: int
    season: float
    growth: float
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, random: Random, habit: str) -> "Agency":
        rows = random.randint(2, 9) if habit == "tiny" else round(60 * math.exp(random.uniform(0, 3.4)))
        width = 55 if habit == "wide" else random.randint(4, 16)
        columns = [*_event_columns(random, max(8, rows // 12))]
        columns += [_drawn_column(random, f"{_word(random)}_{place}".replace("é", "e")) for place in range(width)]
        season = random.uniform(0.25, 0.5) if habit == "seasonal" else random.uniform(0, 0.15)
        return cls(habit, rows, season, 0.05 if habit == "growing" else 0.0, tuple(columns))

    def contract(self) -> dict[str, Any]:
        """The contract of its files; every column but the key is optional."""
        properties = [
            {"logicalType": "string", **one.contract, "name": one.name, "classification": one.classification}
            for one in self.columns
        ]
        schema = {"name": "events", "physicalName": "Events*.csv", "dataGranularityDescription": "One row per event."}
        return {
            "apiVersion": "v3.2.0",
            "kind": "DataContract",
            "id": "benchmark-habits",
            "name": "Events of the benchmark",
            "version": "1.0.0",
            "status": "active",
            "schema": [schema | {"properties": properties}],
        }

    def rows_of(self, random: Random, first: date, days: int, number: int, share: float = 1.0) -> list[Row]:
        """The rows of the events of some days; several of them may belong to one case."""
        season = 1 + self.season * math.sin((first - _FIRST_DAY).days / 365.25 * 2 * math.pi)
        usual = self.rows * share * season * (1 + self.growth) ** number * math.exp(random.gauss(0, 0.07))
        drawn = {one.name: one.drawn_for_file(random) for one in self.columns}
        rows, case = list[Row](), number * 1_000
        for place in range(max(1, round(usual))):
            case += random.random() < 0.7
            moment = Moment(first + timedelta(random.randrange(days)), case, place, number)
            rows.append(
                {
                    one.name: one.cell(random, moment, drawn[one.name][1])
                    if random.random() < drawn[one.name][0]
                    else ""
                    for one in self.columns
                }
            )
        return rows

    def file(self, name: str, day: date, rows: list[Row]) -> SentFile:
        return SentFile(name, day, [one.name for one in self.columns], rows)


def _month(number: int) -> date:
    return date(_FIRST_DAY.year + number // 12, number % 12 + 1, 1)


def _monthly(
    agency: Agency, random: Random, start: int, files: int, name: str = "Events_{:%Y-%m}.csv"
) -> Iterator[SentFile]:
    for number in range(start, start + files):
        first = _month(number)
        rows = agency.rows_of(random, first, 28, number)
        yield agency.file(name.format(first), first + timedelta(33 + random.randrange(8)), rows)


def _named_months(agency: Agency, random: Random, start: int, files: int) -> Iterator[SentFile]:
    return _monthly(agency, random, start, files, "Events {:%B %Y}.csv")


def _weekly(agency: Agency, random: Random, start: int, files: int) -> Iterator[SentFile]:
    for number in range(start, start + files):
        first = _FIRST_DAY + timedelta(7 * number)
        rows = agency.rows_of(random, first, 7, number)
        yield agency.file("Events.csv", first + timedelta(8), rows)


def _yearly(agency: Agency, random: Random, start: int, files: int) -> Iterator[SentFile]:
    for number in range(files):
        first = date(2012 + number + start % 4, 1, 1)
        rows = agency.rows_of(random, first, 365, number)
        yield agency.file(f"Events_{first.year}.csv", first + timedelta(380 + random.randrange(60)), rows)


def _cumulative(agency: Agency, random: Random, start: int, files: int) -> Iterator[SentFile]:
    """Each file holds all events since the first file."""
    rows = list[Row]()
    for place, one in enumerate(_monthly(agency, random, start, files + 2)):
        rows = [*rows, *one.rows]
        if place > 1:
            yield SentFile("Events.csv", one.day, one.header, rows)


def _snapshots(agency: Agency, random: Random, start: int, files: int) -> Iterator[SentFile]:
    """Each file holds all that is, of which little changes; a new row has a new day."""
    first = _month(start)
    rows = agency.rows_of(random, first - timedelta(2_000), 2_000, start)
    for number in range(start, start + files):
        new = agency.rows_of(random, _month(number), 28, number, 0.03)
        rows = [*random.sample(rows, round(len(rows) * 0.98)), *new]
        yield agency.file("Events.csv", _month(number) + timedelta(32), rows)


def _by_precinct(agency: Agency, random: Random, start: int, files: int) -> Iterator[SentFile]:
    """Each month comes in one file for each precinct, whose number is in the name."""
    precincts = 5
    sizes = [math.exp(random.gauss(0, 0.5)) for _ in range(precincts)]
    for place in range(files * precincts):
        number, precinct = start + place // precincts, place % precincts
        rows = agency.rows_of(random, _month(number), 28, number * 10 + precinct, sizes[precinct])
        rows = [row | {"precinct": f"P{precinct + 1}"} for row in rows]
        day = _month(number) + timedelta(33)
        yield agency.file(f"Events_P{precinct + 1}_{_month(number):%Y%m}.csv", day, rows)


def _out_of_order(agency: Agency, random: Random, start: int, files: int) -> Iterator[SentFile]:
    """The last file is about the month before that of the file before."""
    sent = [*_monthly(agency, random, start, files)]
    if len(sent) > 1:
        days = [one.day for one in sent]
        sent[-2:] = sent[:-3:-1]
        sent = [SentFile(one.name, day, one.header, one.rows) for one, day in zip(sent, days, strict=True)]
    yield from sent


def _corrected(agency: Agency, random: Random, start: int, files: int) -> Iterator[SentFile]:
    """The last file is an earlier month again, with some rows more and some cells corrected."""
    sent = [*_monthly(agency, random, start, files)]
    if len(sent) > 1:
        old = sent[-3 if len(sent) > 2 else -2]
        more = agency.rows_of(random, old.day - timedelta(35), 28, start + 50, 0.04)
        sent[-1] = SentFile(old.name, sent[-1].day, old.header, [*old.rows, *more])
    yield from sent


Sender = Callable[[Agency, Random, int, int], Iterator[SentFile]]
HABITS: dict[str, Sender] = {
    "monthly": _monthly,
    "seasonal": _monthly,
    "growing": _monthly,
    "wide": _monthly,
    "tiny": _monthly,
    "months by name": _named_months,
    "weekly": _weekly,
    "yearly": _yearly,
    "cumulative": _cumulative,
    "snapshots": _snapshots,
    "by precinct": _by_precinct,
    "late files": _out_of_order,
    "corrections": _corrected,
}


def sent_files(agency: Agency, random: Random, files: int) -> list[SentFile]:
    """What the agency sends, the oldest first."""
    return [*HABITS[agency.habit](agency, random, random.randrange(12), files)]
