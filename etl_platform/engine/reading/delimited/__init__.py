"""Delimited text: its dialect, and its rows with their damage, in bounded memory.

text_dialect                   encoding, dialect, line end and header, from the first 256 KiB
→ sample_layout, split_sample  that text as each of the ``row_formats`` splits it, and which one explains it best
text_table                     chunks of whole rows; ``quote_scan`` counts what proves a fast parser's result
→ parse_chunk                  Polars where proven, else ``parse_rows``, row by row with the damage of each
→ split_rows, cell_grammar     the exact parser: rows, their damage, and where reading goes on after a broken one
→ formula_texts, cut_rows      texts such as ="00123"; rows that a line break cut in two
"""
