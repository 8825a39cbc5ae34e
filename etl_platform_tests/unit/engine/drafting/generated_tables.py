"""Tables with a known schema, written in several dialects, for tests of drafts. No tests."""

import csv
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path

Values = Callable[[random.Random, int], list[str]]
_SYLLABLES = [a + b for a, b in product("bdfglmnprtv", ["ax", "ez", "iq", "ov", "uj"])]


@dataclass(frozen=True)
class Kind:
    """What a column holds, and what a draft must find. ``name`` has words that the values never contain."""

    name: str
    type: str
    values: Values
    personal: bool = False
    unique: bool = False
    closed: bool = False


def word(chance: random.Random) -> str:
    return "".join(chance.choices(_SYLLABLES, k=3))


def days(pattern: str) -> Values:
    return lambda chance, rows: [
        f"{date(1990, 1, 1) + timedelta(days=chance.randrange(12_000)):{pattern}}" for _ in range(rows)
    ]


def moments(pattern: str) -> Values:
    return lambda chance, rows: [
        f"{datetime(2001, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(9_000_000)):{pattern}}"
        for _ in range(rows)
    ]


def numbers(show: Callable[[random.Random], str]) -> Values:
    return lambda chance, rows: [show(chance) for _ in range(rows)]


def among(values: Sequence[str]) -> Values:
    """Each value in at least two rows."""
    return lambda chance, rows: chance.sample([*values, *values, *chance.choices(values, k=rows)][:rows], rows)


KINDS = [
    Kind("stop date", "date", days("%Y-%m-%d")),
    Kind("hire date", "date", days("%m/%d/%Y")),
    Kind("report day", "date", days("%d.%m.%Y")),
    Kind("closed on", "date", days("%d-%b-%Y")),
    Kind("compact date", "date", days("%Y%m%d")),
    Kind("booked at", "timestamp", moments("%Y-%m-%d %H:%M:%S")),
    Kind("released at", "timestamp", moments("%m/%d/%Y %I:%M %p")),
    Kind("received", "timestamp", moments("%Y-%m-%dT%H:%M:%SZ")),
    Kind("stop time", "time", moments("%H:%M")),
    Kind("start time", "time", moments("%I:%M %p")),
    Kind("arrests", "integer", numbers(lambda chance: str(chance.randrange(-5, 900)))),
    Kind("hours", "number", numbers(lambda chance: f"{chance.uniform(0, 40):.2f}")),
    Kind("bail", "number", numbers(lambda chance: f"${chance.randrange(1_000, 90_000):,}.00")),
    Kind("felony", "boolean", among(["Y", "N"])),
    Kind("searched", "boolean", among(["Yes", "No"])),
    Kind("use flag", "boolean", among(["1", "0"])),
    Kind("outcome", "string", among(["ARREST", "CITATION", "WARNING"]), closed=True),
    Kind("zip code", "string", numbers(lambda chance: f"{chance.randrange(10_000):05}")),
    Kind("case number", "string", lambda c, n: [f"C{i:06}" for i in c.sample(range(99_999), n)], unique=True),
    Kind("incident id", "string", lambda c, n: [str(i) for i in c.sample(range(10_000, 99_999), n)], unique=True),
    Kind("last name", "string", numbers(lambda chance: word(chance).title()), personal=True),
    Kind("officer", "string", numbers(lambda chance: f"{word(chance)}, {word(chance)}".title()), personal=True),
    Kind("supervisor", "string", among(["Baxezov Diqezax", "Fovuj Gaxiq"]), personal=True),
    Kind("dob", "date", days("%m/%d/%Y"), personal=True),
    Kind(
        "ssn",
        "string",
        numbers(lambda c: f"{c.randrange(100, 600)}-{c.randrange(10, 99)}-{c.randrange(1000, 9999)}"),
        personal=True,
    ),
    Kind(
        "callback",
        "string",
        numbers(lambda c: f"({c.randrange(200, 999)}) 555-{c.randrange(1000, 9999)}"),
        personal=True,
    ),
    Kind("sent to", "string", numbers(lambda chance: f"{word(chance)}@example.org"), personal=True),
    Kind("home address", "string", numbers(lambda c: f"{c.randrange(1, 999)} {word(c).title()} St"), personal=True),
    Kind(
        "plate",
        "string",
        numbers(lambda chance: f"{word(chance)[:3].upper()}{chance.randrange(1000, 9999)}"),
        personal=True,
    ),
]
NULL_TOKENS = ["N/A", "NULL", "-", "#N/A"]


@dataclass(frozen=True)
class GeneratedTable:
    """``optional``: names of the columns with empty cells. ``cells``: by column name, its texts that are values."""

    kinds: tuple[Kind, ...]
    optional: frozenset[str]
    rows: list[list[str]]
    cells: dict[str, set[str]]


def generate(chance: random.Random, rows: int) -> GeneratedTable:
    kinds = chance.sample(KINDS, chance.randrange(3, 9))
    optional = {kind.name for kind in kinds if not kind.unique and chance.random() < 0.4}
    columns, cells = [], {}
    for kind in kinds:
        texts = kind.values(chance, rows)
        cells[kind.name] = set(texts)
        if kind.name in optional:
            empty = chance.choice(["", *NULL_TOKENS])
            for place in chance.sample(range(rows), max(1, rows // 10)):
                texts[place] = empty
            # Each value that is left must still be there.
            cells[kind.name] &= set(texts)
        columns.append(texts)
    return GeneratedTable(tuple(kinds), frozenset(optional), list(map(list, zip(*columns, strict=True))), cells)


HEADERS: list[Callable[[str], str]] = [
    str.title,
    str.upper,
    lambda name: name.replace(" ", "_"),
    lambda name: name.title().replace(" ", ""),
]


def write(path: Path, table: GeneratedTable, chance: random.Random) -> None:
    """Write the table in a dialect of its own."""
    header = chance.choice(HEADERS)
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=chance.choice(",;\t|"),
        lineterminator=chance.choice(["\n", "\r\n"]),
        quoting=chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    )
    writer.writerow([header(kind.name) for kind in table.kinds])
    writer.writerows(table.rows)
    path.write_bytes(out.getvalue().encode(chance.choice(["utf-8", "utf-8-sig", "cp1252", "utf-16"])))
