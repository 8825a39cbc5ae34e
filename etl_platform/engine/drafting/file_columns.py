"""The columns of several files as those of one table: the same name, or another name for the same content. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from etl_platform.engine.contract.model import fold
from etl_platform.engine.drafting.column_names import column_name
from etl_platform.engine.drafting.column_samples import ColumnSample, FileSample
from etl_platform.engine.drafting.like_columns import Content, like_columns
from etl_platform.engine.drafting.value_types import guess_type, without_tokens
from etl_platform.engine.renames.pairs import Pair


@dataclass
class SharedColumn:
    """One column of the table: its samples by the label of their file, and the headers that mean it."""

    name: str
    samples: dict[str, ColumnSample]
    headers: list[str]
    pairs: list[Pair] = field(default_factory=list)

    @property
    def synonyms(self) -> tuple[str, ...]:
        """Headers that the name does not match by itself."""
        found = {fold(header): on_one_line(header) for header in self.headers if fold(header) != fold(self.name)}
        return tuple(found.values())

    @property
    def counts(self) -> Counter[str]:
        return sum((sample.counts for sample in self.samples.values()), Counter())

    @property
    def filled(self) -> int:
        return sum(sample.filled for sample in self.samples.values())

    @property
    def complete(self) -> bool:
        return all(sample.complete for sample in self.samples.values())


@dataclass(frozen=True)
class SharedTable:
    """``left_out``: a sentence for each column that a contract cannot name."""

    columns: tuple[SharedColumn, ...]
    left_out: tuple[str, ...]


def on_one_line(text: str) -> str:
    """A header without control characters and runs of blanks, for sentences and synonyms."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def share_columns(files: Sequence[FileSample], this_year: int) -> SharedTable:
    """Match the columns of all files, in the order of the first file; columns of later files follow."""
    left_out: list[str] = []
    by_fold: dict[str, SharedColumn] = {}
    for file in files:
        usable = list(_usable(file, left_out))
        new = [sample for sample in usable if fold(sample.header) not in by_fold]
        gone = {f: c for f, c in by_fold.items() if f not in {fold(sample.header) for sample in usable}}
        renamed = _renamed(new, gone, this_year) if by_fold else {}
        for sample in usable:
            key = fold(sample.header)
            if pair := renamed.get(key):
                shared = by_fold[key] = by_fold[fold(pair.one)]
                shared.pairs.append(pair)
            elif key not in by_fold:
                name = column_name(sample.header, {fold(c.name) for c in by_fold.values()} | {*by_fold} - {key})
                by_fold[key] = SharedColumn(name, {}, [])
            by_fold[key].samples[file.label] = sample
            by_fold[key].headers.append(sample.header)
    columns = list({id(column): column for column in by_fold.values()}.values())
    return SharedTable(tuple(columns), tuple(dict.fromkeys(left_out)))


def _renamed(new: Sequence[ColumnSample], gone: dict[str, SharedColumn], this_year: int) -> dict[str, Pair]:
    """By the new header, the pair that says which column it is."""
    known = {column.headers[0]: column for column in gone.values()}
    ones = {header: _content(column.name, column, this_year) for header, column in known.items()}
    others = {sample.header: _content(sample.header, sample, this_year) for sample in new}
    return {fold(pair.other): pair for pair in like_columns(ones, others)}


def _content(name: str, column: SharedColumn | ColumnSample, this_year: int) -> Content:
    counts = column.counts
    guess = guess_type(name, counts, column.filled, this_year)
    return Content(guess.column.type, without_tokens(counts, guess.column), column.complete)


def _usable(file: FileSample, left_out: list[str]) -> Iterator[ColumnSample]:
    """The columns that a contract can name, each name once."""
    forms: dict[str, set[str]] = {}
    for sample in file.columns:
        forms.setdefault(fold(sample.header), set()).add(sample.header)
    taken: set[str] = set()
    for sample in file.columns:
        key = fold(sample.header)
        if not key:
            if sample.filled:
                place = f"column {sample.position + 1} of {file.label}"
                left_out.append(f"{place} has no name and {sample.filled:,} filled cells; name it in the header")
        elif len(forms[key]) > 1:
            names = " and ".join(sorted(map(on_one_line, forms[key])))
            left_out.append(f"{names} of {file.label} are one name; rename one of them")
        elif sample.differs:
            left_out.append(f"several columns named {on_one_line(sample.header)} hold different cells; rename them")
        elif key not in taken:
            taken.add(key)
            yield sample
