"""One file against one contract: read, check, split, profile. Imports nothing else of the platform, no AWS, no Dagster.

The way of a file through ``check.check_file``:

    a file                         any format that agencies send
    → reading.open_table           its first bytes decide the format
    → reading.table.Table          header, batches of text cells, and how the file was read
    → rules.compile_contract       the contract as expressions; ``values`` types the cells
    → split                        one pass: good rows, bad rows with reasons, profile
    → output, result, text_report  Parquet, CSV, ``report.json``, text for people

Beside it: ``corrections`` and ``corrected_table`` replace cells of the file, and ``privacy`` masks values. ``renames``
suggests which unknown column is a missing one, ``drift`` compares an accepted file with the previous ones of its
series, and ``drafting`` writes a first contract from files. ``web_check`` checks posted files. ``check_command``,
``suggest_command`` and ``command_line`` are the commands.
"""
