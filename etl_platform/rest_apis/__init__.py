"""Declared REST APIs: reading them and landing snapshots."""
