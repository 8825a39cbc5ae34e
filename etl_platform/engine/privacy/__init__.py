"""Masks of values that must not be shown. Which columns are masked is decided by the contract."""
