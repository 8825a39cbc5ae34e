"""One file against one contract: read, check, split, profile. Imports nothing else of the platform, no AWS, no Dagster.

The way of a file through ``check.check_file``:

    a file                         any format that agencies send
    → reading.open_table           its first bytes decide the format
    → reading.table.Table          header, batches of text cells, and how the file was read
    → rules.compile_contract       the contract as expressions; ``values`` types the cells
    → split                        one pass: good rows, bad rows with reasons, profile
    → output, result, text_report  Parquet, CSV, ``report.json``, text for people

Beside it: ``corrections`` and ``corrected_table`` replace cells of the file, ``privacy`` masks classified values, and
``check_command`` and ``command_line`` offer the check as a command.
"""
