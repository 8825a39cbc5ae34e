"""The reference tables next to the contracts: ``references/<table>.csv``, read when a contract names one."""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from etl_platform.engine.contract.model import ReferenceTable
from etl_platform.engine.errors import ContractError

MAX_BYTES = 8 << 20
"""Limited because every run holds the tables in memory."""


class ReferenceFolder(Mapping[str, ReferenceTable]):
    """Tables by name: small UTF-8 files with commas and a header.

    Raises:
        ContractError: a table is requested whose file is invalid, with file and line.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, ReferenceTable] = {}

    def __getitem__(self, name: str) -> ReferenceTable:
        if name not in self._read:
            path = self._folder / f"{name}.csv"
            if not path.is_file():
                raise KeyError(name)
            self._read[name] = read_table(name, path)
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.stem for path in self._folder.glob("*.csv")))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_table(name: str, path: Path) -> ReferenceTable:
    """Read one table.

    Raises:
        ContractError: too large, not UTF-8, no rows, a header with empty or repeated names, a row of another length.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ContractError(
                f"{size:,} bytes are too many for a reference table; keep it below {MAX_BYTES:,}", path=str(path)
            )
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ContractError(f"cannot be read: {error.strerror}", path=str(path)) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ContractError("is not UTF-8; save it as UTF-8", path=str(path), line=line) from None
    header, rows, lines = _rows(text, str(path))
    return ReferenceTable(name, str(path), hashlib.sha256(data).hexdigest(), header, tuple(rows), tuple(lines))


def _rows(text: str, path: str) -> tuple[tuple[str, ...], list[tuple[str, ...]], list[int]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    line = 1
    try:
        header = tuple(cell.strip() for cell in next(reader, []))
        if not all(header) or len(set(header)) != len(header):
            raise ContractError("the header needs a different name for every column", path=path, line=1)
        line = reader.line_num + 1
        for cells in reader:
            if cells and len(cells) != len(header):
                raise ContractError(
                    f"the row has {len(cells)} cells and the header {len(header)}", path=path, line=line
                )
            if cells:
                rows.append(tuple(cell.strip() for cell in cells))
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise ContractError(f"invalid CSV: {error}", path=path, line=line) from None
    if not rows:
        raise ContractError("the table has no rows; add one, or remove the lookup", path=path, line=1)
    return header, rows, lines
