"""Excel workbooks, read cell by cell as Excel shows them.

workbook                       which sheet, its header, and the rows below it
→ sheets                       the interface of all sheets
→ xlsx_sheet, office_package   .xlsx: parts by their relationships, the XML of a sheet block by block
→ xls_sheets, xls_workbook     .xls: records of an OLE file
→ cell_texts, number_formats   numbers as Excel shows them
→ sheet_rows, serial_columns   rows below the header, and bare numbers of date columns
"""
