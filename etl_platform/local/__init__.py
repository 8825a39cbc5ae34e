"""The whole platform on one machine: emulator, resources, Dagster, demo. Never part of production."""
