"""Everything that imports Dagster. A file here is thin: it reads, calls the package that does the work, and reports.

Rooms: intake, datasets, checks, contracts, operations, runs.
Other jobs, one module each: api_ingestion, attachments, email_archive, employment_history.
Where data comes from: sources. For assets downstream that load silver: silver_io_manager.
Shared: platform_resource, open_instance, table_metadata.
Dagster itself: run_launcher, kubernetes_run_launcher, run_logs, writable_ui, dagster_internals (its private parts),
scaffolded (loads what ``dg scaffold defs`` adds to this folder).
"""
