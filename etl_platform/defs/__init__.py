"""Dagster: assets, checks, jobs, sensors and what they need. The only package that imports it."""
