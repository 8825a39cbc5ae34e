"""Files that are no table: each is refused with its name and what to do. Tables that look like one are read."""

import gzip
import struct
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.check import check_file, profile_file
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.open_table import open_table
from etl_platform.engine.reading.other_formats import refuse_other_format
from etl_platform_tests.unit.engine.reading.packed.packed_files import workbook, zipped
from etl_platform_tests.unit.making import cells_of, contract_of, custom, read_back, text

CONTRACT = contract_of([text("ident"), text("label")], customs=custom(filePatterns=["things*"]))
BODY = b"ident,label\n1,a\n2,b\n"
PAGE = b"<body><p>Please sign in</p></body></html>"
MHT = b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n--x\r\nContent-Location: a.htm\r\n"
MAIL = b"Received: from a.example\r\n by b.example\r\nFrom: A <a@example.org>\r\nSubject: list\r\n\r\nsee below\r\n"
DBASE = b"\x03\x7e\x01\x1f" + struct.pack("<IHH", 2, 65, 20) + bytes(20) + b"IDENT" + bytes(80)

HTML = {
    "a doctype": b"<!DOCTYPE html>\n<html>" + PAGE,
    "a style": b"<style>\ntd {mso-number-format:General}\n</style>\n<table><tr><td>ident</td></tr></table>",
    "a comment": b"<!-- exported at noon -->\n\n<html>" + PAGE,
    "several comments": b"<!-- a, b -->\n<!-- c -->\n<div>x</div>",
    "conditional comments": b"<!--[if gte mso 9]><xml></xml><![endif]-->\n<table border=1><tr><td>a</td></tr></table>",
    "an old doctype": b'<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">'
    + PAGE,
    "a declaration of XML": b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n<html xmlns="x">' + PAGE,
    "a byte order mark": b"\xef\xbb\xbf\r\n\r\n <TABLE><TR><TD>ident</TD></TR></TABLE>",
    "blank lines": b"\n\n   \n<html>" + PAGE,
    "a script": b"<script>location='/login'</script>",
    "a warning of PHP": b"<br />\n<b>Warning</b>:  mysql_connect(): refused in <b>/x.php</b><br />\nident,label\n",
    "a fragment": b"<tr><td>1</td><td>a</td></tr>",
    "upper case": b"<HTML><HEAD><TITLE>502 Bad Gateway</TITLE></HEAD>",
    "UTF-16": b"\xff\xfe" + "<html><body>Sign in</body></html>".encode("utf-16-le"),
    "UTF-16 without a mark": "<html><body>Sign in</body></html>".encode("utf-16-le"),
}
FORMATS = {
    "MHT": (MHT, "web archive (MHT)", "save it as .xlsx"),
    "MHT of a browser": (b"From: <Saved by Blink>\r\nSubject: x\r\n" + MHT, "web archive (MHT)", "save it as .xlsx"),
    "an email": (MAIL, "an email", "send the attached file"),
    "an email in mbox": (b"From a@example.org Mon Jan  5\n" + MAIL, "an email", "send the attached file"),
    "XML": (b'<?xml version="1.0"?>\n<rows><ident>1</ident></rows>', "an XML document", "export the table"),
    "XML without declaration": (b"<rows>\n <row><ident>1</ident></row></rows>", "an XML document", "export"),
    "XML after a comment": (b'<!-- a -->\n<?xml version="1.0"?><rows/>', "an XML document", "export"),
    "XML of Excel": (b'<?xml version="1.0"?>\n<ss:Workbook xmlns:ss="x"/>', "Excel 2003", "save it as .xlsx"),
    "flat OpenDocument": (
        b'<?xml version="1.0"?>\n\n<office:document xmlns:office="x" office:mimetype="y">',
        "an OpenDocument file",
        "save it as .xlsx",
    ),
    "XML with attributes": (b"<doc name='x'>\n text\n</doc>\n", "an XML document", "export"),
    "an instruction of XML": (b"<?pi data?>\n<doc>text</doc>\n", "an XML document", "export"),
    "JSON lines": (b'{"ident": 1}\n{"ident": 2}\n', "JSON", "export the table"),
    "JSON after blank lines": (b'\xef\xbb\xbf\n\n[\n {"ident": 1}]', "JSON", "export the table"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\n", "a PDF", "export the table"),
    "PDF after a line end": (b"\r\n%PDF-1.4\n", "a PDF", "export the table"),
    "PostScript": (b"%!PS-Adobe-3.0\n", "PostScript", "export"),
    "RTF": (b"{\\rtf1\\ansi ident}", "an RTF text", "export"),
    "JPEG": (b"\xff\xd8\xff\xe0\0\x10JFIF", "a picture", "export"),
    "GIF": (b"GIF89a\x01\0\x01\0", "a picture", "export"),
    "BMP": (b"BM\x46\0\0\0\0\0\0\0\x36\0", "a picture", "export"),
    "WebP": (b"RIFF\x24\0\0\0WEBPVP8 ", "a picture", "export"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0", "a picture", "export"),
    "video": (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video or a sound", "export"),
    "Parquet": (b"PAR1\x15\0\x15", "Parquet", "export"),
    "Avro": (b"Obj\x01\x04\x14avro.codec", "Avro", "export"),
    "ORC": (b"ORC\x11\0\0\x0a", "ORC", "export"),
    "Arrow": (b"ARROW1\0\0\xff\xff\xff\xff", "Arrow", "export"),
    "SQLite": (b"SQLite format 3\0" + bytes(90), "SQLite", "export"),
    "Access": (b"\0\x01\0\0Standard Jet DB\0\x01", "an Access database", "export"),
    "Access 2010": (b"\0\x01\0\0Standard ACE DB\0\x02", "an Access database", "export"),
    "dBase": (DBASE, "a dBase file (.dbf)", "save it as .xlsx"),
    "SPSS": (b"$FL2@(#) SPSS DATA FILE", "an SPSS file", "export"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive", "unpack it"),
    "RAR": (b"Rar!\x1a\x07\x01\0", "a RAR archive", "unpack it"),
    "bzip2": (b"BZh91AY&SY\x01\x02", "a bzip2 archive", "unpack it"),
    "xz": (b"\xfd7zXZ\0\0\x04", "an xz archive", "unpack it"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x58", "a Zstandard archive", "unpack it"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git-lfs", "git lfs pull"),
    "a shortcut": (b"[InternetShortcut]\r\nURL=https://example.org/x.csv\r\n", "a shortcut", "send that file"),
    "a shortcut of Windows": (b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F", "a shortcut", "send that file"),
    "a dump": (b"-- Dump\n\nSET x = 1;\nCREATE TABLE things (ident int);\n", "an SQL script", "export"),
    "a view": (b"/*\n * Views\n */\n\nCREATE OR REPLACE VIEW v AS SELECT 1;\n", "an SQL script", "export"),
    "a query": (b"-- list\nSELECT ident,\n label FROM things;\n", "an SQL script", "export"),
    "ORC of another length": (b"ORC%\0\0\n\x07\x12\x05", "ORC", "export"),
    "an old tar": (b"x.csv".ljust(100, b"\0") + b"0000644\0" + bytes(400), "a tar archive", "unpack it"),
    "inserts": (b"INSERT INTO things VALUES (1, 'a');\n", "an SQL script", "export"),
    "a certificate": (b"-----BEGIN CERTIFICATE-----\nMIIB\n", "a certificate", "export"),
    "a signed text": (b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nident\n", "a PGP signature", "alone"),
}
ENCRYPTED = {
    "armoured": b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n",
    "for a key": b"\x85\x01\x0c\x03" + bytes(range(1, 9)) + b"\x01\x08\x00abc",
    "new packets": b"\xc1\xc0\x4c\x03" + bytes(range(1, 9)) + b"\x12abc",
    "by a passphrase": b"\x8c\x0d\x04\x09\x03\x02abcdefgh",
    "age": b"age-encryption.org/v1\n-> X25519 abc\n",
    "openssl": b"Salted__abcdefgh\x01\x02",
}
TABLES = {
    "a header in angle brackets": b"<ident>,<label>\n1,a\n",
    "a name of a tag": b"<b>,<p>\n1,a\n2,b\n",
    "a comment above the header": b"<!-- exported at noon -->\nident,label\n1,a\n",
    "a letterhead": b"From: Records Unit\nDate: 2026-01-05\nSubject: things\n\nident,label\n1,a\n2,b\n",
    "PAR1": b"PAR1,label\n1,a\n",
    "ORC": b"ORC,label\n1,a\n",
    "BMW": b"BMW,label\n1,a\n",
    "create": b"created,label\n1,a\n",
    "insert": b"insert_date,label\n1,a\n",
    "an object": b"Obj,label\n1,a\n",
    "a selection": b"select,label\n1,a\n",
    "a set": b"Set number,label\n1,a\n",
    "a long first cell": b"ident".ljust(100) + b"0000644,label\n1,a\n",
    "dashes": b"--- list ---\nident,label\n1,a\n2,b\n",
    "a bracket": b"[ident],label\n1,a\n",
    "id": b"ID,label\n1,a\n",
    "an accent": "…été,label\n1,a\n".encode("cp1252"),
}


def refusal(path: Path, content: bytes) -> UnreadableFileError:
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError) as caught:
        open_table(path, CONTRACT)
    return caught.value


@pytest.mark.parametrize("content", HTML.values(), ids=HTML)
def test_a_web_page_is_recognised_whatever_it_begins_with(path: Path, content: bytes) -> None:
    error = refusal(path, content)
    assert (error.code, "a web page (HTML)" in error.message) == ("not_tabular", True)
    assert ("open it in Excel" if b"<table" in content.lower() else "export the table") in error.message


def test_the_title_of_a_web_page_is_named(path: Path) -> None:
    error = refusal(path, b"<html><head>\n<title>\n Sign in </title></head>" + PAGE)
    assert "with the title 'Sign in', perhaps of a login or an error" in error.message


@pytest.mark.parametrize(("content", "name", "advice"), FORMATS.values(), ids=FORMATS)
def test_another_format_is_named_with_what_to_do(path: Path, content: bytes, name: str, advice: str) -> None:
    error = refusal(path, content)
    assert (error.code, name in error.message, advice in error.message) == ("not_tabular", True, True), error.message
    packed = refusal(path, gzip.compress(content))
    assert (packed.code, packed.message) == (error.code, error.message)


@pytest.mark.parametrize("content", ENCRYPTED.values(), ids=ENCRYPTED)
def test_an_encrypted_file_is_refused(path: Path, content: bytes) -> None:
    assert refusal(path, content).code == "encrypted"


@pytest.mark.parametrize("content", TABLES.values(), ids=TABLES)
def test_a_table_that_begins_like_another_format_is_read(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refuse_other_format(content)
    result = profile_file(path)
    assert (result.errors, bool(result.rows)) == ((), True)


@given(st.lists(st.text(st.characters(codec="cp1252", exclude_characters="<{[%\0\x1a"), max_size=8), min_size=1))
def test_no_plain_text_is_taken_for_another_format(cells: list[str]) -> None:
    line = "ident," + ",".join(cells)
    for content in (line.encode("utf-8"), line.encode("cp1252"), b"\xff\xfe" + line.encode("utf-16-le")):
        refuse_other_format(content)


@pytest.mark.parametrize("content", [b"\0" * 4096, b" \n\t\n", b"\xef\xbb\xbf\r\n", b"\x1a", b",,\n,,\n"])
def test_a_file_of_blanks_or_nulls_is_empty(path: Path, content: bytes) -> None:
    assert refusal(path, content).code == "empty_file"


@pytest.mark.parametrize(
    ("method", "name"),
    [(9, "Deflate64"), (93, "Zstandard"), (95, "xz"), (98, "PPMd"), (6, "Implode"), (77, "the method 77")],
)
def test_a_zip_of_a_method_that_cannot_be_read_names_it(path: Path, method: int, name: str) -> None:
    error = refusal(path, with_method(zipped({"things.csv": BODY}), method))
    assert error.code == "zip_method"
    assert f"packed with {name}, which cannot be read; pack it with the method Deflate" in error.message


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_of_every_other_method_is_read(path: Path, method: int) -> None:
    path.write_bytes(zipped({"things.csv": BODY}, method))
    assert cells_of(read_back(path, CONTRACT)[1]) == [("1", "a"), ("2", "b")]


def test_the_method_of_a_file_that_is_not_read_does_not_matter(path: Path) -> None:
    content = zipped({"things.csv": BODY, "other.pdf": b"%PDF"})
    second = content.rindex(b"PK\x01\x02")
    path.write_bytes(content[: second + 10] + struct.pack("<H", 9) + content[second + 12 :])
    assert read_back(path, CONTRACT)[0].describe().ignored_members == ("other.pdf",)


def with_method(content: bytes, method: int) -> bytes:
    """A zip of one file whose headers name another method."""
    central = content.rindex(b"PK\x01\x02")
    parts = content[:8], content[10 : central + 10], content[central + 12 :]
    return struct.pack("<H", method).join(parts)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_an_archive_or_a_workbook_that_was_cut_off_is_reported_as_such(path: Path, share: float) -> None:
    book = workbook({"S": [["ident", "label"], *([str(n), "x" * 30] for n in range(500))]})
    archive = zipped({"things.csv": BODY * 500}, zipfile.ZIP_STORED)
    for content, code, what in (
        (archive, "archive_damaged", "archive"),
        (book, "workbook_damaged", "workbook"),
        (gzip.compress(book), "archive_damaged", "file"),
    ):
        error = refusal(path, content[: int(len(content) * share)])
        assert (error.code, "cut off" in error.message) == (code, True)
        assert what in error.message
        assert "send it again" in error.message


def test_a_workbook_that_was_cut_off_before_it_was_packed_is_reported_as_such(path: Path) -> None:
    book = workbook({"S": [["ident", "label"], ["1", "a"]]})
    for content in (gzip.compress(book[:-40]), zipped({"things.xlsx": book[:-40]})):
        error = refusal(path, content)
        assert (error.code, "the workbook was cut off" in error.message) == ("workbook_damaged", True)


def test_a_part_of_a_split_archive_is_reported_as_such(path: Path) -> None:
    error = refusal(path, b"PK\x07\x08" + zipped({"things.csv": BODY})[:60])
    assert (error.code, "one part of a split archive" in error.message) == ("archive_damaged", True)


@pytest.mark.parametrize(
    "members",
    [
        {"2026\\Things_May.csv": BODY, "2026\\readme.txt": b"hi"},
        {"2026\\": b"", "2026\\things.csv": BODY},
        {"a\\b\\things.csv": BODY, "a\\b\\.DS_Store": b"x", "__MACOSX\\a\\._things.csv": b"x", "a\\Thumbs.db": b"x"},
    ],
)
def test_backslashes_in_a_zip_separate_folders(path: Path, members: dict[str, bytes]) -> None:
    path.write_bytes(zipped(members))
    assert cells_of(read_back(path, CONTRACT)[1]) == [("1", "a"), ("2", "b")]


def test_half_sent_files_and_companions_in_a_zip_are_not_read(path: Path) -> None:
    path.write_bytes(zipped({"things.csv": BODY, "things.csv.md5": b"0", "~$things.xlsx": b"x", "b.csv.part": b"x"}))
    table, frame = read_back(path, CONTRACT)
    assert (frame.height, table.describe().ignored_members) == (2, None)
    error = refusal(path, zipped({"things.csv.filepart": BODY, "things.csv.md5": b"0"}))
    assert (error.code, "things.csv.filepart" in error.message) == ("zip_members", True)
    assert "whose names are never those of a delivery" in error.message


def test_a_document_in_an_archive_is_named(path: Path) -> None:
    document = zipped({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"})
    for content in (zipped({"things.docx": document}), gzip.compress(document)):
        error = refusal(path, content)
        assert (error.code, "a Word document" in error.message) == ("not_tabular", True)
    assert refusal(path, gzip.compress(zipped({"things.csv": BODY}))).code == "archive_nested"


def test_a_gzip_that_was_cut_off_is_reported_as_such(path: Path) -> None:
    path.write_bytes(gzip.compress(BODY * 100_000)[:-30])
    (error,) = check_file(path, CONTRACT, path.parent).errors
    assert (error.code, "cut off before its end" in error.message) == ("archive_damaged", True)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_are_refused_or_let_through(content: bytes, cut: int) -> None:
    for start in (b"", *ENCRYPTED.values(), *(item[0] for item in FORMATS.values())):
        with suppress(UnreadableFileError):
            refuse_other_format(start[:cut] + content)
