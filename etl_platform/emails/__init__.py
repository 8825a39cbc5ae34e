"""The email archive: queue messages to one JSON document each."""
