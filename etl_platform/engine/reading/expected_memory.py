"""How much memory the check of a file takes, from its format and size. It reads no rows.

The figures were measured: ``docs/decisions/0036-errors-of-the-machine-and-memory-of-a-run.md``.
"""

import zipfile
from pathlib import Path

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.packed.archives import MAX_RATIO, open_archive, open_gzip, refuse_encrypted, unpacking
from etl_platform.engine.reading.signatures import GZIP, ZIP_MARKS
from etl_platform.engine.reading.workbooks.office_package import workbook_part
from etl_platform.engine.reading.workbooks.xls_workbook import is_xls

_MIB = 1 << 20
_ANY_FILE = 16 * _MIB
_PER_TEXT_BYTE, _MOST_OF_TEXT = 5, 256 * _MIB
"""Texts are read in chunks, several of which are in memory at once."""
_TEXT_BYTES_PER_KEY_BYTE, _MOST_OF_KEYS = 8, 160 * _MIB
_PER_XML_BYTE, _MOST_OF_A_CHECK, _PER_SHARED_BYTE = 1.5, 384 * _MIB, 2
"""All cells of a workbook are in memory; a check reads them in frames of limited size."""
_PER_XLS_BYTE = 10
_SHARED_TEXTS = "sharedstrings"
_USUAL_XLSX_RATIO = 10
"""Unpacked bytes per byte of an .xlsx."""


def expected_memory_bytes(path: Path) -> int:
    """The memory that the check of a file needs beside what the process has already, about.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            magic = file.read(8)
        if magic.startswith(ZIP_MARKS):
            return _ANY_FILE + _of_zip(path)
        if magic.startswith(GZIP):
            return _ANY_FILE + _of_gzip(path, size)
    except UnreadableFileError:
        # It is rejected after the first bytes.
        return _ANY_FILE
    return _ANY_FILE + _of_content(magic, size)


def _of_content(magic: bytes, size: int) -> int:
    """Of a file that is a text or a workbook, by its first bytes and its unpacked size."""
    if is_xls(magic):
        return _PER_XLS_BYTE * size
    if magic.startswith(ZIP_MARKS):
        return size + _of_xml(_USUAL_XLSX_RATIO * size)
    return min(_PER_TEXT_BYTE * size, _MOST_OF_TEXT) + min(size // _TEXT_BYTES_PER_KEY_BYTE, _MOST_OF_KEYS)


def _of_xml(size: int) -> int:
    return size + min(int(_PER_XML_BYTE * size), _MOST_OF_A_CHECK)


def _of_zip(path: Path) -> int:
    with open_archive(path) as archive:
        members = archive.infolist()
        refuse_encrypted(members)
        if workbook_part(archive):
            texts = sum(member.file_size for member in members if _SHARED_TEXTS in member.filename.casefold())
            return _of_xml(sum(member.file_size for member in members)) + _PER_SHARED_BYTE * texts
        # Workbooks of an archive are all opened before the first is read; texts are read one after another.
        needs = [(_of_content(magic, size), magic) for magic, size in (_start(archive, member) for member in members)]
    of_texts = [need for need, magic in needs if not _is_workbook(magic)]
    return sum(need for need, magic in needs if _is_workbook(magic)) + max(of_texts, default=0)


def _is_workbook(magic: bytes) -> bool:
    return is_xls(magic) or magic.startswith(ZIP_MARKS)


def _start(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[bytes, int]:
    with archive.open(member) as file:
        return file.read(8), member.file_size


def _of_gzip(path: Path, size: int) -> int:
    with unpacking(), open_gzip(path) as file:
        magic = file.read(8)
    with path.open("rb") as packed:
        packed.seek(max(0, size - 4))
        # The unpacked size without its multiples of 4 GiB; anything where the end of the file is missing.
        unpacked = int.from_bytes(packed.read(4), "little")
    return _of_content(magic, min(max(size, unpacked), MAX_RATIO * size))
