"""Periods of service: the database's texts as typed rows, as CSV, and what is odd about them. No files, no database."""

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from etl_platform.employment.oddities import Finding, Oddity
from etl_platform.engine.contract.model import fold
from etl_platform.engine.output.formula_guard import guarded, would_run

SCHEMA = pl.Schema(
    {
        "officer_id": pl.String(),
        "employer": pl.String(),
        "start_date": pl.Date(),
        "end_date": pl.Date(),
        "state": pl.String(),
        "agency_code": pl.String(),
        "rank": pl.String(),
        "employment_type": pl.String(),
        "separation_reason": pl.String(),
        "eligible_for_rehire": pl.Boolean(),
    }
)
"""The columns of the export, in order, as the contract ``employment_history`` has them."""

_DATES = ("start_date", "end_date")
_ISO_DAY_BYTES = len("2026-01-31")
_SHOWN = 5
_VALUES_SHOWN, _VALUES_KEPT = 10, 1_000
# Days as positive numbers below 2³²: 0 stands for no day, _OPEN for a period that has not ended.
_DAY_ZERO, _OPEN, _OFFICER = 1_000_000, 1 << 31, 1 << 32


def typed(texts: pl.DataFrame) -> pl.DataFrame:
    """Rows of SCHEMA from PostgreSQL's texts of its columns.

    PostgreSQL knows dates that no calendar has (``infinity``, ``0044-03-15 BC``, the year 10000); they become null.
    """
    days = (
        pl.when(pl.col(name).str.len_bytes() == _ISO_DAY_BYTES).then(pl.col(name)).str.to_date("%Y-%m-%d", strict=False)
        for name in _DATES
    )
    return texts.select(SCHEMA.names()).with_columns(*days, pl.col("eligible_for_rehire") == "t")


def csv_bytes(rows: pl.DataFrame, *, header: bool) -> bytes:
    """RFC 4180 in UTF-8 without a mark: CRLF, quotes where needed, ISO dates, ``true`` and ``false``, nothing for null.

    A text that a spreadsheet would run as a formula has a ``'`` in front.
    """
    out = io.BytesIO()
    found = rows.select(would_run(pl.col(pl.String)).any()).row(0, named=True)
    cells = rows.with_columns(guarded(pl.col(name)) for name, runs in found.items() if runs)
    cells.write_csv(out, include_header=header, line_terminator="\r\n", quote_style="necessary")
    return out.getvalue()


@dataclass(frozen=True)
class _Carried:
    """The officer of the last row, and the latest end of the periods so far."""

    officer_id: str | None
    latest_end: int


class Review:
    """Looks at rows in the export's order, batch by batch. Its memory does not grow with them.

    Args:
        known_ranks: what ranks may be, in any case and punctuation; without any, none is held against them.
    """

    def __init__(self, known_ranks: Iterable[str]) -> None:
        self._known = frozenset(map(fold, known_ranks))
        self._rows = 0
        self._counts: Counter[Oddity] = Counter()
        self._first: dict[Oddity, list[int]] = {oddity: [] for oddity in Oddity}
        self._ranks: Counter[str] = Counter()
        self._carried: _Carried | None = None

    def look(self, texts: pl.DataFrame, rows: pl.DataFrame) -> None:
        """The next rows, as the database wrote them and as ``typed`` reads them."""
        lost = {name: texts[name].is_not_null() & rows[name].is_null() for name in _DATES}
        reversed_ = (rows["end_date"] < rows["start_date"]).fill_null(value=False)
        counts = ~(reversed_ | lost["end_date"]) & rows["start_date"].is_not_null() & rows["officer_id"].is_not_null()
        self._note(Oddity.LOST_DATE, lost["start_date"] | lost["end_date"])
        self._note(Oddity.REVERSED, reversed_)
        self._note(Oddity.OVERLAPPING, self._overlapping(rows, counts))
        self._note(Oddity.UNKNOWN_RANK, self._unknown_ranks(rows["rank"]))
        self._rows += rows.height

    def findings(self) -> tuple[Finding, ...]:
        """One per oddity, those that did not occur too."""
        # Equal counts in the order of the names, so that the same rows always say the same.
        ranks = sorted(self._ranks.items(), key=lambda item: (-item[1], item[0]))[:_VALUES_SHOWN]
        values = {Oddity.UNKNOWN_RANK: dict(ranks)}
        return tuple(
            Finding(oddity, self._counts[oddity], tuple(self._first[oddity]), values.get(oddity, {}))
            for oddity in Oddity
        )

    def _note(self, oddity: Oddity, found: pl.Series) -> None:
        self._counts[oddity] += int(found.sum())
        missing = _SHOWN - len(self._first[oddity])
        if missing and self._counts[oddity]:
            # The header is row 1.
            self._first[oddity] += [self._rows + 2 + place for place in found.arg_true().head(missing)]

    def _overlapping(self, rows: pl.DataFrame, counts: pl.Series) -> pl.Series:
        """Whether a row's period begins before an earlier one of its officer has ended.

        Officers are numbered in their order and stand above the days of one number, so that one running maximum over
        all rows starts anew with each officer.
        """
        start, end = (pl.col(name).cast(pl.Int64) + _DAY_ZERO for name in _DATES)
        days = rows.select(
            "officer_id",
            pl.when(counts).then(start).alias("start"),
            pl.when(counts).then(end.fill_null(_OPEN)).otherwise(0).alias("end"),
        )
        if self._carried is not None:
            first = [(self._carried.officer_id, None, self._carried.latest_end)]
            days = pl.concat([pl.DataFrame(first, schema=days.schema, orient="row"), days])
        officer = pl.col("officer_id").ne_missing(pl.col("officer_id").shift()).cum_sum().cast(pl.Int64) * _OFFICER
        places = days.select(
            pl.col("officer_id"),
            officer.alias("officer"),
            (officer + pl.col("start")).alias("start"),
            (officer + pl.col("end")).cum_max().alias("latest_end"),
        )
        last = places.row(-1, named=True)
        found = places.select((pl.col("latest_end").shift() > pl.col("start")).fill_null(value=False)).to_series()
        known, self._carried = self._carried, _Carried(last["officer_id"], last["latest_end"] - last["officer"])
        return found if known is None else found.slice(1)

    def _unknown_ranks(self, ranks: pl.Series) -> pl.Series:
        if not self._known:
            return pl.Series([False]).new_from_index(0, len(ranks))
        rows_of = dict(ranks.drop_nulls().value_counts().iter_rows())
        unknown = {rank: rows for rank, rows in rows_of.items() if fold(rank) not in self._known}
        for rank, rows in sorted(unknown.items()):
            if rank in self._ranks or len(self._ranks) < _VALUES_KEPT:
                self._ranks[rank] += rows
        return ranks.is_in(pl.Series(list(unknown), dtype=pl.String).implode()).fill_null(value=False)
