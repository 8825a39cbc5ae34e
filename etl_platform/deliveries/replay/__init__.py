"""Quarantined rows: their export, corrections, and the replay that applies them."""
