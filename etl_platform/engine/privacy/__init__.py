"""Masks of classified values. Which columns are classified is in the contract."""
