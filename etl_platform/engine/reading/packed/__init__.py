"""Packed files: unpacking within limits, the members of a zip to read, and members read as one table."""
