"""The intake: the sensor that requests its runs, their config and body, and the events that they log.

file_arrivals_sensor requests runs (receive_files, run_request, intake_config) and hides their messages while they are
queued (queued_runs) → batch_run is their body; partition_runs is that of a run of one partition → dagster_event_log
logs delivery_events, and silver_log those of silver. intake_runs, breaker_state and failed_runs read run records.
ignored_files are those of no dataset; runs of ignored_files_job record them.
"""
