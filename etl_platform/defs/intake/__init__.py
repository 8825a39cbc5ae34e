"""The intake: the sensor that requests its runs, their config and body, and the events that they log.

file_arrivals_sensor requests runs (run_request, intake_config) → intake_assets is their body; partition_runs is that of
a run of one partition → dagster_event_log logs delivery_events. intake_runs, breaker_state and failed_runs read run
records. ignored_files are those that no run ingests.
"""
