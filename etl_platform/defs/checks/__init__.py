"""Asset checks of datasets: what they state (check_results, expected_files), and how they are logged (check_log)."""
