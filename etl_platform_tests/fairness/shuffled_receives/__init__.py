"""On PYTHONPATH of the emulator only."""
