"""The first bytes of a file that is not a table → the name of its format, for the sender. No files."""

import re

_SIGNATURES = {
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"II*\0": "a picture",
    b"MM\0*": "a picture",
    b"{\\rtf": "an RTF text",
    b"PAR1": "Parquet",
    b"SQLite format 3\0": "an SQLite database",
    b"\0\1\0\0Standard Jet DB": "an Access database",
    b"\0\1\0\0Standard ACE DB": "an Access database",
    b"\x7fELF": "a program",
    b"MZ\x90\0": "a program",
}
_ARCHIVES = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\0": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
}
_MARKUP = (
    (re.compile(rb"<(?:!doctype html|html|head|body|table|meta|div)\b", re.IGNORECASE), "a web page (HTML)"),
    (
        re.compile(rb"<\?xml[^>]*>\s*(?:<\?mso-application[^>]*>\s*)?<(?:\w+:)?Workbook\b"),
        "an XML workbook of Excel 2003, which Excel can save as .xlsx",
    ),
    (re.compile(rb"<\?xml\b|<!--|<[a-z]+:?[a-z]*\s+xmlns", re.IGNORECASE), "an XML document"),
    (re.compile(rb'\[\s*(?:[\[{]|"[^"\]]*"\s*[,\]])|\{\s*(?:"|\}\s*$)'), "JSON"),
)
_SPREADSHEETS = (
    (re.compile(rb"ID;P[^\r\n]*\r?\n(?:[A-Z]{1,2};|E\r?\n)"), "a SYLK spreadsheet (.slk)"),
    (re.compile(rb'TABLE\r?\n0,1\r?\n"'), "a DIF spreadsheet (.dif)"),
    (re.compile(rb"\0\0[\x02\x1a]\0(?:[\x04-\x06]\x04|[\0-\x05]\x10)"), "a Lotus 1-2-3 spreadsheet"),
)
_OFFICE = {"word/document.xml": "a Word document", "ppt/presentation.xml": "a PowerPoint file"}
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument"
_OLE = (
    ("EncryptedPackage", "encrypted"),
    ("WordDocument", "a Word document"),
    ("PowerPoint Document", "a PowerPoint file"),
    ("__properties_version1.0", "an Outlook message"),
)


def other_format(sample: bytes) -> str | None:
    """The name of a format that the reader does not support; None where the bytes may be text."""
    for signature, format_ in (*_SIGNATURES.items(), *_ARCHIVES.items()):
        if sample.startswith(signature):
            return format_
    if sample[257:262] == b"ustar":
        return "a tar archive"
    text = sample.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((format_ for pattern, format_ in (*_MARKUP, *_SPREADSHEETS) if pattern.match(text)), None)


def office_format(members: set[str], mimetype: bytes) -> str | None:
    """The name of a zip's document format, from the names of its members; None for other zips."""
    if mimetype.startswith(_OPEN_DOCUMENT):
        return "an OpenDocument file"
    if "xl/workbook.bin" in members:
        return "a binary workbook (.xlsb)"
    found = next((format_ for name, format_ in _OFFICE.items() if name in members), None)
    return found or ("an Office document" if "[Content_Types].xml" in members else None)


def ole_format(content: bytes) -> str | None:
    """The format of an OLE file that is not a workbook; ``encrypted`` for a workbook with a password."""
    return next((format_ for name, format_ in _OLE if name.encode("utf-16-le") in content), None)
