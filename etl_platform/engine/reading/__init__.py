"""Bytes to rows: any file → a ``Table`` of text cells with line numbers. What the cells must contain is in ``rules``.

open_table      chooses the reader by the first bytes
→ packed        gzip and zip: unpacking within limits, and the members to read
→ delimited     text: dialect, chunks of whole rows, the fast parser where proven, else row by row with their damage
→ workbooks     .xlsx and .xls: the sheet, its cells as Excel shows them
→ tables        header, titles, totals and further tables around the rows
→ characters    encodings and code pages; invisible and lost characters of cells
"""
