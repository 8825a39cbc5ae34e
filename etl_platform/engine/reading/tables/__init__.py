"""Lines around and between the rows of a table: header, titles, rulers, footers, further tables.

headers, header_words          the header row, the columns of the contract that it names, and how names look
→ above_header, below_header   rows above it that are data, and rows below it that explain it
→ table_bounds                 repeated headers and further tables below
→ preamble_and_footer          lines around the table, which are left out and noted
"""
