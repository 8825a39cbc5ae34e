"""Exit codes of commands."""

GOOD, BAD, USAGE = 0, 1, 2
"""Good; bad data or a failure; wrong arguments or a broken contract."""
