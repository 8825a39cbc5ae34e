"""Everything that imports Dagster. A file here is thin: it reads, calls the package that does the work, and reports.

Assets, jobs and schedules, by subject: intake_assets (with check_results, dataset_specs, delivery_events,
delivery_metadata, event_log_lookup, lineage), api_ingestion, attachments, email_archive, employment_history,
expected_files, reconciliation. Where their data comes from: sources.
The first screen: overview (with its sensor, recent_arrivals, ignored_files, overdue_files).
Shared by them: platform_resource, partitions, schedules, run_policies, table_metadata, failures.
For assets downstream that load silver: silver_io_manager.
Sensors: file_arrivals_sensor; the one of the emails is in email_archive.
Run records, read and written: intake_runs, breaker_state (with the reset job), failed_runs, run_counts, run_tags,
daily_counts.
Instance and processes: open_instance, run_in_process, run_launcher, run_logs, run_progress, stop_signal.
Dagster itself: dagster_internals (its private parts), scaffolded (loads what ``dg scaffold defs`` adds to this folder).
"""
