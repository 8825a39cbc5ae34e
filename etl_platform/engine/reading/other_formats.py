"""The first bytes of a file that is not a table → a refusal with the format's name and what to do. No files.

Only bytes that no table begins with count: a first cell such as ``<none>`` or ``From: Records`` is text.
"""

import codecs
import re

from etl_platform.engine.errors import UnreadableFileError

_EXPORT = "export the table as CSV or .xlsx from the system that holds it"
_SAVE = "open it in Excel and save it as .xlsx"
_UNPACK = "unpack it and send the file, or pack it as .zip or .gz"
_FLAGS = re.DOTALL | re.IGNORECASE

_BINARY = (
    (rb"%PDF", "a PDF", _EXPORT),
    (rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|II\*\0|MM\0\*", "a picture", _EXPORT),
    (rb"\{\\rtf", "an RTF text", _EXPORT),
    (rb"PAR1[\0-\x08\x0e-\x1f\x80-\xff]", "Parquet", _EXPORT),
    (rb"SQLite format 3\0", "an SQLite database", _EXPORT),
    (rb"\x00\x01\x00\x00Standard (?:Jet|ACE) DB", "an Access database", _EXPORT),
    (rb"\x7fELF|MZ\x90\0", "a program", _EXPORT),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (rb"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", "a bzip2 archive", _UNPACK),
    (rb"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (rb"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (rb".{257}ustar|.{100}[0-7]{6,7}\0", "a tar archive", _UNPACK),
    (rb"\0\0[\x02\x1a]\0(?:[\x04-\x06]\x04|[\0-\x05]\x10)", "a Lotus 1-2-3 spreadsheet", _SAVE),
    (rb"ORC[^,;|\t ].{0,9}[\0-\x08]", "ORC", _EXPORT),
    (rb"Obj\x01", "Avro", _EXPORT),
    (rb"ARROW1\0\0|FEA1[\0-\x08]", "Arrow or Feather", _EXPORT),
    (rb"\x89HDF\r\n\x1a\n", "HDF5", _EXPORT),
    (rb"\$FL[23]@\(#\)", "an SPSS file", _EXPORT),
    (rb"<stata_dta>|[\x71-\x73][\x01\x02]\x01\0", "a Stata file", _EXPORT),
    (rb"\0{12}\xc2\xea\x81\x60|HEADER RECORD\*{7}LIB", "a SAS file", _EXPORT),
    (rb"RD[AX][23]\n", "an R data file", _EXPORT),
    (rb"[\x02\x03\x30-\x32\x43\x83\x8b\xf5].[\x01-\x0c][\x01-\x1f].{8}\0\0", "a dBase file (.dbf)", _SAVE),
    (rb"%!PS-Adobe|%!PS\r?\n|\xc5\xd0\xd3\xc6", "PostScript", _EXPORT),
    (rb"BM.{4}\0{4}|RIFF.{4}WEBP|.{4}ftyp(?:heic|heix|mif1|avif)|\0\0\x01\0[\x01-\x20]\0", "a picture", _EXPORT),
    (rb"\0.{3}ftyp|RIFF.{4}(?:AVI |WAVE)|ID3[\x02-\x04]|OggS\0", "a video or a sound", _EXPORT),
    (rb"L\0\0\0\x01\x14\x02\0|\[InternetShortcut\]|bplist00", "a shortcut to another file", "send that file"),
    (rb"MSCF\0{4}|\x04\x22\x4d\x18|\x1f\x9d|LZIP\x01|!<arch>\n|xar!\0|SZDD", "an archive of another kind", _UNPACK),
)
_ENCRYPTED = (
    rb"-----BEGIN PGP MESSAGE-----|age-encryption\.org/v1|Salted__|-----BEGIN (?:PKCS7|ENCRYPTED)"
    # Packets with a session key: RFC 9580, sections 5.1 and 5.3.
    rb"|\x84.\x03.{8}[\x01-\x1b]|\x85..\x03.{8}[\x01-\x1b]|\xc1.{1,2}\x03.{8}[\x01-\x1b]"
    rb"|[\x8c\xc3].[\x04\x05][\x01-\x0d]"
)
_TEXTS = (
    (rb"ID;P[^\r\n]*\r?\n(?:[A-Z]{1,2};|E\r?\n)", "a SYLK spreadsheet (.slk)", _SAVE),
    (rb'TABLE\r?\n0,1\r?\n"', "a DIF spreadsheet (.dif)", _SAVE),
    (rb'\[\s*(?:[\[{]|"[^"\]]*"\s*[,\]])|\{\s*(?:"|\}\s*$)', "JSON", _EXPORT),
    (
        rb"version https://git-lfs\.github\.com/spec/",
        "a pointer of git-lfs and not the file itself",
        "fetch the file with `git lfs pull` and send it",
    ),
    (
        rb"-----BEGIN PGP SIGNED MESSAGE-----",
        "a text within a PGP signature",
        "send the text alone, with the signature as a file of its own",
    ),
    (rb"-----BEGIN [A-Z0-9 ]+-----", "a key, a certificate or a signature", _EXPORT),
    (rb"BEGIN:V(?:CARD|CALENDAR)\b", "contacts or a calendar", _EXPORT),
    (
        rb"(?:\s|--[^\n]*\n|/\*.*?\*/;?|\\[a-z]+[^\n]*\n)*(?:(?:CREATE|DROP|ALTER)\s+(?:OR\s+REPLACE\s+)?(?:\w+\s+)?"
        rb"(?:TABLE|DATABASE|SCHEMA|VIEW|INDEX|FUNCTION|EXTENSION|TYPE|TRIGGER|PROCEDURE|ROLE)\s|INSERT\s+INTO\s"
        rb"|SET\s+\w+\s*=[^;\n]*;|SELECT\s[^;]{1,2000};|COPY\s+\S+\s*\([^)]*\)\s+FROM\s+stdin|BEGIN(?:\s+\w+)?;)",
        "an SQL script",
        _EXPORT,
    ),
)
_MAIL_HEADER = (
    rb"(?:received|return-path|delivered-to|mime-version|message-id|from|to|date|subject|x-[\w-]+|content-[\w-]+)"
    rb":[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*"
)
_MAIL = re.compile(rb"(?:From [^\r\n]*\r?\n)?(?:" + _MAIL_HEADER + rb")+", _FLAGS)
_MIME = re.compile(rb"^(?:mime-version|message-id|received):", _FLAGS | re.MULTILINE)
_BLANK = re.compile(rb"(?:\xef\xbb\xbf|\xc2\xa0|[\s\0])*")
_COMMENT = re.compile(rb"<!--.*?-->|<!\[[^>]*>", _FLAGS)
_DECLARATION = re.compile(rb"<\?[^>]*>|<!doctype[^>\[]*>", _FLAGS)
_HTML_DOCTYPE = re.compile(rb"<!doctype\s+html", _FLAGS)
_HTML = re.compile(
    rb"<(?:html|head|body|table|thead|tbody|tr|td|th|meta|div|style|script|noscript|link|base|title|center|font|form"
    rb"|h[1-6]|hr|br|span|pre|img|input|iframe|frameset|ul|ol|li|strong|em|p|b|i|a)(?:\s[^<>]*)?/?>(?! *[,;|\t])",
    _FLAGS,
)
_EXCEL_XML = re.compile(rb"(?:\w+:)?Workbook\b", _FLAGS)
_FLAT_OPEN_DOCUMENT = re.compile(rb"<office:document\b", _FLAGS)
_XML = re.compile(
    rb"<\?[a-z]|<!doctype\b|<[a-z_][\w.:-]*(?:\s[^<>]*)?>\s*<|<[a-z_][\w.:-]*\s+[\w.:-]+\s*=\s*[\"']", _FLAGS
)
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", _FLAGS)
_MOST_OF_A_TITLE = 60
_PATTERNS = [(re.compile(pattern, re.DOTALL), name, advice) for pattern, name, advice in _BINARY]
_PATTERNS += [(re.compile(pattern, _FLAGS), name, advice) for pattern, name, advice in _TEXTS]


def refuse_other_format(sample: bytes) -> None:
    """Return if the first bytes of a file may be text of a table.

    Raises:
        UnreadableFileError: ``not_tabular``, ``encrypted``, or ``empty_file`` for NUL bytes alone.
    """
    if sample and not sample.strip(b"\0"):
        message = "the file has only NUL bytes, as a transfer that broke off leaves them; send it again"
        raise UnreadableFileError("empty_file", message)
    if re.match(_ENCRYPTED, sample, re.DOTALL):
        message = "the file is encrypted; send it without encryption, or ask the data team how to protect it"
        raise UnreadableFileError("encrypted", message)
    text = _without_blank(_as_utf8(sample))
    for pattern, name, advice in _PATTERNS:
        if pattern.match(sample) or pattern.match(text):
            raise not_tabular(name, advice)
    _refuse_mail(text)
    _refuse_markup(text)


def _as_utf8(sample: bytes) -> bytes:
    """UTF-16 and UTF-32 as UTF-8, so that their markup is recognised; everything else as it is."""
    encoding = None
    if sample.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        encoding = "utf-32"
    elif sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif sample[1:2] == sample[3:4] == b"\0" != sample[:1]:
        encoding = "utf-16-le"
    return sample.decode(encoding, "ignore").encode("utf-8", "ignore") if encoding else sample


def _without_blank(text: bytes) -> bytes:
    blank = _BLANK.match(text)
    return text[blank.end() :] if blank else text


def _refuse_mail(text: bytes) -> None:
    headers = _MAIL.match(text)
    if headers and _MIME.search(headers.group()):
        if b"multipart/related" in headers.group().lower():
            raise not_tabular("a web archive (MHT), as some systems write it under the name .xls", _SAVE)
        raise not_tabular("an email", "send the attached file itself")


def _refuse_markup(text: bytes) -> None:
    """Refuse HTML and XML. A comment alone may be a line above the header of a table."""
    head = _without(text, _COMMENT)
    body = _without(head, _DECLARATION, _COMMENT)
    if _HTML_DOCTYPE.match(head) or _HTML.match(body):
        if b"<table" in body.lower():
            raise not_tabular("a web page (HTML), which some systems name .xls", _SAVE)
        raise not_tabular(f"a web page (HTML){_titled(body)}, perhaps of a login or an error", _EXPORT)
    if head.startswith(b"<?xml") and _EXCEL_XML.match(body[1:]):
        raise not_tabular("an XML workbook of Excel 2003", _SAVE)
    if _FLAT_OPEN_DOCUMENT.match(body):
        raise not_tabular("an OpenDocument file in one XML text (.fods)", _SAVE)
    if _XML.match(head) or head.startswith(b"<!--"):
        raise not_tabular("an XML document", _EXPORT)


def _without(text: bytes, *patterns: re.Pattern[bytes]) -> bytes:
    """The text without what the patterns match at its start."""
    while found := next((found for pattern in patterns if (found := pattern.match(text))), None):
        text = _without_blank(text[found.end() :])
    return text


def _titled(page: bytes) -> str:
    title = _TITLE.search(page)
    text = " ".join(title.group(1).decode("utf-8", "replace").split()) if title else ""
    return f" with the title {text[:_MOST_OF_A_TITLE]!r}" if text else ""


def not_tabular(name: str, advice: str = "send .xlsx or CSV") -> UnreadableFileError:
    """The rejection of a file of another format; ``name`` has its article."""
    return UnreadableFileError("not_tabular", f"the file is {name}, not a table; {advice}")
