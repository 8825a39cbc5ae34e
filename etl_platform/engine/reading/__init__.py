"""Bytes to rows: any file → a ``Table`` of text cells with line numbers. What the cells must contain is in ``rules``.

open_table                     chooses the reader by the first bytes: text, workbook or archive
→ archives, zip_members        decompression within limits; the members to read, which ``zip_tables`` joins
→ text_dialect, headers        encoding, dialect, line end and header of a text, from its first 256 KiB
→ sample_layout, split_sample  that text as each of the ``row_formats`` splits it, and which one explains it best
→ text_table                   chunks of whole rows; ``quote_scan`` counts what proves a fast parser's result
→ parse_chunk                  Polars where proven, else ``parse_rows``, row by row with the damage of each
→ split_rows, cell_grammar     the exact parser: rows, their damage, and where reading goes on after a broken one
→ cell_characters              invisible and lost characters; ``formula_texts``: ="00123"
→ preamble_and_footer          lines around the table, which are left out and noted
→ table_bounds, header_words   repeated headers and further tables below the header
→ workbook, sheets             which sheet of a workbook, its header, and the interface of all sheets
→ xlsx_sheet, office_package   .xlsx: parts by their relationships, the XML of a sheet block by block
→ xls_sheets, xls_workbook     .xls: records of an OLE file
→ cell_texts, number_formats   numbers as Excel shows them
→ sheet_rows, serial_columns   rows below the header, and bare numbers of date columns
"""
