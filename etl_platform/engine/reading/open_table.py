"""A file on local disk, in any format that agencies send → a Table.

The first bytes of the file decide the format, never its name.
"""

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.delimited.text_table import TextTable
from etl_platform.engine.reading.other_formats import not_tabular
from etl_platform.engine.reading.packed.archives import (
    ByteStream,
    open_archive,
    open_gzip,
    open_zip_member,
    refuse_bomb,
    refuse_encrypted,
    refuse_method,
    unpacking,
)
from etl_platform.engine.reading.packed.zip_members import choose_members
from etl_platform.engine.reading.packed.zip_tables import MemberTables, naming_member
from etl_platform.engine.reading.signatures import GZIP, ZIP_MARKS, office_format
from etl_platform.engine.reading.table import Table
from etl_platform.engine.reading.workbooks.office_package import workbook_part
from etl_platform.engine.reading.workbooks.sheets import workbook_too_large
from etl_platform.engine.reading.workbooks.workbook import WorkbookTable
from etl_platform.engine.reading.workbooks.xls_workbook import is_xls

MAX_PACKED_WORKBOOK_BYTES = 256 << 20
_BLOCK = 1 << 20


def open_table(path: Path, contract: Contract | None) -> Table:
    """Open a file of any supported format.

    Raises:
        UnreadableFileError: with the reason why the file cannot be read correctly.
    """
    with path.open("rb") as file:
        magic = file.read(8)
    if magic.startswith(ZIP_MARKS):
        with open_archive(path) as archive:
            members = _members(archive, path.stat().st_size)
            names = {member.filename for member in members}
            if workbook_part(archive):
                return WorkbookTable(path, contract)
            _refuse_office_format(archive, names)
        return _open_zip(path, members, contract)
    if is_xls(magic):
        return WorkbookTable(path, contract)
    if magic.startswith(GZIP):
        return _open_packed(lambda: open_gzip(path), contract, "gzip")
    return TextTable(lambda: path.open("rb"), contract, None)


def _members(archive: zipfile.ZipFile, packed_bytes: int) -> list[zipfile.ZipInfo]:
    # Not by is_dir, which fails for a damaged member without a name.
    members = [member for member in archive.infolist() if not member.filename.endswith(("/", "\\"))]
    refuse_bomb(sum(member.file_size for member in members), packed_bytes)
    refuse_encrypted(members)
    return members


def _refuse_office_format(archive: zipfile.ZipFile, names: set[str]) -> None:
    mimetype = archive.read("mimetype")[:100] if "mimetype" in names else b""
    if format_ := office_format(names, mimetype):
        raise not_tabular(format_)


def _open_zip(path: Path, members: Sequence[zipfile.ZipInfo], contract: Contract | None) -> Table:
    chosen = choose_members([member.filename for member in members], contract)
    by_name = {member.filename: member for member in members}

    def open_member(name: str) -> Table:
        with naming_member(name):
            refuse_method(by_name[name])
            return _open_packed(lambda: open_zip_member(path, by_name[name]), contract, "zip")

    if len(chosen.read) == 1 and not chosen.ignored:
        return open_member(chosen.read[0])
    return MemberTables({name: open_member(name) for name in chosen.read}, chosen.ignored)


def _open_packed(open_file: Callable[[], ByteStream], contract: Contract | None, packed: str) -> Table:
    """A packed file: text is decompressed on the fly, a workbook in memory. Archives in archives are refused."""
    with unpacking(), open_file() as file:
        magic = file.read(8)
        content = _read_all(file, magic) if magic.startswith(ZIP_MARKS) or is_xls(magic) else b""
    if is_xls(magic):
        return WorkbookTable(io.BytesIO(content), contract, packed)
    if magic.startswith(ZIP_MARKS):
        with open_archive(io.BytesIO(content)) as archive:
            names = {member.filename for member in _members(archive, len(content))}
            if workbook_part(archive):
                return WorkbookTable(io.BytesIO(content), contract, packed)
            _refuse_office_format(archive, names)
    if magic.startswith((*ZIP_MARKS, GZIP)):
        raise UnreadableFileError("archive_nested", "the archive contains another archive; send the inner one")
    return TextTable(open_file, contract, packed)


def _read_all(file: ByteStream, head: bytes) -> bytes:
    parts, size = [head], len(head)
    while part := file.read(_BLOCK):
        parts.append(part)
        size += len(part)
        if size > MAX_PACKED_WORKBOOK_BYTES:
            raise workbook_too_large(f"the workbook in the archive has more than {MAX_PACKED_WORKBOOK_BYTES:,} bytes")
    return b"".join(parts)
