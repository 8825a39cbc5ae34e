"""Unit tests: core decisions, local adapters, and the engine on real files in a temporary folder."""
