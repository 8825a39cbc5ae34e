"""The command line ``etl-platform``: one module per command group; ``jobs`` has the jobs that ``run`` starts."""
