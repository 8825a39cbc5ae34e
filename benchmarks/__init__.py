"""Benchmarks beside peers, run with ``make bench``. Ratios of one run count, not seconds."""
