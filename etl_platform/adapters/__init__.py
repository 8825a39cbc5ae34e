"""I/O: one outside system per file, and in ``reading`` the files that agencies send. No Dagster."""
