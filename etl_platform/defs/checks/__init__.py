"""Asset checks: one result (check_evaluation), and how results are logged (check_log).

Of datasets: the results of files (check_results) and of missing files (expected_files, overdue_files).
"""
