"""Generates awkward files with their true rows, for ``benchmarks.reading``. Does not use the engine."""

import csv
import gzip
import io
import zipfile
from dataclasses import dataclass

HEADER = ("ident", "name", "note")
Row = tuple[str, ...]
ROWS: list[Row] = [("A1", "Ana", "x"), ("A2", "Bo", "y"), ("A3", "Cy", "z")]
ACCENTS: list[Row] = [("A1", "Peña", "naïve"), ("A2", "Zoë", "café"), ("A3", "Núñez", "¿qué?")]


@dataclass(frozen=True)
class Awkward:
    """A file and its good rows; a damaged row may be reported or refused, but not read. ``name`` may have a suffix."""

    name: str
    content: bytes
    rows: list[Row]
    header: Row = HEADER


def corpus() -> list[Awkward]:
    groups = (
        _line_ends, _encodings, _foreign_texts, _dialects, _half_dialects, _values, _quotes, _stray_quotes,
        _surroundings, _tables, _damage, _packed,
    )  # fmt: skip
    return [case for group in groups for case in group()]


def _text(rows: list[Row], delimiter: str = ",", end: str = "\n", header: Row = HEADER, **more: int) -> str:
    sink = io.StringIO(newline="")
    csv.writer(sink, delimiter=delimiter, lineterminator=end, **more).writerows([header, *rows])
    return sink.getvalue()


def _bytes(rows: list[Row], delimiter: str = ",", end: str = "\n", header: Row = HEADER, **more: int) -> bytes:
    return _text(rows, delimiter, end, header, **more).encode()


def _line_ends() -> list[Awkward]:
    quoted = [("A1", "two\r\nlines", "x"), *ROWS[1:]]
    fed = [("A1", "two\nlines", "x"), *ROWS[1:]]
    return [
        Awkward("LF", _bytes(ROWS), ROWS),
        Awkward("CRLF", _bytes(ROWS, end="\r\n"), ROWS),
        Awkward("CR", _bytes(ROWS, end="\r"), ROWS),
        Awkward("CR CR LF", _bytes(ROWS, end="\r\r\n"), ROWS),
        Awkward("CRLF and LF", b"ident,name,note\r\nA1,Ana,x\nA2,Bo,y\r\nA3,Cy,z\n", ROWS),
        Awkward("last line without an end", _bytes(ROWS).rstrip(), ROWS),
        Awkward("quoted CRLF", _bytes(quoted, end="\r\n"), quoted),
        Awkward("quoted LF in CR", b'ident,name,note\rA1,"two\nlines",x\rA2,Bo,y\rA3,Cy,z\r', fed),
        Awkward("Ctrl-Z at the end", _bytes(ROWS, end="\r\n") + b"\x1a", ROWS),
    ]


def _encodings() -> list[Awkward]:
    text = _text(ACCENTS)
    mixed = b"".join(line.encode(("utf-8", "cp1252")[n % 2]) for n, line in enumerate(text.splitlines(keepends=True)))
    return [
        Awkward("UTF-8 with BOM", text.encode("utf-8-sig"), ACCENTS),
        Awkward("UTF-16LE with BOM", b"\xff\xfe" + text.encode("utf-16-le"), ACCENTS),
        Awkward("UTF-16BE with BOM", b"\xfe\xff" + text.encode("utf-16-be"), ACCENTS),
        Awkward("UTF-16LE without BOM", text.encode("utf-16-le"), ACCENTS),
        Awkward("Windows-1252", text.encode("cp1252"), ACCENTS),
        Awkward("UTF-8 and Windows-1252", mixed, ACCENTS),
        Awkward("BOM before a quoted header", b'\xef\xbb\xbf"ident","name","note"\n' + _bytes(ROWS)[16:], ROWS),
    ]


def _dialects() -> list[Awkward]:
    lists = [(f"A{n}", f"a;b;c{n}", "d;e") for n in range(9)]
    commas = [(f"A{n}", f"{n},5", "1,25") for n in range(9)]
    single = [("A1",), ("A2",), ("A3",)]
    return [
        Awkward("semicolons", _bytes(ROWS, delimiter=";"), ROWS),
        Awkward("tabs", _bytes(ROWS, delimiter="\t"), ROWS),
        Awkward("pipes", _bytes(ROWS, delimiter="|"), ROWS),
        Awkward("commas around lists with semicolons", _bytes(lists), lists),
        Awkward("semicolons around decimal commas", _bytes(commas, delimiter=";"), commas),
        Awkward("one column", _bytes(single, header=("ident",)), single, ("ident",)),
        Awkward("everything quoted", _bytes(ROWS, quoting=csv.QUOTE_ALL), ROWS),
        Awkward("all text, first row like the others", b"ident,name,note\nx,y,z\n", [("x", "y", "z")]),
    ]


def _foreign_texts() -> list[Awkward]:
    """Code pages that look like Windows-1252, and characters that nobody sees."""
    spanish: list[Row] = [(f"A{n}", f"{name} {n}", "x") for n in range(20) for name in ("Peña", "López")]
    czech: list[Row] = [(f"A{n}", f"{name} {n}", "x") for n in range(20) for name in ("Dvořák", "Šťastný")]
    polish: list[Row] = [(f"A{n}", f"{name} {n}", "x") for n in range(20) for name in ("Łukasz", "Świętosława")]
    cut = _bytes([("A1", "Peña", "x"), ROWS[1]]).replace("ñ".encode(), b"\xc3")
    return [
        Awkward("Mac Roman", _text(spanish).encode("mac_roman"), spanish),
        Awkward("Windows-1250", _text(polish).encode("cp1250"), polish),
        Awkward("ISO 8859-2", _text(czech).encode("iso8859_2"), czech),
        Awkward("code page 437", _text(spanish).encode("cp437"), spanish),
        Awkward("a letter of UTF-8 cut in two", cut, [ROWS[1]]),
        Awkward("a control character in a text", _bytes([("A1", "A\x92na", "x"), *ROWS[1:]]), ROWS[1:]),
        Awkward("a zero-width blank in a key", _bytes([("A1\u200b", "Ana", "x"), *ROWS[1:]]), ROWS),
        Awkward(
            "letters and accents apart", _bytes([("A1", "Pen\u0303a", "x"), ROWS[1]]), [("A1", "Peña", "x"), ROWS[1]]
        ),
    ]


def _half_dialects() -> list[Awkward]:
    """Dialects that a reader may understand in part."""
    commas: list[Row] = [("A1", "Ana", "a, b"), ("A2", "Bo", "y"), ("A3", "Cy", "c, d")]
    said: list[Row] = [("A1", "Ana", 'said "go"'), *ROWS[1:]]
    return [
        Awkward("apostrophes as quotes", _raw("ident,name,note", "A1,Ana,'a, b'", "A2,Bo,y", "A3,Cy,'c, d'"), commas),
        Awkward(
            "a blank before quotes", _raw("ident, name, note", 'A1, Ana, "a, b"', "A2, Bo, y", 'A3, Cy, "c, d"'), commas
        ),
        Awkward(
            "backslash before quotes", _raw("ident,name,note", r'A1,Ana,"said \"go\""', "A2,Bo,y", "A3,Cy,z"), said
        ),
        Awkward(
            "tabs without quoting",
            _raw("ident\tname\tnote", 'A1\t"Ana\tx', "A2\tBo\ty"),
            [ROWS[1]],
        ),
        Awkward(
            "two commas between cells", _raw("ident,,name,,note", "A1,,Ana,,x", "A2,,Bo,,y", "A3,,Cy,,z"), ROWS, ()
        ),
        Awkward("two pipes between cells", _raw("ident||name||note", "A1||Ana||x", "A2||Bo||y", "A3||Cy||z"), ROWS, ()),
        Awkward("blanks between cells", _raw("ident name note", "A1 Ana x", "A2 Bo y", "A3 Cy z"), ROWS),
    ]


def _values() -> list[Awkward]:
    def case(name: str, rows: list[Row]) -> Awkward:
        return Awkward(name, _bytes(rows), rows)

    late = [*((str(n), "Ana", "1") for n in range(60_000)), ("X1", "Bo", "1.5.2")]
    return [
        case("leading zeros", [("007", "Ana", "00123"), ("012", "Bo", "01"), ("100", "Cy", "02")]),
        case("N/A, NA and null as text", [("A1", "N/A", "null"), ("A2", "NA", "None"), ("A3", "nan", "NULL")]),
        case("digits that exceed a float", [("12345678901234567890123", "Ana", "1"), ("2", "Bo", "9007199254740993")]),
        case("identifiers like exponents", [("1E5", "Ana", "12e3"), ("2E7", "Bo", "7e1"), ("9E9", "Cy", "1e0")]),
        case("blanks around values", [(" A1", "Ana ", " x "), ("A2", " Bo", "y")]),
        case("a code that turns text after 60,000 rows", late),
        case("thousands", [("A1", "1,234", "$5"), ("A2", "12,345", "(7)")]),
        case("true, Yes and T", [("true", "Yes", "T"), ("FALSE", "No", "F")]),
        case("a hash in front", [("#1", "Ana", "x"), ("#2", "Bo", "y")]),
        case("plus and minus in front", [("+5", "-0", "=1+1"), ("+6", "-1", "@x")]),
        case("versions and times", [("1.10", "7:05", "1-2"), ("1.20", "07:06", "3-4")]),
        Awkward(
            "texts of Excel",
            _raw(",".join(HEADER), '="007",Ana,x', '="012",Bo,y'),
            [("007", "Ana", "x"), ("012", "Bo", "y")],
        ),
        case("infinity", [("inf", "Ana", "-inf"), ("1", "Bo", "2")]),
    ]


def _quotes() -> list[Awkward]:
    quoted = [("A1", 'Al "Bo" Roe', "a,b"), ("A2", "two\nlines", '"'), ("A3", "Cy", '""')]
    inches = [("A1", "5'10\" tall", "x"), ("A2", "6'1\" tall", "y")]
    late = [*((f"A{n}", "plain", "text") for n in range(40_000)), ("B1", "Roe, Al", "two\nlines")]
    single = [("A1", "O'Neil", "'"), ("A2", "'x'", "y")]
    slashes = [("A1", "C:\\", "x"), ("A2", "a\\b", "y,z\\")]
    return [
        Awkward("doubled quotes, delimiters and lines inside", _bytes(quoted), quoted),
        Awkward("inches without quotes", _raw("ident,name,note", *(",".join(row) for row in inches)), inches),
        Awkward("the first quotes after 40,000 rows", _bytes(late), late),
        Awkward("backslashes before quotes", _bytes(slashes, quoting=csv.QUOTE_ALL), slashes),
        Awkward("apostrophes", _bytes(single), single),
    ]


def _stray_quotes() -> list[Awkward]:
    head, first, last = "ident,name,note", "A1,Ana,x", "A3,Cy,z"
    outer = [ROWS[0], ROWS[2]]
    inches: list[Row] = [("Roe, Ana", '6" knife', "x"), ("Doe", 'barrel 4"', "y"), ("Poe", "torch", "z")]
    return [
        Awkward(
            "inch marks beside quotes", _raw(head, '"Roe, Ana",6" knife,x', 'Doe,barrel 4",y', "Poe,torch,z"), inches
        ),
        Awkward("a delimiter lost before quotes", _raw(head, first, 'Roe"Bo, Al",y', last), outer),
        Awkward("an inch mark in a quoted text", _raw(head, first, 'A2,"6" tall",y', last), outer),
        Awkward("one stray quote", _raw(head, first, 'A2,"Bo,y', last, "A4,Di,w"), [*outer, ("A4", "Di", "w")]),
        Awkward(
            "a quote of one row closed in another",
            _raw(head, first, 'A2,Bo,"y', 'A3,Cy,z"', "A4,Di,w"),
            [ROWS[0], ("A4", "Di", "w")],
        ),
    ]


def _raw(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _surroundings() -> list[Awkward]:
    head, body = "ident,name,note", ["A1,Ana,x", "A2,Bo,y", "A3,Cy,z"]
    return [
        Awkward("two lines above the header", _raw("Springfield PD", "as of 2026-01-05", head, *body), ROWS),
        Awkward("lines and a blank one above", _raw("Export, monthly", "", head, *body), ROWS),
        Awkward("a total below", _raw(head, *body, "Total rows: 3"), ROWS),
        Awkward("a total with delimiters below", _raw(head, *body, "Total: 3,,"), ROWS),
        Awkward("blank lines between", _raw(head, body[0], "", body[1], body[2], ""), ROWS),
        Awkward("two delimiters too many everywhere", _raw(head + ",,", *(line + ",," for line in body)), ROWS),
        Awkward("two delimiters too many in rows", _raw(head, *(line + ",," for line in body)), ROWS),
        Awkward("two columns of one name", _raw("ident,name,name", *body), ROWS, ()),
    ]


def _tables() -> list[Awkward]:
    """Rows that are none of the table's."""
    head, body = "ident,name,note", ["A1,Ana,x", "A2,Bo,y", "A3,Cy,z"]
    filled: list[Row] = [("A1", "Ana", ""), ("A2", "Bo", ""), ("A3", "Cy", "z")]
    return [
        Awkward("a second table below", _raw(head, *body, "", "plate,car,shift", "P1,C1,S1", "P2,C2,S2"), ROWS),
        Awkward("the header again in upper case", _raw(head, body[0], head.upper(), *body[1:]), ROWS),
        Awkward("the header twice", _raw(head, head, *body), ROWS),
        Awkward("a ruler below the header", _raw(head, "-----,----,----", *body), ROWS),
        Awkward("column numbers below the header", _raw(head, "1,2,3", *body), ROWS),
        Awkward("empty last cells left out", _raw(head, "A1,Ana", "A2,Bo", "A3,Cy,z"), [filled[2]]),
        Awkward("a name too few in the header", _raw("ident,name note", *body), []),
        Awkward(
            "an empty cell too many", _raw("ident,name,note", "A1,Ana,x", "A2,,Bo,", "A3,Cy,z"), [ROWS[0], ROWS[2]]
        ),
    ]


def _damage() -> list[Awkward]:
    head, first, last = "ident,name,note", "A1,Ana,x", "A3,Cy,z"
    many = [f"A{n},Ana,x" for n in range(30_000)]
    good = [tuple(line.split(",")) for line in many]
    outer = [ROWS[0], ROWS[2]]
    return [
        Awkward("a short row", _raw(head, first, "A2,Bo", last), outer),
        Awkward("a long row", _raw(head, first, "A2,Bo,y,w", last), outer),
        Awkward("a comma without quotes in every row", _raw(head, "A1,Doe, Ana,x", "A2,Roe, Bo,y"), []),
        Awkward("a short row after 30,000", _raw(head, *many, "B1,Bo", last), [*good, ROWS[2]]),
        Awkward("a long row after 30,000", _raw(head, *many, "B1,Bo,y,w", last), [*good, ROWS[2]]),
        Awkward("a stray quote after a quoted text", _raw(head, first, 'A2,"Bo"b,y', last), outer),
        Awkward("a quote that never closes", _raw(head, first, 'A2,"Bo,y', last), outer),
        Awkward(
            "a quote that closes rows later",
            _raw(head, first, 'A2,"Bo,y', 'A4,"Di",w', last),
            [ROWS[0], ("A4", "Di", "w"), ROWS[2]],
        ),
        Awkward("a NUL inside a text", b"ident,name,note\nA1,A\0na,x\nA2,Bo,y\n", [ROWS[1]]),
    ]


def _packed() -> list[Awkward]:
    body, sink = _bytes(ROWS), io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.csv", body)
    two = gzip.compress(body[:20], mtime=0) + gzip.compress(body[20:], mtime=0)
    return [
        Awkward("gzip.csv.gz", gzip.compress(body, mtime=0), ROWS),
        Awkward("gzip of two members.csv.gz", two, ROWS),
        Awkward("gzip by the name of csv", gzip.compress(body, mtime=0), ROWS),
        Awkward("gzip cut off.csv.gz", gzip.compress(body * 50, mtime=0)[:-12], []),
        Awkward("zip.csv.zip", sink.getvalue(), ROWS),
    ]
