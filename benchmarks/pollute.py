"""Pollutes clean tables for ``benchmarks.pollution``: one kind of damage in each file. No engine.

The kinds follow Pollock (Vitagliano et al., VLDB 2023, section 3), and add what agencies' exports and spreadsheets do.
A pollution changes how a table is written, or damages some of its rows; a right reader gives rows of the clean table or
none. ``UNDECIDABLE`` names the kinds in which a person who sees only the file could not tell either.
"""

import random
from dataclasses import dataclass

from benchmarks.clean_tables import DATASETS, CleanTable, clean_table
from benchmarks.pollute_lines import (
    Pollution,
    edited_header,
    edited_lines,
    edited_row,
)
from benchmarks.pollute_rows import (
    add_delimiter,
    add_delimiter_in_cell,
    broken_line,
    broken_quoted_text,
    cut_line,
    joined_rows,
    lose_and_add_delimiter,
    lose_delimiter,
    lose_quote,
    other_delimiter,
    quote_after_cell,
    quote_after_digit,
    quote_before_cell,
    quote_in_quoted_cell,
    quote_in_unquoted_cell,
    spilled_cells,
    stray_pair,
    two_quotes,
)
from benchmarks.pollute_tables import (
    blank_lines,
    extra_column_without_name,
    footer,
    header_once_more_and_rows,
    header_only,
    header_rows,
    lost_name,
    no_header,
    no_lines,
    preamble,
    preamble_with_a_quote,
    repeated_header,
    restyled_header,
    row_below_header,
    second_table,
    short_rows,
    split_header,
)
from benchmarks.pollute_texts import (
    CONTROLS,
    INVISIBLE,
    all_apostrophes,
    apostrophes,
    backslashes,
    blanks_around,
    code_page,
    concatenated,
    day_first,
    decimal_commas,
    encoded_twice,
    escaped_delimiters,
    excel_texts,
    excel_texts_unquoted,
    mixed_line_ends,
    overwritten_text,
    rewritten,
    signs_in_cells,
    utf8_letter_cut,
    without_quotes,
)

BASE_TABLES = 40
"""Clean tables of each dataset; every polluted file is made from one of them."""
UNDECIDABLE = {
    "a quote after a digit": "it is an inch mark as often as a stray quote, so the text keeps it",
    "a line break in a quoted text": "texts of several lines are written so",
    "a delimiter lost and another one added": "the row has its usual width, and only the types of its cells can differ",
    "a text cell overwritten by its neighbour": "nothing in the file shows it",
}


@dataclass(frozen=True)
class Polluted:
    """A polluted file.

    Attributes:
        table: what a right reader may find in it, and nothing else.
        base: the number of the clean table that it was made from; ``table`` may write other values.
    """

    kind: str
    table: CleanTable
    base: int
    content: bytes


def make_file(seed: int, number: int, only: str | None = None) -> Polluted:
    """The same numbers give the same file; ``only`` fixes the kind."""
    rng = random.Random(f"pollute:{seed}:{number}")
    base = rng.randrange(BASE_TABLES)
    table = clean_table(seed, base, rng.choice(DATASETS))
    kind = only or rng.choice(list(KINDS))
    made = KINDS[kind](rng, table)
    truth, content = made if isinstance(made, tuple) else (table, made)
    return Polluted(kind, truth, base, content)


KINDS: dict[str, Pollution] = {
    # Pollock: the whole file
    "no payload": edited_lines(no_lines),
    "no header": edited_lines(no_header),
    "header only": edited_lines(header_only),
    "the header two or three times": edited_lines(header_rows),
    "a preamble": edited_lines(preamble),
    "a preamble with a stray quote": edited_lines(preamble_with_a_quote),
    "a second table below": edited_lines(second_table),
    "CR as line end": rewritten(",", "\r"),
    "CRLF as line end": rewritten(",", "\r\n"),
    "line ends mixed": mixed_line_ends,
    "semicolons": rewritten(";"),
    "tabs": rewritten("\t"),
    "pipes": rewritten("|"),
    "blanks as delimiter": rewritten(" "),
    "comma and blank": rewritten(", "),
    "two commas": rewritten(",,"),
    "two pipes": rewritten("||"),
    "apostrophes as quotes": apostrophes,
    "apostrophes around all": all_apostrophes,
    "backslash before quotes": backslashes,
    "backslash before delimiters": escaped_delimiters,
    "no quoting": without_quotes,
    # Pollock: single rows
    "a surplus delimiter": edited_row(add_delimiter),
    "a delimiter in a cell": edited_row(add_delimiter_in_cell),
    "a lost delimiter": edited_row(lose_delimiter),
    "another delimiter in a row": edited_row(other_delimiter),
    "a quote before a cell": edited_row(quote_before_cell),
    "a quote after a cell": edited_row(quote_after_cell),
    "a quote in a quoted cell": edited_row(quote_in_quoted_cell),
    "a quote in an unquoted text": edited_row(quote_in_unquoted_cell),
    "a quote after a digit": edited_row(quote_after_digit),
    "a lost quote": edited_row(lose_quote),
    # rows, as exports damage them
    "a quote before and one after later cells": edited_lines(stray_pair),
    "two quotes in texts": edited_row(two_quotes),
    "a line break in a row": edited_row(broken_line),
    "a line break in a quoted text": edited_row(broken_quoted_text),
    "a row cut off": edited_row(cut_line),
    "cells before a row": edited_row(spilled_cells),
    "two rows in one line": edited_lines(joined_rows),
    "a delimiter lost and another one added": edited_row(lose_and_add_delimiter),
    "empty last cells left out": edited_lines(short_rows),
    "a delimiter after each row": edited_lines(extra_column_without_name),
    "blank lines": edited_lines(blank_lines),
    "a text cell overwritten by its neighbour": overwritten_text,
    # header and the lines around the table
    "a delimiter lost in the header": edited_header(lose_delimiter),
    "a delimiter too many in the header": edited_header(add_delimiter),
    "a name lost in the header": edited_header(lost_name),
    "a quote in the header": edited_header(quote_before_cell),
    "a header in another style": edited_header(restyled_header),
    "a header over two rows": edited_lines(split_header),
    "the header once more": edited_lines(repeated_header),
    "the table in two parts": edited_lines(header_once_more_and_rows),
    "two files in one": concatenated,
    "a row below the header": edited_lines(row_below_header),
    "a footer": edited_lines(footer),
    # texts and values
    "another code page": code_page,
    "a letter of UTF-8 cut": utf8_letter_cut,
    "UTF-8 encoded twice": encoded_twice,
    "invisible characters": signs_in_cells(INVISIBLE),
    "control characters": signs_in_cells(CONTROLS),
    "blanks around cells": blanks_around,
    "days before months": day_first,
    "decimal commas": decimal_commas,
    "Excel texts": excel_texts,
    "Excel texts without quotes around": excel_texts_unquoted,
}
