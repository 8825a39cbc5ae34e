"""Generated columns: personal data as agencies write it, and ids, dates and texts that look like it."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from etl_platform.engine.privacy.personal_forms import PersonalKind

Make = Callable[[random.Random, int], str]
"""A value for a row, by its number."""

GIVEN, SURNAMES = ("Avexa", "Belor", "Cimra", "Dovan", "Elquin"), ("Samplebex", "Testrow", "Fieldmar", "Colquist")
FILLERS = ("spoke with the driver", "report taken at the scene", "no further action", "vehicle towed", "see unit 12")


@dataclass(frozen=True)
class GeneratedColumn:
    """A column; ``kind`` is None if it holds no personal data. Every ``each``-th row has a value of ``make``."""

    name: str
    kind: PersonalKind | None
    make: Make
    each: int = 1
    filler: Make | None = None

    def values(self, seed: int, rows: int) -> list[str]:
        chance = random.Random(f"{self.name}:{seed}")
        other = self.filler or (lambda _chance, _row: "")
        return [
            self.make(chance, row) if row % self.each == self.each - 1 else other(chance, row) for row in range(rows)
        ]


def ssn(chance: random.Random) -> tuple[str, str, str]:
    area = chance.choice([*range(1, 666), *range(667, 900)])
    return f"{area:03}", f"{chance.randint(1, 99):02}", f"{chance.randint(1, 9999):04}"


def phone(chance: random.Random) -> tuple[str, str, str]:
    area = chance.choice([code for code in range(201, 990) if code % 100 != 11 and code not in (800, 888, 900)])
    return str(area), f"{chance.randint(200, 999) // 100}{chance.randint(20, 99)}", f"{chance.randint(0, 9999):04}"


def card(chance: random.Random, prefix: str = "4", length: int = 16) -> str:
    digits = prefix + "".join(str(chance.randint(0, 9)) for _ in range(length - len(prefix) - 1))
    total = sum(sum(divmod(int(d) * (2 - place % 2), 10)) for place, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def email(chance: random.Random, row: int) -> str:
    return f"{chance.choice(GIVEN)}.{chance.choice(SURNAMES)}{row}@agency{row % 3}.example.org".lower()


def day(chance: random.Random, first: date, last: date, *, weekdays: bool = False) -> date:
    found = first + timedelta(chance.randrange((last - first).days))
    return found - timedelta(max(0, found.weekday() - 4)) if weekdays else found


def birth(chance: random.Random) -> date:
    return day(chance, date(1948, 1, 1), date(2004, 1, 1))


def filler(chance: random.Random, _row: int) -> str:
    return chance.choice(FILLERS)


def _joined(parts: tuple[str, str, str], separator: str) -> str:
    return separator.join(parts)


_K = PersonalKind
POSITIVES = (
    GeneratedColumn("member_ref", _K.SSN, lambda c, _: _joined(ssn(c), "-")),
    GeneratedColumn("ref_2", _K.SSN, lambda c, _: _joined(ssn(c), "\u2013")),
    GeneratedColumn("ref_3", _K.SSN, lambda c, _: _joined(ssn(c), " ")),
    GeneratedColumn("SSN", _K.SSN, lambda c, _: _joined(ssn(c), "")),
    GeneratedColumn("Social Security No", _K.SSN, lambda c, _: _joined(ssn(c), "").lstrip("0")),
    GeneratedColumn("soc_sec", _K.SSN, lambda c, _: f"{_joined(ssn(c), '')}.0"),
    GeneratedColumn("memo", _K.SSN, lambda c, _: f"driver gave SSN {_joined(ssn(c), '')} at stop", 7, filler),
    GeneratedColumn("narrative", _K.SSN, lambda c, _: f"ID shown, {_joined(ssn(c), '-')}.", 9, filler),
    GeneratedColumn("remarks", _K.SSN, lambda c, _: f"ssn# {_joined(ssn(c), ' ')} verified", 5, filler),
    GeneratedColumn("contact_1", _K.PHONE, lambda c, _: _joined(phone(c), "-")),
    GeneratedColumn("contact_2", _K.PHONE, lambda c, _: "({}) {}-{}".format(*phone(c))),
    GeneratedColumn("contact_3", _K.PHONE, lambda c, _: _joined(phone(c), ".")),
    GeneratedColumn("contact_4", _K.PHONE, lambda c, _: "+1 {} {} {}".format(*phone(c))),
    GeneratedColumn("contact_5", _K.PHONE, lambda c, _: "+1" + _joined(phone(c), "")),
    GeneratedColumn("phone", _K.PHONE, lambda c, _: _joined(phone(c), "")),
    GeneratedColumn("Cell Phone", _K.PHONE, lambda c, _: f"1{_joined(phone(c), '')}"),
    GeneratedColumn("home_tel", _K.PHONE, lambda c, _: f"{_joined(phone(c), '')}.0"),
    GeneratedColumn("reachable", _K.PHONE, lambda c, _: "{}/{}-{} x12".format(*phone(c))),
    GeneratedColumn("notes", _K.PHONE, lambda c, _: "call {}-{}-{} after 5".format(*phone(c)), 6, filler),
    GeneratedColumn("comment", _K.PHONE, lambda c, _: f"her cell is {_joined(phone(c), '')}", 6, filler),
    GeneratedColumn("abroad", _K.PHONE, lambda c, _: f"+44 20 {c.randint(1000, 9999)} {c.randint(1000, 9999)}"),
    GeneratedColumn("login", _K.EMAIL, email),
    GeneratedColumn("written_by", _K.EMAIL, lambda c, r: f"{c.choice(SURNAMES)} <{email(c, r)}>"),
    GeneratedColumn("summary", _K.EMAIL, lambda c, r: f"sent the video to {email(c, r)}, no answer", 8, filler),
    GeneratedColumn("upper", _K.EMAIL, lambda c, r: email(c, r).upper()),
    GeneratedColumn("paid_with", _K.CARD, lambda c, _: card(c)),
    GeneratedColumn("paid_by", _K.CARD, lambda c, _: " ".join(re.findall("....", card(c, "51")))),
    GeneratedColumn("amex", _K.CARD, lambda c, _: card(c, "37", 15)),
    GeneratedColumn("fine_note", _K.CARD, lambda c, _: f"paid by card {card(c, '6011')}", 6, filler),
    GeneratedColumn("dob", _K.BIRTH_DATE, lambda c, _: birth(c).isoformat()),
    GeneratedColumn("Date of Birth", _K.BIRTH_DATE, lambda c, _: f"{birth(c):%m/%d/%Y}"),
    GeneratedColumn("officer_bday", _K.BIRTH_DATE, lambda c, _: f"{birth(c):%d.%m.%y}"),
    GeneratedColumn("yob", _K.BIRTH_DATE, lambda c, _: str(birth(c).year)),
    GeneratedColumn("birth_year", _K.BIRTH_DATE, lambda c, _: f"{birth(c).year}.0"),
    GeneratedColumn("birthdt", _K.BIRTH_DATE, lambda c, _: f"{birth(c):%Y%m%d}"),
    GeneratedColumn("field_7", _K.BIRTH_DATE, lambda c, _: f"{birth(c):%m/%d/%Y} 00:00:00"),
    GeneratedColumn("person_date", _K.BIRTH_DATE, lambda c, _: birth(c).isoformat()),
    GeneratedColumn("details", _K.BIRTH_DATE, lambda c, _: f"male, DOB {birth(c):%m/%d/%Y}, calm", 5, filler),
)
NEGATIVES = (
    GeneratedColumn("officer_id", None, lambda c, _: str(c.randint(100_000_000, 999_999_999))),
    GeneratedColumn("taxid", None, lambda c, _: str(c.randint(870_000, 979_999))),
    GeneratedColumn("employee_no", None, lambda c, _: f"{c.randint(0, 9_999_999_999):010}"),
    GeneratedColumn("badge_number", None, lambda c, _: f"{c.randint(1, 99_999):05}"),
    GeneratedColumn("case_no", None, lambda c, r: f"{c.choice((12, 14, 31)):03}-{c.randint(17, 24)}-{r:04}"),
    GeneratedColumn("case_number", None, lambda c, r: f"2023-{r:06}"),
    GeneratedColumn("incident_no", None, lambda c, r: f"{c.randint(1, 199):03}-{c.randint(100, 199)}-{r:04}"),
    GeneratedColumn("event_number", None, lambda c, r: f"P23{c.randint(100, 366)}{r:04}"),
    GeneratedColumn("tracking_no", None, lambda c, _: "".join(str(c.randint(0, 9)) for _ in range(16))),
    GeneratedColumn("imei", None, lambda c, _: card(c, "35", 15)),
    GeneratedColumn("updated_at", None, lambda c, _: f"{day(c, date(2019, 1, 1), date(2024, 1, 1))} 10:22:31"),
    GeneratedColumn(
        "stamp", None, lambda c, _: f"{day(c, date(2019, 1, 1), date(2024, 1, 1)):%Y%m%d}{c.randint(100000, 235959)}"
    ),
    GeneratedColumn("epoch_ms", None, lambda c, _: str(1_500_000_000_000 + c.randint(0, 10**11))),
    GeneratedColumn("salary", None, lambda c, _: f"${c.randint(30, 190)},{c.randint(0, 999):03}.00"),
    GeneratedColumn("amount", None, lambda c, _: f"{c.randint(10**8, 10**9)}.{c.randint(0, 99):02}"),
    GeneratedColumn("incident_date", None, lambda c, _: day(c, date(2015, 1, 1), date(2024, 1, 1)).isoformat()),
    GeneratedColumn("date", None, lambda c, _: f"{day(c, date(2000, 1, 1), date(2024, 1, 1)):%m/%d/%Y}"),
    GeneratedColumn("hire_date", None, lambda c, _: f"{day(c, date(1975, 1, 1), date(2020, 1, 1)):%m/%d/%Y}"),
    GeneratedColumn("appt", None, lambda c, _: day(c, date(1970, 1, 1), date(2004, 1, 1), weekdays=True).isoformat()),
    GeneratedColumn("sworn_on", None, lambda c, _: day(c, date(1970, 1, 1), date(2004, 1, 1)).isoformat()),
    GeneratedColumn("founded", None, lambda c, _: str(c.randint(1850, 1990))),
    GeneratedColumn("eow", None, lambda c, _: day(c, date(1850, 1, 1), date(2016, 1, 1)).isoformat()),
    GeneratedColumn("expires", None, lambda c, _: day(c, date(2024, 1, 1), date(2030, 1, 1)).isoformat()),
    GeneratedColumn("hotline", None, lambda _c, _r: "505-555-0199"),
    GeneratedColumn("tip_line", None, lambda _c, _r: "(800) 555-0142"),
    GeneratedColumn("agency_phone", None, lambda c, _: _joined(phone(random.Random(c.randint(1, 4))), "-")),
    GeneratedColumn("station_email", None, lambda c, _: f"precinct{c.randint(1, 9)}@city.example.org"),
    GeneratedColumn("contact", None, lambda c, _: f"{c.choice(('records', 'info', 'dispatch'))}@city.example.org"),
    GeneratedColumn("latitude", None, lambda c, _: f"{c.uniform(30, 45):.9f}"),
    GeneratedColumn("geo_id", None, lambda c, _: str(c.randint(10_000_000_000, 99_999_999_999))),
    GeneratedColumn("ori", None, lambda c, _: f"NM{c.randint(0, 9_999_999):07}"),
    GeneratedColumn("zip", None, lambda c, _: f"{c.randint(10_000, 99_999)}-{c.randint(1000, 9999)}"),
    GeneratedColumn("vin", None, lambda c, _: "1HG" + "".join(c.choice("ABCDEFGH0123456789") for _ in range(14))),
    GeneratedColumn("plate", None, lambda c, _: f"{c.randint(100, 999)}-ABC"),
    GeneratedColumn("address", None, lambda c, _: f"{c.randint(1, 9999)} N 12TH ST @ MAIN"),
    GeneratedColumn(
        "statute", None, lambda c, _: f"{c.randint(10, 70)}-{c.randint(1, 20)}-{c.randint(1, 99)}.{c.randint(1, 9)}"
    ),
    GeneratedColumn("handle", None, lambda c, r: f"@unit{r}"),
    GeneratedColumn("ip", None, lambda c, _: ".".join(str(c.randint(1, 254)) for _ in range(4))),
    GeneratedColumn("birthplace", None, lambda c, _: c.choice(("Albuquerque", "Austin", "Charlotte"))),
    GeneratedColumn("cell", None, lambda c, _: f"B{c.randint(1, 40)}"),
    GeneratedColumn("narrative_clean", None, lambda c, r: f"case {r:06}, {c.choice(FILLERS)} at 10:30 on 01/02/2023"),
    GeneratedColumn(
        "uuid", None, lambda c, _: f"{c.getrandbits(32):08x}-{c.getrandbits(16):04x}-4{c.getrandbits(12):03x}"
    ),
    GeneratedColumn("version", None, lambda c, _: f"{c.randint(1, 9)}.{c.randint(0, 20)}.{c.randint(0, 999)}"),
)
