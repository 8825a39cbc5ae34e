"""Tests of ``engine.drift``."""
