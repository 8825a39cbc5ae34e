"""Runs of every job: policies, tags, counts, progress, errors, schedules, and a run within this process."""
