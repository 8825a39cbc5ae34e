"""Periods of service: converts text columns to typed rows and to CSV, and checks them. No files, no database."""

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from etl_platform.employment.checks import Finding, HistoryCheck
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
"""The columns of the export, in the order of the contract ``employment_history``."""

_DATES = ("start_date", "end_date")
_ISO_DAY_BYTES = len("2026-01-31")
_MAX_FIRST_ROWS = 5
_MAX_VALUES_SHOWN, _MAX_VALUES_COUNTED = 10, 1_000
# Days are positive numbers below 2³². 0 means that there is no day, _OPEN that the period has not ended.
_DAY_OFFSET, _OPEN, _OFFICER_STEP = 1_000_000, 1 << 31, 1 << 32


def to_typed(texts: pl.DataFrame) -> pl.DataFrame:
    """Converts PostgreSQL's texts to rows of SCHEMA.

    Dates that Polars cannot represent (``infinity``, ``0044-03-15 BC``, the year 10000) become null.
    """
    days = (
        pl.when(pl.col(name).str.len_bytes() == _ISO_DAY_BYTES).then(pl.col(name)).str.to_date("%Y-%m-%d", strict=False)
        for name in _DATES
    )
    return texts.select(SCHEMA.names()).with_columns(*days, pl.col("eligible_for_rehire") == "t")


def to_csv(rows: pl.DataFrame, *, header: bool) -> bytes:
    """CSV (RFC 4180) in UTF-8 without byte order mark, with CRLF, ISO dates, ``true`` and ``false``; null is empty.

    A text that a spreadsheet would run as a formula gets a leading ``'``.
    """
    out = io.BytesIO()
    has_formulas = rows.select(would_run(pl.col(pl.String)).any()).row(0, named=True)
    cells = rows.with_columns(guarded(pl.col(name)) for name, has_formula in has_formulas.items() if has_formula)
    cells.write_csv(out, include_header=header, line_terminator="\r\n", quote_style="necessary")
    return out.getvalue()


@dataclass(frozen=True)
class _LastOfficer:
    """The officer of the last row, and the latest end of that officer's periods so far."""

    officer_id: str | None
    latest_end: int


class HistoryChecker:
    """Checks rows in the export's order, batch by batch, in constant memory.

    Args:
        known_ranks: the valid ranks; case and punctuation are ignored. If empty, ranks are not checked.
    """

    def __init__(self, known_ranks: Iterable[str]) -> None:
        self._known = frozenset(map(fold, known_ranks))
        self._rows = 0
        self._counts: Counter[HistoryCheck] = Counter()
        self._first: dict[HistoryCheck, list[int]] = {check: [] for check in HistoryCheck}
        self._ranks: Counter[str] = Counter()
        self._last_officer: _LastOfficer | None = None

    def add(self, texts: pl.DataFrame, rows: pl.DataFrame) -> None:
        """Check the next rows, given as texts of the database and as the result of ``to_typed``."""
        lost = {name: texts[name].is_not_null() & rows[name].is_null() for name in _DATES}
        reversed_ = (rows["end_date"] < rows["start_date"]).fill_null(value=False)
        has_start = rows["start_date"].is_not_null() & rows["officer_id"].is_not_null()
        comparable = ~(reversed_ | lost["end_date"]) & has_start
        self._record(HistoryCheck.LOST_DATE, lost["start_date"] | lost["end_date"])
        self._record(HistoryCheck.REVERSED, reversed_)
        self._record(HistoryCheck.OVERLAPPING, self._overlapping(rows, comparable))
        self._record(HistoryCheck.UNKNOWN_RANK, self._unknown_ranks(rows["rank"]))
        self._rows += rows.height

    def findings(self) -> tuple[Finding, ...]:
        """One finding per check, including checks that all rows passed."""
        # Sort equal counts by name, so that the result is deterministic.
        ranks = sorted(self._ranks.items(), key=lambda item: (-item[1], item[0]))[:_MAX_VALUES_SHOWN]
        values = {HistoryCheck.UNKNOWN_RANK: dict(ranks)}
        return tuple(
            Finding(check, self._counts[check], tuple(self._first[check]), values.get(check, {}))
            for check in HistoryCheck
        )

    def _record(self, check: HistoryCheck, found: pl.Series) -> None:
        self._counts[check] += int(found.sum())
        missing = _MAX_FIRST_ROWS - len(self._first[check])
        if missing and self._counts[check]:
            # The header is row 1.
            self._first[check] += [self._rows + 2 + index for index in found.arg_true().head(missing)]

    def _overlapping(self, rows: pl.DataFrame, comparable: pl.Series) -> pl.Series:
        """Whether a row's period begins before an earlier period of the same officer has ended.

        Each date becomes its day number plus the officer's ordinal times 2³², so it exceeds all dates of earlier
        officers. A running maximum over all rows is therefore the latest end of the current officer.
        """
        start, end = (pl.col(name).cast(pl.Int64) + _DAY_OFFSET for name in _DATES)
        days = rows.select(
            "officer_id",
            pl.when(comparable).then(start).alias("start"),
            pl.when(comparable).then(end.fill_null(_OPEN)).otherwise(0).alias("end"),
        )
        previous = self._last_officer
        if previous is not None:
            first = [(previous.officer_id, None, previous.latest_end)]
            days = pl.concat([pl.DataFrame(first, schema=days.schema, orient="row"), days])
        officer = pl.col("officer_id").ne_missing(pl.col("officer_id").shift()).cum_sum().cast(pl.Int64) * _OFFICER_STEP
        numbered = days.select(
            pl.col("officer_id"),
            officer.alias("officer"),
            (officer + pl.col("start")).alias("start"),
            (officer + pl.col("end")).cum_max().alias("latest_end"),
        )
        last = numbered.row(-1, named=True)
        overlapping = numbered.select(
            (pl.col("latest_end").shift() > pl.col("start")).fill_null(value=False)
        ).to_series()
        self._last_officer = _LastOfficer(last["officer_id"], last["latest_end"] - last["officer"])
        return overlapping if previous is None else overlapping.slice(1)

    def _unknown_ranks(self, ranks: pl.Series) -> pl.Series:
        if not self._known:
            return pl.Series([False]).new_from_index(0, len(ranks))
        rows_of = dict(ranks.drop_nulls().value_counts().iter_rows())
        unknown = {rank: rows for rank, rows in rows_of.items() if fold(rank) not in self._known}
        for rank, rows in sorted(unknown.items()):
            if rank in self._ranks or len(self._ranks) < _MAX_VALUES_COUNTED:
                self._ranks[rank] += rows
        return ranks.is_in(pl.Series(list(unknown), dtype=pl.String).implode()).fill_null(value=False)
