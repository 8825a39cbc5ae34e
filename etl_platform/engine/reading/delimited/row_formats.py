"""The ways in which a text may be written, by the marks that occur in it. No decision, no files."""

import re
from collections.abc import Iterator, Sequence

from etl_platform.engine.contract.reading_overrides import NONE, ReadingOverrides
from etl_platform.engine.reading.delimited.row_format import RowFormat

DELIMITERS = (",", ";", "\t", "|")
_RARE = ("^", "~", "¦", "§")
_LONG = ("~|~", "|~|", "^|^", "~^~", "#|#", "@|@", "|;|", "<|>", "::", "~~", "^^", "##", "@@", "$$", "&&", "%%", "^~^")
_EVEN = 0.95
_QUOTED = re.compile(r'"[^"\r\n]*"')
_MARKS = re.compile(r"[^\r\n]+")


def delimiters(text: str) -> list[str]:
    """The delimiters that occur in a text, the usual ones first; a longer one instead of its parts."""
    bare = _QUOTED.sub('""', text)
    found = [delimiter for delimiter in (*DELIMITERS, *_RARE) if delimiter in bare]
    doubled = [delimiter * 2 for delimiter in found if delimiter in DELIMITERS and _is_doubled(bare, delimiter)]
    long = [delimiter for delimiter in (*doubled, *_LONG) if delimiter in bare]
    whole = [delimiter for delimiter in long if all(_only_within(bare, mark, delimiter) for mark in set(delimiter))]
    parts = {mark for delimiter in whole for mark in delimiter}
    return [*(delimiter for delimiter in found if delimiter not in parts), *whole]


def _is_doubled(bare: str, delimiter: str) -> bool:
    """Whether a delimiter is written twice everywhere, and often enough in the first line that has it."""
    runs = [len(run) for run in re.findall(f"{re.escape(delimiter)}+", bare)]
    first = next(line for line in _MARKS.findall(bare) if delimiter in line)
    odd = sum(length % 2 for length in runs)
    return odd <= (1 - _EVEN) * len(runs) and first.count(delimiter * 2) >= 2 and first.count(delimiter) % 2 == 0


def _only_within(bare: str, mark: str, delimiter: str) -> bool:
    """Whether nearly all of these marks are parts of the longer delimiter."""
    return bare.count(delimiter) * delimiter.count(mark) >= _EVEN * bare.count(mark)


def row_formats(text: str, delimiter: str, overrides: ReadingOverrides) -> Iterator[RowFormat]:
    """The formats with this delimiter that the text may have, the usual one first; overrides leave one choice."""
    for blanks in _blanks(text, delimiter, overrides):
        for quote in _quotes(text, delimiter, overrides):
            for escape in _escapes(text, delimiter, quote, overrides):
                yield RowFormat.of_sample(
                    delimiter.rstrip(" ") or delimiter, quote=quote, escape=escape, blank_after_delimiter=blanks
                )


def blank_formats(overrides: ReadingOverrides) -> list[RowFormat]:
    """The formats with one blank, or a run of at least one or two of them, as delimiter."""
    quote = None if overrides.quote == NONE else overrides.quote or '"'
    return [
        RowFormat.of_sample(delimiter, quote=quote, blank_after_delimiter=run)
        for delimiter, run in ((" ", False), (" ", True), ("  ", True))
    ]


def _blanks(text: str, delimiter: str, overrides: ReadingOverrides) -> Sequence[bool]:
    if overrides.delimiter and overrides.delimiter.rstrip(" ") not in {"", overrides.delimiter}:
        return (True,)
    return (False, True) if not delimiter.isspace() and f"{delimiter} " in text else (False,)


def _quotes(text: str, delimiter: str, overrides: ReadingOverrides) -> Sequence[str | None]:
    if overrides.quote is not None:
        return (None if overrides.quote == NONE else overrides.quote,)
    quotes: list[str | None] = ['"']
    end = re.escape(delimiter)
    if "'" in text and re.search(rf"(?:^|{end}) *'[^'\r\n]", text, re.MULTILINE):
        quotes.append("'")
    # Only where texts rarely hold the delimiter do programs write them without quotes, and quotes in them as they are.
    bare = delimiter not in {",", ";"}
    if '"' in text and (bare or re.search(f'(?:^|{end})"', text, re.MULTILINE)):
        quotes.append(None)
    return quotes


def _escapes(text: str, delimiter: str, quote: str | None, overrides: ReadingOverrides) -> Sequence[str | None]:
    """A backslash is no escape where it is before anything else than a mark: it would be lost in paths."""
    if overrides.escape is not None:
        return (None if overrides.escape == NONE else overrides.escape,)
    marks = [delimiter, *filter(None, [quote])]
    single = text.replace("\\\\", "") if "\\" in text else ""
    others = re.escape("".join(marks))
    escapes = any(f"\\{mark}" in single for mark in marks) and not re.search(rf"\\[^\r\n{others}]", single)
    return (None, "\\") if escapes else (None,)
