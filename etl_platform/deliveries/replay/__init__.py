"""Quarantined rows: export, corrections, and replay with them."""
