"""The platform on one machine, for demo, development and tests: AWS emulator, Dagster, sample data."""
