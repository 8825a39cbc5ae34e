"""Reconciliation: missing, stale and orphaned objects, and overdue files."""
