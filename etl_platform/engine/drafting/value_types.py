"""The type of a column and how its values are written, from a sample of its texts. No files."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from etl_platform.engine.column_words import words
from etl_platform.engine.contract.model import Column, ColumnType
from etl_platform.engine.drafting.column_names import is_key_name, is_text_name
from etl_platform.engine.drafting.moments import guess_moments
from etl_platform.engine.drafting.personal_columns import looks_personal
from etl_platform.engine.drafting.typed_texts import candidate, read_by_each
from etl_platform.engine.drafting.word_lists import (
    ALWAYS_EMPTY,
    DAYS,
    EMPTY_BESIDE_VALUES,
    FLAGS,
    FREE_TEXTS,
    NAMES,
    TIMES,
)
from etl_platform.engine.privacy.personal_words import BIRTHS

_YES_NO = (("y", "n"), ("yes", "no"), ("true", "false"), ("t", "f"))
_ONE_OF_A_PAIR = frozenset({"y", "n", "yes", "no", "true", "false"})
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+(?:\.[0-9]+)?")
_TOLERATED = 0.01
_NEARLY = 0.8
_SURNAME_SHARE = 0.01
_UNREAD = (
    (re.compile(r"-?[0-9.]*,[0-9]{1,2}"), "numbers with a decimal comma", "ask for a decimal point"),
    (re.compile(r"[-+]?[0-9.,]+ ?%"), "percentages", "ask for numbers without the sign"),
    (
        re.compile(r"(?:[A-Z]{3}|[^\W\d]?[€£¥]) ?-?[0-9][0-9.,]*|-?[0-9][0-9.,]* ?(?:[A-Z]{3}|[€£¥])"),
        "amounts with their currency",
        "ask for numbers, or for dollars with a $",
    ),
    (re.compile(r"[0-9]{4}-.*[0-9]:[0-9]{2}.*[-+][0-9]{2}:?[0-9]{2}"), "times with a time zone", "ask for UTC with Z"),
)
"""What no type reads: how the texts look, what they are, and what helps."""
_DATE = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[ T].*)?")


@dataclass(frozen=True)
class TypeGuess:
    """``column`` has the type, its notation and null tokens; ``remarks`` are for people and quote no value."""

    column: Column
    remarks: tuple[str, ...] = ()


def without_tokens(counts: Mapping[str, int], column: Column) -> dict[str, int]:
    """The rows by text without the texts that mean empty."""
    tokens = {token.upper() for token in column.null_tokens}
    return {text: rows for text, rows in counts.items() if text.upper() not in tokens}


def guess_type(name: str, counts: Mapping[str, int], filled: int, this_year: int) -> TypeGuess:
    """Guess the type of a column.

    Args:
        counts: rows by text, all or a sample; no blank texts.
        filled: rows whose cell is not blank.
        this_year: decides the century of two-digit years.
    """
    always = _tokens(counts, ALWAYS_EMPTY)
    values = {text: rows for text, rows in counts.items() if text not in always}
    beside = _tokens(values, EMPTY_BESIDE_VALUES) | {text for text in values if not any(map(str.isalnum, text))}
    typed = {text: rows for text, rows in values.items() if text not in beside}
    # A note may be a number today, and an initial be N.
    is_text = not (FREE_TEXTS | NAMES).isdisjoint(words(name)) or not typed
    guess = None if is_text else _boolean(name, typed) or _moments(name, typed, this_year) or _number(name, typed)
    text = candidate(ColumnType.STRING)
    column, remarks = (guess.column, guess.remarks) if guess else (text, tuple(nearly_typed(name, typed)))
    tokens = {*always, *(beside if guess else ())}
    if guess is None and looks_personal(name, values):
        # Na and Null are surnames, but not of many.
        tokens = {token for token in tokens if not token.isalpha() or counts[token] > filled * _SURNAME_SHARE}
    if not values:
        remarks = (*remarks, "no values to judge by")
    return TypeGuess(replace(column, name=name, null_tokens=tuple(sorted(tokens))), remarks)


def _tokens(counts: Mapping[str, int], known: frozenset[str]) -> set[str]:
    return {text for text in counts if text.upper() in known}


def _boolean(name: str, counts: Mapping[str, int]) -> TypeGuess | None:
    folded = {text.lower() for text in counts}
    for yes, no in _YES_NO:
        if folded <= {yes, no} and (len(folded) == 2 or folded <= _ONE_OF_A_PAIR):
            return _boolean_of([yes], [no], counts)
    if folded <= {"y", "n", "yes", "no"}:
        return _boolean_of(["y", "yes"], ["n", "no"], counts)
    found = set(words(name))
    if folded == {"0", "1"} and found & FLAGS:
        return _boolean_of(["1"], ["0"], counts)
    return None


def _boolean_of(yes: list[str], no: list[str], counts: Mapping[str, int]) -> TypeGuess:
    """A boolean with the texts as the files write them; in one column of Y alone, N is added."""

    def written(texts: list[str]) -> tuple[str, ...]:
        seen = {text.lower(): text for text in sorted(counts, reverse=True) if text.lower() in texts}
        found = seen.values() or [texts[0].upper()]
        return tuple(text for text in found if text.lower() not in {"true", "false"})

    column = replace(candidate(ColumnType.BOOLEAN), true_values=written(yes), false_values=written(no))
    return TypeGuess(column)


def _moments(name: str, counts: Mapping[str, int], this_year: int) -> TypeGuess | None:
    found = set(words(name))
    if is_key_name(name) and found.isdisjoint(BIRTHS | DAYS | TIMES):
        return None
    # A birth is never in the future; other dates may be, by a few years.
    pivot = this_year - 99 if found & BIRTHS else this_year - 79
    guess = guess_moments(counts, is_day=bool(found & DAYS), is_time=bool(found & TIMES), pivot=pivot)
    if guess is None:
        return None
    remarks = ["written as " + " or ".join(guess.formats)]
    if guess.assumed_order:
        remarks.append("the month is assumed to be first: no day above 12 proves it")
    if guess.pivot is not None:
        remarks.append(f"years of two digits are taken as {guess.pivot} to {guess.pivot + 99}")
    return TypeGuess(candidate(guess.kind, *guess.formats, money=False, pivot=guess.pivot), tuple(remarks))


def _number(name: str, counts: Mapping[str, int]) -> TypeGuess | None:
    if is_text_name(name) or any(map(_LEADING_ZERO.fullmatch, counts)):
        return None
    columns = [
        candidate(ColumnType.INTEGER),
        candidate(ColumnType.NUMBER),
        candidate(ColumnType.NUMBER, money=True),
    ]
    rows = sum(counts.values())
    for column, read in zip(columns, read_by_each(counts, columns), strict=True):
        if sum(counts[text] for text in read) >= rows * (1 - _TOLERATED):
            return TypeGuess(column, ("written as amounts of money",) if column.money else ())
    return None


def nearly_typed(name: str, counts: Mapping[str, int]) -> Iterator[str]:
    """Why a column is text although most of its values look like those of another type."""
    if not counts or is_text_name(name) or any(map(_LEADING_ZERO.fullmatch, counts)):
        return
    for form, what, advice in _UNREAD:
        if sum(map(bool, map(form.fullmatch, counts))) > len(counts) / 2:
            yield f"looks like {what}, which are read as text; {advice}"
            return
    rows, columns = (
        sum(counts.values()),
        [candidate(ColumnType.NUMBER, money=True), candidate(ColumnType.DATE, "M/d/yyyy")],
    )
    for column, read in zip(columns, read_by_each(counts, columns), strict=True):
        if (share := sum(counts[text] for text in read) / rows) >= _NEARLY:
            yield f"{share:.0%} of the filled rows are a {column.type}; the others are not, so the column is text"
            return
    if sum(map(bool, map(_DATE.fullmatch, counts))) > len(counts) / 2:
        yield "looks like dates, which are read as text; see which of them are written in another way"
