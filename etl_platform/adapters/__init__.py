"""I/O: one outside system per file, and files on local disk as tables. No Dagster."""
