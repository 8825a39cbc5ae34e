"""Writes .xlsx files part by part, in any spelling that XML and the Open Packaging Conventions allow. No tests."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
SHEET = "xl/worksheets/sheet1.xml"


def text_cell(text: str) -> str:
    return f't="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is>'


def number_cell(value: object, style: int = 0) -> str:
    return f's="{style}"><v>{value}</v>'


def rows_xml(rows: Sequence[Sequence[str | None]]) -> str:
    """Rows of texts, or of cells without their beginning ``<c r="A1" ``."""
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = [
            f'<c r="{chr(65 + place)}{number}" {cell if ">" in cell else text_cell(cell)}</c>'
            for place, cell in enumerate(row)
            if cell is not None
        ]
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    return "".join(lines)


@dataclass
class Xlsx:
    """A workbook of one sheet.

    Attributes:
        data: the content of ``sheetData``; ``before`` and ``after`` are around it.
        formats: codes of number formats; style 0 is the default one.
        names: other names of parts, by the usual ones.
        targets: other texts for the targets of relationships, by the usual ones.
        changed: whole parts in place of those that are written.
    """

    data: str
    before: str = ""
    after: str = ""
    formats: Sequence[str] = ()
    shared: Sequence[str] = ()
    book: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, str | bytes] = field(default_factory=dict)
    namespace: str = MAIN

    def parts(self) -> dict[str, str | bytes]:
        fonts = '<fonts count="1"><font/></fonts>'
        codes = "".join(f'<numFmt numFmtId="{n}" formatCode={quoteattr(c)}/>' for n, c in enumerate(self.formats, 164))
        styles = '<xf numFmtId="0"/>' + "".join(f'<xf numFmtId="{n}"/>' for n, _ in enumerate(self.formats, 164))
        texts = "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in self.shared)
        return {
            "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
            "_rels/.rels": self._relations(("r1", "officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": f'<workbook xmlns="{self.namespace}" xmlns:r="{OFFICE}">{self.book}'
            '<sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": self._relations(
                ("r1", "worksheet", "worksheets/sheet1.xml"),
                ("r2", "styles", "styles.xml"),
                ("r3", "sharedStrings", "sharedStrings.xml"),
            ),
            "xl/styles.xml": f'<styleSheet xmlns="{self.namespace}"><numFmts>{codes}</numFmts>{fonts}'
            f"<cellXfs>{styles}</cellXfs></styleSheet>",
            "xl/sharedStrings.xml": f'<sst xmlns="{self.namespace}">{texts}</sst>',
            SHEET: f'<worksheet xmlns="{self.namespace}">{self.before}<sheetData>{self.data}</sheetData>{self.after}'
            "</worksheet>",
        } | dict(self.changed)

    def _relations(self, *entries: tuple[str, str, str]) -> str:
        listed = "".join(
            f'<Relationship Id="{id_}" Type="{OFFICE}/{kind}" Target={quoteattr(self.targets.get(target, target))}/>'
            for id_, kind, target in entries
        )
        return f'<Relationships xmlns="{PACKAGE}">{listed}</Relationships>'

    def content(self) -> bytes:
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in self.parts().items():
                archive.writestr(self.names.get(name, name), body)
        return sink.getvalue()
