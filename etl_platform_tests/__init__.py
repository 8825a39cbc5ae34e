"""Tests: unit (no outside system), dagster (in process), integration (against the emulator)."""
