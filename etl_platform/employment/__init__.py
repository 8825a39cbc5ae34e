"""employment_history_job: exports periods of service from the application database."""
