"""The verdict on one file as a page for people: what a page says, and its HTML and plain text."""
