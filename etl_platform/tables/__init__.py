"""Silver, quarantine and reports as tables: frames, SQL, and their columns in Glue. Only reads; no Dagster."""
