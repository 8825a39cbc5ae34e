"""One file per command group: its arguments, and the one function that it calls and prints."""
