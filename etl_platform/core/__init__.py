"""Decisions: pure functions and frozen values. No Dagster, network, clock or environment."""
