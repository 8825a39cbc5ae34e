"""Generates workbooks and zip archives for ``benchmarks.mutate``, in part with damaged XML. No engine."""

import io
import random
import struct
import zipfile
from xml.sax.saxutils import escape

HEADER = ("ident", "name", "day", "pay", "visits", "active", "note")
Rng = random.Random
Rows = list[list[str]]


def zip_bytes(members: dict[str, bytes], method: int) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, body in members.items():
            archive.writestr(zipfile.ZipInfo(name), body, method)
    return sink.getvalue()


def xlsx_bytes(rng: Rng, rows: Rows, changes: list[str]) -> bytes:
    """An .xlsx workbook with shared and inline texts, numbers and a date cell."""
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    shared = sorted({cell for row in [list(HEADER), *rows] for cell in row})
    lines = [
        f'<row r="{n}">{"".join(_xlsx_cell(rng, c, n, cell, shared) for c, cell in enumerate(row))}</row>'
        for n, row in enumerate([list(HEADER), *rows], start=1)
    ]
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{office}"><sheets><sheet name="S" sheetId="1" r:id="r1"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        f'relationships"><Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{office}/sharedStrings" Target="sharedStrings.xml"/>'
        f'<Relationship Id="r3" Type="{office}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet {main}><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
        "xl/sharedStrings.xml": f"<sst {main}>"
        + "".join(f'<si><t xml:space="preserve">{escape(t)}</t></si>' for t in shared)
        + "</sst>",
        "xl/worksheets/sheet1.xml": f'<worksheet {main}><dimension ref="A1:G{len(lines)}"/><sheetData>'
        + "".join(lines)
        + "</sheetData></worksheet>",
    }
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        name = rng.choice([*parts, *["xl/worksheets/sheet1.xml"] * 4])
        parts[name] = _edit_xml(rng, parts[name])
        changes.append(f"edit:{name.rpartition('/')[2]}")
    return zip_bytes({name: text.encode("utf-8", "replace") for name, text in parts.items()}, zipfile.ZIP_DEFLATED)


def _xlsx_cell(rng: Rng, column: int, line: int, cell: str, shared: list[str]) -> str:
    reference = f"{'ABCDEFG'[column]}{line}"
    if line > 1 and column == 2 and cell == "2026-01-05":
        return f'<c r="{reference}" s="1"><v>46027</v></c>'
    if line > 1 and column == 4:
        return f'<c r="{reference}"><v>{cell}</v></c>'
    if rng.random() < 0.3:
        return f'<c r="{reference}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
    return f'<c r="{reference}" t="s"><v>{shared.index(cell)}</v></c>' if cell else ""


_XML_SWAPS = (
    ('r="B2"', 'r="XFD1048576"'),
    ('r="A2"', "r='XFD1048576'"),
    ('r="B2"', 'r="xfd1048576"'),
    ('r="B2"', 'r = "XFD1048576"'),
    ('r="C2"', 'r="C9999999"'),
    ('r="C2"', 'r="XFD3000"'),
    ('<row r="2"', '<row r="1048576"'),
    ('<row r="2"', '<row r="4294967296"'),
    ('r="A2"', ""),
    ('r="A2"', 'r="A0"'),
    ('r="A2"', 'r="ZZZZ9"'),
    ("<dimension ref=", '<dimension ref="A1:XFD1048576" old='),
    ('t="s"', 't="n"'),
    ('t="s"', 't="d"'),
    ('t="s"', 't="e"'),
    ('t="s"', 't="b"'),
    ("<v>1</v>", "<v>99999999</v>"),
    ("<v>46027</v>", "<v>1e308</v>"),
    ("<v>46027</v>", "<v>-1</v>"),
    ("<v>46027</v>", "<v>nan</v>"),
    ("</c>", ""),
    ("<sheetData>", '<sheetData><row r="3"/><row r="2"/>'),
    ("worksheets/sheet1", "worksheets/nowhere"),
    ("<si>", ""),
    ('numFmtId="14"', 'numFmtId="9999"'),
    ('name="S"', 'name=""'),
    ("&quot;", "&nothing;"),
    ("</t>", "\x00</t>"),
)


def _edit_xml(rng: Rng, text: str) -> str:
    fits = [swap for swap in _XML_SWAPS if swap[0] in text]
    if fits and rng.random() < 0.7:
        old, new = rng.choice(fits)
        return text.replace(old, new, rng.choice((1, -1)))
    offset = rng.randrange(len(text) + 1)
    return text[:offset] + rng.choice(("", "<", ">", "&", '"', "</row>", "]]>")) + text[offset + rng.randrange(20) :]


def xls_bytes(rows: Rows) -> bytes:
    """The smallest BIFF8 workbook in a compound file: one stream of records, with texts as LABEL records."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    cells = b""
    for line, row in enumerate([list(HEADER), *rows]):
        for column, cell in enumerate(row):
            text = cell.encode("utf-16-le")
            cells += record(0x204, struct.pack("<HHHHB", line, column, 0, len(text) // 2, 1) + text) if cell else b""
    bof = struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0)
    offset = len(record(0x809, bof)) + 4 + 9 + 4
    head = record(0x809, bof) + record(0x85, struct.pack("<IBBBBc", offset, 0, 0, 1, 0, b"S")) + record(0x0A, b"")
    stream = head + record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0)) + cells + record(0x0A, b"")
    stream = stream.ljust(max(4096, -(-len(stream) // 512) * 512), b"\0")
    sectors = len(stream) // 512
    tables = -(-(sectors + 2) // 127)
    used = [*[0xFFFFFFFD] * tables, 0xFFFFFFFE, *range(tables + 2, tables + 1 + sectors), 0xFFFFFFFE]
    fat = struct.pack(f"<{len(used)}I", *used).ljust(tables * 512, b"\xff")
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, tables, tables, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack(f"<{tables}I", *range(tables)).ljust(436, b"\xff")
    entries = b"".join(
        name.encode("utf-16-le").ljust(64, b"\0")
        + struct.pack("<HBBIII36xIQ", len(name) * 2 + 2, kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child, start, size)
        for name, kind, child, start, size in (
            ("Root Entry", 5, 1, 0xFFFFFFFE, 0),
            ("Workbook", 2, 0xFFFFFFFF, tables + 1, len(stream)),
        )
    )
    return header + fat + entries.ljust(512, b"\0") + stream
