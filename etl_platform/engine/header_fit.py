"""The contract that a file's header fits, for a file whose name matches none. A hint for people, not a decision."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from etl_platform.engine.contract.model import DATA_SUFFIXES, Contract
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.matched_columns import Rename
from etl_platform.engine.output.plain_text import first_of

if TYPE_CHECKING:
    from etl_platform.engine.reading.table import Table

HEAD_BYTES = 1 << 20
"""The start of a file in which its header is looked for; a workbook must be whole, so larger ones have no hint."""
_LEAST_COLUMNS, _LEAST_LIKE, _LEAST_LACKING = 2, 4, 5
"""Columns that a contract and a header must share: by name, with other names, and if required ones are lacking."""
_WORKBOOKS = frozenset({".xlsx", ".xls"})
"""Endings that stay when the file is renamed."""
_LEAST_SHARE, _LEAST_REQUIRED, _LEAST_LEAD = 0.5, 0.5, 0.1
"""Shares of the file's columns and of the required ones, and by how much the next contract must fit less."""
_COMPARED = 10
"""Contracts whose columns are searched under other names: those that share most words with the header."""
_SHOWN = 3


def may_have_header(file_name: str) -> bool:
    """Whether a file of this name may be a table, so that its header is worth reading."""
    return PurePosixPath(file_name).suffix.lower() in {*DATA_SUFFIXES, ""}


@dataclass(frozen=True)
class HeaderFit:
    """How a header fits a contract.

    Attributes:
        known: columns of the contract that it names.
        unknown: its columns that the contract does not know.
        renames: those of them that probably are columns of the contract.
        lacking: required columns that it has under no name.
        required: the number of required columns.
    """

    contract: Contract
    known: int
    unknown: int
    renames: tuple[Rename, ...]
    lacking: tuple[str, ...]
    required: int

    @property
    def is_exact(self) -> bool:
        return not self.renames and not self.lacking and self.known > self.unknown and self.known >= _LEAST_COLUMNS

    @property
    def is_likely(self) -> bool:
        least = _LEAST_LACKING if self.lacking else _LEAST_LIKE
        return (
            self.known + len(self.renames) >= least
            and self.share >= _LEAST_SHARE
            and self._required_share >= _LEAST_REQUIRED
        )

    @property
    def share(self) -> float:
        """Of the file's columns, those that the contract has."""
        return (self.known + len(self.renames)) / (self.known + self.unknown) if self.known + self.unknown else 0.0

    @property
    def score(self) -> float:
        return self.share * self._required_share

    @property
    def _required_share(self) -> float:
        return 1 - len(self.lacking) / self.required if self.required else 1.0

    def hint(self, file_name: str) -> str:
        """What people read about a file that fits this contract by its columns alone."""
        usual, suffix = PurePosixPath(self.contract.physical_name), PurePosixPath(file_name).suffix
        name = usual.with_suffix(suffix) if suffix.lower() in _WORKBOOKS else usual
        named = f"rename it, such as to {name}, or have its name added to the contract"
        if self.is_exact:
            return f"its columns fit {self.contract.dataset}: {named}"
        found = f"it has {self.known} of the columns of {self.contract.dataset}"
        pairs = first_of([f"{rename.header} may be {rename.column}" for rename in self.renames], _SHOWN)
        lacks = f"; {', '.join(self.lacking)} would be missing" if self.lacking else ""
        return (
            f"did you mean {self.contract.dataset}? {found}{f', and {pairs}' if pairs else ''}{lacks}; if so, {named}"
        )


def fitting_contract(path: Path, contracts: Iterable[Contract]) -> HeaderFit | None:
    """The only contract that the header of a file fits, or is like by a clear lead.

    Args:
        path: the file, or its first HEAD_BYTES.
    """
    from etl_platform.engine.reading.open_table import open_table

    try:
        table = open_table(path, None)
    except UnreadableFileError:
        return None
    return best_fit(table, contracts)


def best_fit(table: "Table", contracts: Iterable[Contract]) -> HeaderFit | None:
    """The only contract that a header fits, or is like by a clear lead; without its values if they cannot be read."""
    every = [_fit(table, contract) for contract in contracts]
    exact = [fit for fit in every if fit.is_exact]
    if len(exact) == 1:
        return exact[0]
    if table.describe().header_remark:
        return None
    likely = [fit for fit in (exact or _with_renames(table, every)) if fit.is_likely]
    ordered = sorted(likely, key=lambda fit: (-fit.score, fit.contract.dataset))
    if not ordered or (len(ordered) > 1 and ordered[1].score > ordered[0].score - _LEAST_LEAD):
        return None
    return ordered[0]


def _fit(table: "Table", contract: Contract, renames: tuple[Rename, ...] = ()) -> HeaderFit:
    from etl_platform.engine.reading.tables.headers import match_header

    match = match_header(table.header, contract)
    missing = set(match.missing) - {rename.column for rename in renames}
    required = [column.name for column in contract.file_columns if column.required]
    lacking = tuple(name for name in required if name in missing)
    return HeaderFit(contract, len(match.positions), len(match.extra), renames, lacking, len(required))


def _with_renames(table: "Table", fits: Sequence[HeaderFit]) -> Iterator[HeaderFit]:
    """The fits with the columns that the file has under other names."""
    from etl_platform.engine.reading.tables.headers import match_header
    from etl_platform.engine.renames.suggest import suggest_renames

    words = _words(table.header)
    ordered = sorted(fits, key=lambda fit: -_shared(words, fit.contract))
    for contract in (fit.contract for fit in ordered[:_COMPARED]):
        renames = suggest_renames(table, match_header(table.header, contract), contract)
        yield _fit(table, contract, renames)


def _words(names: Iterable[str]) -> set[str]:
    from etl_platform.engine.renames.name_words import meanings

    return {word for name in names for word in meanings(name)}


def _shared(words: Collection[str], contract: Contract) -> int:
    return len(_words(name for column in contract.file_columns for name in column.header_names) & set(words))


def nearest_contract(header: Sequence[str], contracts: Iterable[Contract]) -> Contract | None:
    """The contract of which a header names the largest share of columns, at least two; None if it names no two."""
    from etl_platform.engine.reading.tables.headers import match_header

    shares = [(_share(len(match_header(header, contract).positions), contract), contract) for contract in contracts]
    best, contract = max(shares, key=lambda pair: pair[0], default=(0.0, None))
    return contract if best else None


def _share(known: int, contract: Contract) -> float:
    return known / len(contract.file_columns) if known >= _LEAST_COLUMNS else 0.0
