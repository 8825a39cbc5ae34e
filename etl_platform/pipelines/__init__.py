"""Dagster only: one thin file per subject. Decisions are core's, work is ingest's."""
