"""First bytes of packed files, and the parts of a zip or an OLE file that name its format. No files."""

GZIP = b"\x1f\x8b"
ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OFFICE = {"word/document.xml": "a Word document", "ppt/presentation.xml": "a PowerPoint file"}
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument"
_OLE = (
    ("EncryptedPackage", "encrypted"),
    ("WordDocument", "a Word document"),
    ("PowerPoint Document", "a PowerPoint file"),
    ("__properties_version1.0", "an Outlook message"),
)


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
